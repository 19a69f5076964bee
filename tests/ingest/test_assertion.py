"""Tests of whether a sentence asserts a relation, or denies, supposes or asks for it."""

from __future__ import annotations

import pytest

from ingest.extraction import extract_documents
from ingest.readers.content import make_document
from ingest.relations.assertion import is_asserted


def asserts(sentence: str, subject: str, object_: str) -> bool:
    spans = [(sentence.index(name), sentence.index(name) + len(name), name) for name in (subject, object_)]
    return is_asserted(sentence, spans, subject, object_)


@pytest.mark.parametrize(
    ("sentence", "subject", "object_"),
    [
        ("Contrary to what is often said, Ann Vale was not born in Leeds.", "Ann Vale", "Leeds"),
        ("Ann Vale never married Bob Holm.", "Ann Vale", "Bob Holm"),
        ("The Z9 relay was not invented by Jon Ashby but by Ida Holm.", "The Z9 relay", "Jon Ashby"),
        ("Harbour Bank is no longer headquartered in Bern.", "Harbour Bank", "Bern"),
        ("Ann Vale wasn't born in Leeds.", "Ann Vale", "Leeds"),
        ("It is a myth that Cy Quill was born in Oslo.", "Cy Quill", "Oslo"),
        ("Critics wrongly claimed that Tom Reed died in Paris.", "Tom Reed", "Paris"),
        ("If Eve Stone had been born in Rome, she would have been Italian.", "Eve Stone", "Rome"),
        ("Was Eve Stone born in Rome?", "Eve Stone", "Rome"),
        ("It is not known whether Eve Stone was born in Rome.", "Eve Stone", "Rome"),
        ("The bank denied that Ann Vale worked for Acme.", "Ann Vale", "Acme"),
        ("It was not Alice who founded Acme.", "Acme", "Alice"),
        ("Bob, not Alice, founded Acme.", "Alice", "Acme"),
        ("The claim that Alice founded Acme is a myth.", "Alice", "Acme"),
        ("Alice refused to work for Acme.", "Alice", "Acme"),
        ("不是张三创办了腾讯。", "张三", "腾讯"),
        ("张三不在腾讯工作。", "张三", "腾讯"),
        ("张三未加入腾讯。", "张三", "腾讯"),
        ("张三创办腾讯是误传。", "张三", "腾讯"),
        ("高明并非出生于南京。", "高明", "南京"),
        ("高明没有与王芳结婚。", "高明", "王芳"),
        ("有人误传周山出生于武汉。", "周山", "武汉"),
        ("如果周山出生于武汉，他会说武汉话。", "周山", "武汉"),
        ("周山出生于武汉吗？", "周山", "武汉"),
    ],
)
def test_denied_supposed_and_asked_relations_are_not_asserted(sentence: str, subject: str, object_: str) -> None:
    assert not asserts(sentence, subject, object_)


@pytest.mark.parametrize(
    ("sentence", "subject", "object_"),
    [
        ("Ann Vale was born in Leeds.", "Ann Vale", "Leeds"),
        ("The Z9 relay was not invented by Jon Ashby but by Ida Holm.", "The Z9 relay", "Ida Holm"),
        ("Ann Vale, who did not finish school, was born in Leeds.", "Ann Vale", "Leeds"),
        ("Ann Vale was not only born in Leeds but also died there.", "Ann Vale", "Leeds"),
        ("Ann Vale was born in Leeds, not in York.", "Ann Vale", "Leeds"),
        ("Not until 1950 did Ann Vale move to Leeds.", "Ann Vale", "Leeds"),
        ("If asked, Ann Vale says that she was born in Leeds.", "Ann Vale", "Leeds"),
        (
            'Carolyn Brandt was the wife of Ray Steckler and starred in "Mixed-Up Zombies!!?',
            "Carolyn Brandt",
            "Ray Steckler",
        ),
        ('Robert Smith was a writer, known for "Where Did You Go?"', "Robert Smith", "writer"),
        ("The film, produced by K. Murugan, had musical score by Sirpy and was released in 1997.", "The film", "Sirpy"),
        ("Everything Remains (As It Never Was) is an album by Eluveitie.", "Everything Remains", "Eluveitie"),
        ("After the false alarm, Alice founded Acme.", "Alice", "Acme"),
        ("Alice (born 1950, not 1951) founded Acme.", "Alice", "Acme"),
        ("Asked whether it rained, Alice said that she founded Acme.", "Alice", "Acme"),
        ("若干年后，张三在会上宣布创办腾讯。", "张三", "腾讯"),
        ("未来学家张三创办了腾讯。", "张三", "腾讯"),
        ("高明不仅出生于南京，也在南京去世。", "高明", "南京"),
        ("高明没有读完大学，出生于南京。", "高明", "南京"),
    ],
)
def test_other_negations_leave_the_relation(sentence: str, subject: str, object_: str) -> None:
    assert asserts(sentence, subject, object_)


def test_name_that_the_sentence_lacks_is_no_reason_to_drop() -> None:
    assert is_asserted("He was not there.", [(0, 2, "ann")], "ann", "leeds")


def test_extraction_keeps_only_asserted_facts() -> None:
    texts = {
        "Ann Vale": "Ann Vale was a painter. Ann Vale was not born in Leeds. She never married Bob Holm.",
        "Tom Reed": "Tom Reed was a smith. Tom Reed was born in Lyon.",
        "高明": "高明是一位画家。高明并非出生于南京。",
    }
    documents = [make_document(title, title, text, "rows") for title, text in texts.items()]
    facts = {(t.subject, t.predicate, t.object) for e in extract_documents(documents, 900) for t in e.triples}
    assert ("tom reed", "place_of_birth", "lyon") in facts
    assert not any(o in ("leeds", "bob holm", "南 京") for _, _, o in facts)
