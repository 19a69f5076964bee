"""Names and facts are looked for in prose, not in code, table rows and headings; offsets stay."""

from __future__ import annotations

import pytest

from ingest.extraction import extract_documents
from ingest.prose import CODE, NOT_SENTENCES, blank_spans, blank_unnamed_sentences, block_spans
from ingest.splitter import split_document
from kgrag.embedders import TOKEN_ENCODER
from kgrag.models.convert import local_folder
from kgrag.models.registry import find_model
from kgrag.tree import NO_TREE, Block, BlockKind, DocumentTree
from kgrag.types import Document

PARTS = [
    (BlockKind.HEADING, "# Ada Lovelace of London"),
    (BlockKind.PARAGRAPH, "Charles Babbage was born in London."),
    (BlockKind.CODE, "Mary Shelley = George Byron(Percy Shelley)"),
    (BlockKind.ROW, "Name: John Keats; Town: Rome"),
    (BlockKind.PARAGRAPH, "it stops when the input ends."),
]
TEXT = "\n\n".join(text for _, text in PARTS)
TREE = DocumentTree(tuple(Block(kind, TEXT.index(text), TEXT.index(text) + len(text)) for kind, text in PARTS))


def make_document(tree: DocumentTree) -> Document:
    return Document("d", "Analytical Engine", TEXT, "d", "en", "0", tree)


def test_block_spans_are_offsets_into_passage() -> None:
    passages = split_document(make_document(TREE), 60)
    assert len(passages) > 2
    found = [passage.text[slice(*span)] for passage in passages for span in block_spans(TREE, passage, NOT_SENTENCES)]
    assert found == [text for kind, text in PARTS if kind in NOT_SENTENCES]
    assert not block_spans(NO_TREE, passages[0], NOT_SENTENCES)


@pytest.mark.parametrize(
    ("spans", "expected"),
    [([], "abcdef"), ([(0, 2)], "\n\ncdef"), ([(1, 2), (4, 6)], "a\ncd\n\n"), ([(0, 6)], "\n" * 6)],
)
def test_blanked_text_keeps_offsets(spans: list[tuple[int, int]], expected: str) -> None:
    assert blank_spans("abcdef", spans) == expected


def test_only_sentences_that_may_name_something_are_tagged() -> None:
    text = "The input ends. Babbage wrote it. It was sent to London. The rest follows."
    assert blank_unnamed_sentences(text).split() == ["Babbage", "wrote", "it.", "It", "was", "sent", "to", "London."]
    assert len(blank_unnamed_sentences(text)) == len(text)


@pytest.mark.skipif(local_folder(find_model(TOKEN_ENCODER)) is None, reason=f"{TOKEN_ENCODER} is not here: pull it")
def test_code_has_no_names_and_rows_no_facts() -> None:
    (extraction,) = extract_documents([make_document(TREE)], 2000)
    names = {mention.surface for mention in extraction.mentions}
    assert {"Ada Lovelace of London", "Charles Babbage", "John Keats"} <= names
    assert not any("Shelley" in name or "Byron" in name for name in names)
    assert all(TEXT[mention.start : mention.end] == mention.surface for mention in extraction.mentions)
    sentences = {TEXT[triple.start : triple.end] for triple in extraction.triples}
    assert sentences == {PARTS[1][1]}
    assert block_spans(TREE, extraction.passages[0], CODE)
