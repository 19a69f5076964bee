"""What else a document's subject is called: its own first sentence says, and what is no name of it is not taken."""

import pytest

from ingest.extract import extract
from kgrag.types import Document


def others(title: str, text: str, lang: str = "en") -> set[str]:
    read = extract([Document("d", title, text, "d", lang, "")], 1200)[0]
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
