"""Public datasets of labelled names, facts and clusters, read in their published formats.

Texts that a dataset has split into words are put together again ("Wesley , who" becomes "Wesley, who"), and labels of
words become spans of that text. A sentence without a title gets none, and an id that no text contains, so that the
extraction does not take it for a subject.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kgrag.errors import ReadError, UsageError
from kgrag.types import Document

PRONOUNS = frozenset(
    [
        "he",
        "she",
        "it",
        "they",
        "him",
        "her",
        "them",
        "his",
        "hers",
        "its",
        "their",
        "theirs",
        "who",
        "which",
        "that",
        "i",
        "we",
        "you",
    ]
)
_NO_SPACE_BEFORE = frozenset(".,;:!?)]}%…、。，；：！？）】") | {"n't", "''", "..."}
_NO_SPACE_AFTER = frozenset("([{$#£€（【") | {"``"}


@dataclass(frozen=True, slots=True)
class LabelledSpan:
    """A labelled name: its span in `Document.text`, its type in the dataset's terms, and its entity.

    Two names of a document with the same ``entity_number`` are one entity; -1 if the dataset does not say.
    """

    start: int
    end: int
    type: str
    text: str
    entity_number: int = -1


@dataclass(frozen=True, slots=True)
class GoldFact:
    """A fact that a dataset states: all names of its two ends, as written, and its relation in the dataset's terms.

    ``sentence_spans`` are the spans of the sentences that mention both ends; none if the dataset does not say.
    """

    subject: tuple[str, ...]
    relation: str
    object: tuple[str, ...]
    sentence_spans: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A text of a dataset as a document, with its labels."""

    document: Document
    names: tuple[LabelledSpan, ...] = ()
    facts: tuple[GoldFact, ...] = ()


def read_text(path: Path) -> str:
    """Read a file's text; decompress it if its first bytes are those of gzip.

    Raises:
        UsageError: there is no such file.
        ReadError: it cannot be read or decompressed, or is not UTF-8.
    """
    if not path.is_file():
        raise UsageError(f"Expected a file of a public dataset at {path}, found none: check the path.")
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8-sig")
    except (OSError, EOFError, ValueError) as error:
        raise ReadError(f"{path} cannot be read as UTF-8 text ({error}): download it again.") from error


def load_labelled_texts(name: str, path: Path, limit: int | None = None) -> list[LabelledText]:
    """Load the first ``limit`` items of a file in one of `FORMATS`.

    Raises:
        UsageError: there is no such file.
        ReadError: it is of another format; the message names the expected one and quotes the file.
    """
    parse, expected = FORMATS[name]
    text = read_text(path)
    items: list[LabelledText] = []
    try:
        for number, item in enumerate(parse(text)):
            if limit is not None and number >= limit:
                break
            items.append(item)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise ReadError(
            f"{path} is not of the format {name}: expected {expected}, found {' '.join(text[:200].split())[:60]!r} "
            f"({type(error).__name__}: {error}, at item {len(items) + 1}). Pass the file's own format, one of "
            f"{', '.join(FORMATS)}, or 2wiki for its questions."
        ) from error
    if not items:
        raise ReadError(f"Expected {expected} in {path}, found nothing: download it again.")
    return items


def make_set_document(name: str, number: int, text: str, lang: str, title: str = "") -> Document:
    """Return a text of a dataset as a document, with an id that no text contains."""
    sha256 = hashlib.sha256(f"{title}\n{text}".encode()).hexdigest()
    return Document(f"{name}/{number:06d}", title, text, name, lang, sha256)


