"""Aliases of a document's subject come from its first sentence; other names are not taken."""

import pytest

from ingest.entities.recognition import RecognizedEntity
from ingest.extraction import _extract_document, _TokenStateStream, extract_documents
from ingest.extraction_config import DEFAULT
from kgrag.types import Document, Passage


def aliases_of(title: str, text: str, lang: str = "en") -> set[str]:
    extraction = extract_documents([Document("d", title, text, "d", lang, "")], 1200)[0]
    return {name for _, name, _ in extraction.names} - {title}


@pytest.mark.parametrize(
    ("title", "text", "alias"),
    [
        (
            "Frederick I, Holy Roman Emperor",
            "Frederick Barbarossa (1122 – 10 June 1190), also known as Frederick I, was the Holy Roman Emperor.",
            "Frederick Barbarossa",
        ),
        (
            "Alex da Kid",
            "Alexander Junior Grant (born 7 August 1982), professionally known as Alex da Kid, is a record producer.",
            "Alexander Junior Grant",
        ),
        ("Mehmed the Conqueror", "Mehmed II (30 March 1432 – 3 May 1481) was an Ottoman Sultan.", "Mehmed II"),
        ("Arsenal F.C.", "Arsenal Football Club is a football club based in Highbury.", "Arsenal Football Club"),
        ("Low-Rank Adaptation", "Low-Rank Adaptation (LoRA) is a method of tuning.", "LoRA"),
    ],
)
def test_find_aliases_first_sentence_gives_alias(title: str, text: str, alias: str) -> None:
    assert alias in aliases_of(title, text)


@pytest.mark.parametrize(
    ("title", "text", "other_name"),
    [
        ("Near East", "The British Empire was going to side with the Russian Empire in those years.", "British Empire"),
        ("Amer Shomali", "Amer Shomali (Arabic: عامر شوملي) is a Palestinian artist.", "Arabic"),
        (
            "Istiqlal Mosque, Jakarta",
            "Istiqlal Mosque in Jakarta is a mosque by Jakarta Cathedral.",
            "Jakarta Cathedral",
        ),
    ],
)
def test_find_aliases_other_entity_is_not_alias(title: str, text: str, other_name: str) -> None:
    assert other_name not in aliases_of(title, text)


def test_find_aliases_chinese_short_and_former_names() -> None:
    aliases = aliases_of("北京大学", "北京大学，简称北大，旧称京师大学堂，是一所大学。", "zh")
    assert {"北大", "京师大学堂"} <= aliases


def test_surname_of_title_resolves_to_document_subject() -> None:
    text = "Ross Alger was a mayor. Alger was followed by Ralph Klein. His rival Ann Alger and John Bishop lost."
    names = [
        RecognizedEntity(n, text.rindex(n) if n == "Alger" else text.index(n), 0, "PERSON")
        for n in ("Ross Alger", "Ralph Klein", "Ann Alger", "John Bishop")
    ]
    surname_start = text.index("Alger was followed")
    recognized = [n._replace(end=n.start + len(n.text)) for n in names] + [
        RecognizedEntity("Alger", surname_start, surname_start + 5, "PERSON")
    ]
    passage = Passage("d#0001", "d", text, 0, len(text))
    document = Document("d", "Ross Alger", text, "d.txt", "en", "0")

    def token_states() -> _TokenStateStream:
        return _TokenStateStream([document], [[passage]], all_languages=False)

    extraction = _extract_document(document, [passage], {passage.id: recognized}, token_states(), DEFAULT)
    entities = {m.surface: m.entity_id for m in extraction.mentions}
    assert entities["Alger"] == "ross alger"
    assert entities["Ann Alger"] == "ann alger" and entities["John Bishop"] == "john bishop"
    place = recognized[-1]._replace(type="PLACE")
    extraction = _extract_document(document, [passage], {passage.id: [place]}, token_states(), DEFAULT)
    assert [m.entity_id for m in extraction.mentions if m.start == surname_start] == ["alger"]
