"""What else a document's subject is called: its own first sentence says, and what is no name of it is not taken."""

import pytest

from ingest.entities.recognition import RecognizedEntity
from ingest.extraction import _extract_document, _TokenStateStream, extract_documents
from ingest.extraction_config import DEFAULT
from kgrag.types import Document, Passage


def others(title: str, text: str, lang: str = "en") -> set[str]:
    read = extract_documents([Document("d", title, text, "d", lang, "")], 1200)[0]
    return {name for _, name, _ in read.names} - {title}


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
def test_the_first_sentence_says(title: str, text: str, alias: str) -> None:
    assert alias in others(title, text)


@pytest.mark.parametrize(
    ("title", "text", "wrong"),
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
def test_another_thing_is_no_alias(title: str, text: str, wrong: str) -> None:
    assert wrong not in others(title, text)


def test_chinese_names_of_one_thing() -> None:
    found = others("北京大学", "北京大学，简称北大，旧称京师大学堂，是一所大学。", "zh")
    assert {"北大", "京师大学堂"} <= found


def test_a_person_called_by_the_end_of_the_title_is_the_documents_own() -> None:
    text = "Ross Alger was a mayor. Alger was followed by Ralph Klein. His rival Ann Alger and John Bishop lost."
    names = [
        RecognizedEntity(n, text.rindex(n) if n == "Alger" else text.index(n), 0, "PERSON")
        for n in ("Ross Alger", "Ralph Klein", "Ann Alger", "John Bishop")
    ]
    alone = text.index("Alger was followed")
    found = [n._replace(end=n.start + len(n.text)) for n in names] + [
        RecognizedEntity("Alger", alone, alone + 5, "PERSON")
    ]
    passage = Passage("d#0001", "d", text, 0, len(text))
    document = Document("d", "Ross Alger", text, "d.txt", "en", "0")

    def seen() -> _TokenStateStream:
        return _TokenStateStream([document], [[passage]], all_languages=False)

    read = _extract_document(document, [passage], {passage.id: found}, seen(), DEFAULT)
    entities = {m.surface: m.entity_id for m in read.mentions}
    assert entities["Alger"] == "ross alger"
    assert entities["Ann Alger"] == "ann alger" and entities["John Bishop"] == "john bishop"
    place = found[-1]._replace(type="PLACE")
    read = _extract_document(document, [passage], {passage.id: [place]}, seen(), DEFAULT)
    assert [m.entity_id for m in read.mentions if m.start == alone] == ["alger"]
