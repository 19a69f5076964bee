"""Tests of which facts of sentences are trusted in which kind of document."""

from __future__ import annotations

import pytest

from ingest.prose import DocumentKind, document_kind
from ingest.readers.content import make_document
from ingest.readers.markup.markdown import parse_markup
from ingest.relations.sentence_facts import trusted_facts
from kgrag.types import Triple

TYPES = {"ada": "PERSON", "leeds": "PLACE", "england": "PLACE", "acme": "ORGANISATION"}


def triple(subject: str, predicate: str, object_: str) -> Triple:
    return Triple(subject, predicate, object_, "d#0001", 0, 9, 0.8)


FACTS = [
    triple("title", "creator", "acme"),
    triple("ada", "employer", "acme"),
    triple("leeds", "located_in", "england"),
    triple("temp table", "creator", "acme"),
    triple("title", "also_known_as", "short title"),
    triple("title", "depends_on", "acme"),
]
OWN = '[predicate.depends_on]\nmeaning = "what it needs"\n'


@pytest.mark.parametrize(
    ("kind", "kept"),
    [
        (DocumentKind.ARTICLE, [0, 1, 2, 3, 4, 5]),
        (DocumentKind.TEXT, [1, 2, 3, 4, 5]),
        (DocumentKind.TECHNICAL, [1, 2, 4, 5]),
    ],
)
def test_facts_are_trusted_by_kind(kind: DocumentKind, kept: list[int]) -> None:
    assert trusted_facts(FACTS, kind, "title", TYPES, OWN) == [FACTS[n] for n in kept]


@pytest.mark.parametrize(
    ("title", "text", "kind"),
    [
        ("Ada Lovelace", "# Ada Lovelace\n\nAda Lovelace was an English mathematician.\n", DocumentKind.ARTICLE),
        ("华罗庚", "# 华罗庚\n\n华罗庚是中国数学家。\n", DocumentKind.ARTICLE),
        ("Ada Lovelace", "Plain text without any structure.", DocumentKind.ARTICLE),
        ("Trip notes", "# Trip notes\n\nWe left early. It was raining.\n", DocumentKind.TEXT),
        ("VACUUM", "# VACUUM\n\nVACUUM is a command.\n\n```\nVACUUM;\n```\n", DocumentKind.TECHNICAL),
    ],
)
def test_kind_of_document(title: str, text: str, kind: DocumentKind) -> None:
    content, tree = parse_markup(text)
    assert document_kind(make_document("d", title, content, "d", tree)) is kind