def detokenize(words: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """Join words as they are written; return the text and the span of each word.

    There is no space before a comma or inside brackets.
    """
    text = ""
    spans = []
    inside_quotes = joins_next = False
    for position, word in enumerate(words):
        closes_quote = word == '"' and inside_quotes
        neighbours = words[position - 1][-1:], "".join(words[position + 1 : position + 2])[:1]
        is_hyphen = word == "-" and position > 0 and all(map(str.isalpha, neighbours))
        has_no_space = (
            not text
            or joins_next
            or closes_quote
            or is_hyphen
            or word in _NO_SPACE_BEFORE
            or (word[:1] in "'’" and len(word) < 4)
        )
        text += "" if has_no_space else " "
        spans.append((len(text), len(text) + len(word)))
        text += word
        joins_next = word in _NO_SPACE_AFTER or is_hyphen or (word == '"' and not inside_quotes)
        inside_quotes ^= word == '"'
    return text, spans


def _parse_array(text: str) -> list[Any]:
    rows = json.loads(text)
    if not isinstance(rows, list):
        raise TypeError(f"a JSON {type(rows).__name__} and not an array")
    return rows


def _parse_webnlg(text: str) -> Iterable[LabelledText]:
    for number, row in enumerate(_parse_array(text)):
        text_joined, _ = detokenize(row["text"].split())
        facts = [GoldFact((s,), relation, (o,)) for s, relation, o in row["triple_list"]]
        yield LabelledText(make_set_document("webnlg", number, text_joined, "en"), facts=tuple(facts))


def _parse_conll04(text: str) -> Iterable[LabelledText]:
    for number, row in enumerate(_parse_array(text)):
        text_joined, spans = detokenize(row["tokens"])
        names = []
        for entity_number, entity in enumerate(row["entities"]):
            span = spans[entity["start"]][0], spans[entity["end"] - 1][1]
            names.append(LabelledSpan(*span, entity["type"], text_joined[slice(*span)], entity_number))
        facts = [GoldFact((names[r["head"]].text,), r["type"], (names[r["tail"]].text,)) for r in row["relations"]]
        yield LabelledText(make_set_document("conll04", number, text_joined, "en"), tuple(names), tuple(facts))


def _parse_redocred(text: str) -> Iterable[LabelledText]:
    for number, row in enumerate(_parse_array(text)):
        document_text = ""
        word_spans: list[list[tuple[int, int]]] = []
        sentence_bounds: list[tuple[int, int]] = []
        for words in row["sents"]:
            document_text += " " if document_text else ""
            piece, spans = detokenize(words)
            word_spans.append([(s + len(document_text), e + len(document_text)) for s, e in spans])
            sentence_bounds.append((len(document_text), len(document_text) + len(piece)))
            document_text += piece
        names: list[LabelledSpan] = []
        names_by_entity: list[tuple[str, ...]] = []
        sentences_by_entity: list[set[int]] = []
        for entity_number, mentions in enumerate(row["vertexSet"]):
            entity_mentions = [m for m in mentions if m["name"].lower() not in PRONOUNS]
            for m in entity_mentions:
                start, end = word_spans[m["sent_id"]][m["pos"][0]][0], word_spans[m["sent_id"]][m["pos"][1] - 1][1]
                names.append(LabelledSpan(start, end, m["type"], document_text[start:end], entity_number))
            names_by_entity.append(tuple(dict.fromkeys(m["name"] for m in entity_mentions)))
            sentences_by_entity.append({m["sent_id"] for m in entity_mentions})
        facts = []
        for label in row["labels"]:
            shared_sentences = sorted(sentences_by_entity[label["h"]] & sentences_by_entity[label["t"]])
            facts.append(
                GoldFact(
                    names_by_entity[label["h"]],
                    label["r"],
                    names_by_entity[label["t"]],
                    tuple(sentence_bounds[s] for s in shared_sentences),
                )
            )
        yield LabelledText(
            make_set_document("redocred", number, document_text, "en", row["title"]), tuple(names), tuple(facts)
        )


def _parse_peoples_daily(text: str) -> Iterable[LabelledText]:
    number = 0
    letters: list[str] = []
    tags: list[str] = []
    for line in [*text.splitlines(), ""]:
        if line.strip():
            letter, tag = line.rsplit(maxsplit=1)
            if tag != "O" and tag[:2] not in ("B-", "I-"):
                raise ValueError(f"{tag!r} is no tag of this format")
            letters.append(letter)
            tags.append(tag)
        elif letters:
            text_joined = "".join(letters)
            yield LabelledText(
                make_set_document("peoples-daily", number, text_joined, "zh"),
                tuple(_spans_from_tags(letters, tags, text_joined)),
            )
            number += 1
            letters, tags = [], []


def _spans_from_tags(letters: Sequence[str], tags: Sequence[str], sentence_text: str) -> Iterable[LabelledSpan]:
    start, kind, position = -1, "", 0
    for letter, tag in [*zip(letters, tags, strict=True), ("", "O")]:
        if start >= 0 and (not tag.startswith("I-") or tag[2:] != kind):
            yield LabelledSpan(start, position, kind, sentence_text[start:position])
            start = -1
        if tag != "O" and start < 0:
            start, kind = position, tag[2:]
        position += len(letter)


def _parse_cluener(text: str) -> Iterable[LabelledText]:
    for number, line in enumerate(text.splitlines()):
        if line.strip():
            row = json.loads(line)
            names = []
            for kind, spans_by_name in row["label"].items():
                for spans in spans_by_name.values():
                    names += [LabelledSpan(s, e + 1, kind, row["text"][s : e + 1]) for s, e in spans]
            yield LabelledText(
                make_set_document("cluener", number, row["text"], "zh"), tuple(sorted(names, key=lambda n: n.start))
            )


FORMATS: dict[str, tuple[Callable[[str], Iterable[LabelledText]], str]] = {
    "webnlg": (_parse_webnlg, 'a JSON array of {"text", "triple_list": [[subject, property, object], …]}'),
    "conll04": (_parse_conll04, 'a JSON array of {"tokens", "entities", "relations"}'),
    "redocred": (_parse_redocred, 'a JSON array of {"title", "sents", "vertexSet", "labels"}'),
    "peoples-daily": (
        _parse_peoples_daily,
        "lines of a character and its tag (O, B-PER, …), an empty line between texts",
    ),
    "cluener": (_parse_cluener, 'JSON lines of {"text", "label": {type: {name: [[first, last], …]}}}'),
}
"""The parser of each format, and a description of its files."""
