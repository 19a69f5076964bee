"""Names of one entity in a document are resolved to it; ambiguous names stay unresolved."""

from __future__ import annotations

import pytest

from graphs.merging.person_names import is_plain_name, may_be_same_person, name_parts, name_similarity
from ingest.entities.acronyms import declared_acronyms, initials
from ingest.entities.recognition import RecognizedEntity
from ingest.extraction import _extract_document, _TokenStateStream, extract_documents
from ingest.extraction_config import DEFAULT, ExtractionConfig
from kgrag.text import normalize_name
from kgrag.types import Document, Extraction, Passage


def read(title: str, text: str, names: str, *never_merge: tuple[str, str], lang: str = "en") -> dict[str, set[str]]:
    """Return spelling -> entities of names given as "Spelling/TYPE; ...", each at all its non-nested positions."""
    recognized: list[RecognizedEntity] = []
    used_positions: set[int] = set()
    for spelling, _, kind in sorted((n.partition("/") for n in names.split("; ")), key=lambda n: -len(n[0])):
        start = text.find(spelling)
        while start >= 0:
            if used_positions.isdisjoint(span := range(start, start + len(spelling))):
                used_positions.update(span)
                recognized.append(RecognizedEntity(spelling, start, start + len(spelling), kind))
            start = text.find(spelling, start + 1)
    recognized.sort(key=lambda n: n.start)
    passage = Passage("d#0001", "d", text, 0, len(text))
    config = ExtractionConfig(frozenset(frozenset(map(normalize_name, pair)) for pair in never_merge))
    document = Document("d", title, text, "d.txt", lang, "0")
    extraction = _extract_document(
        document,
        [passage],
        {passage.id: recognized},
        _TokenStateStream([document], [[passage]], all_languages=False),
        config,
    )
    check(extraction)
    entities_by_name: dict[str, set[str]] = {}
    for mention in extraction.mentions:
        entities_by_name.setdefault(mention.surface, set()).add(mention.entity_id)
    return entities_by_name


def check(extraction: Extraction) -> None:
    """Check that every mention has the span it declares and that none overlap."""
    spans = [(m.start, m.end) for m in extraction.mentions]
    assert all(extraction.document.text[m.start : m.end] == m.surface for m in extraction.mentions)
    assert all(a[1] <= b[0] for a, b in zip(sorted(spans), sorted(spans)[1:], strict=False))


def test_surname_of_one_person_resolves_to_that_person() -> None:
    text = "It was written by Guy Chambers and Kylie Minogue. Minogue sang it, and Dr Chambers played."
    entities_by_name = read(
        "Disco", text, "Guy Chambers/PERSON; Kylie Minogue/PERSON; Minogue/ORGANISATION; Dr Chambers/PERSON"
    )
    assert entities_by_name["Minogue"] == {"kylie minogue"} and entities_by_name["Dr Chambers"] == {"guy chambers"}


def test_surname_of_two_persons_stays_unresolved() -> None:
    text = "Ann Bell and Tom Bell met. Bell spoke."
    assert read("Meeting", text, "Ann Bell/PERSON; Tom Bell/PERSON; Bell/PERSON")["Bell"] == {"bell"}


def test_place_name_is_not_resolved_as_surname() -> None:
    text = "Jack London lived in London. London was a writer."
    assert read("Writers", text, "Jack London/PERSON; London/PLACE")["London"] == {"london"}


def test_surname_missed_by_recogniser_is_found() -> None:
    text = "Betty Bowes was a painter. After that Bowes taught."
    assert read("Betty Bowes", text, "Betty Bowes/PERSON")["Bowes"] == {"betty bowes"}


def test_repeated_name_is_found_only_as_whole_word() -> None:
    entities_by_name = read("Trips", "The Orly train. An Orly bus, and Orlyval.", "Orly/PLACE")
    assert entities_by_name == {"Orly": {"orly"}}
    text = "Friends came. All friends of Friends came with the Orly train."
    assert len([m for m in extract_documents([Document("d", "Trips", text, "d", "en", "0")], 500)[0].mentions]) <= 3


def test_initials_and_middle_names_resolve_to_full_name() -> None:
    text = "John Ronald Tolkien was born. J. R. Tolkien wrote. J. Tolkien and Christopher Tolkien were two."
    given = "John Ronald Tolkien/PERSON; J. R. Tolkien/PERSON; J. Tolkien/PERSON; Christopher Tolkien/PERSON"
    entities_by_name = read("Writers", text, given)
    assert (
        entities_by_name["J. R. Tolkien"] == entities_by_name["J. Tolkien"] == entities_by_name["John Ronald Tolkien"]
    )
    assert entities_by_name["Christopher Tolkien"] == {"christopher tolkien"}


@pytest.mark.parametrize(
    ("text", "short", "entity"),
    [
        ("The Recording Industry Association of America (RIAA) met. RIAA spoke.", "RIAA", None),
        ("The National Football League met. The NFL spoke.", "NFL", "national football league"),
        ("Blue Note Records signed her. Blue Note paid.", "Blue Note", "blue note records"),
        ("The Rockefeller Brothers Fund gave. The Fund lent.", "Fund", "rockefeller brothers fund"),
        ("The War Fund and the Peace Fund gave. The Fund lent.", "Fund", "fund"),
    ],
)
def test_short_organisation_name_resolves_to_full_name(text: str, short: str, entity: str | None) -> None:
    long = "Recording Industry Association of America"
    names = [
        long,
        "National Football League",
        "Blue Note Records",
        "Rockefeller Brothers Fund",
        "War Fund",
        "Peace Fund",
    ]
    given = [f"{name}/ORGANISATION" for name in (*names, short) if name in text]
    assert read("Money", text, "; ".join(given))[short] == {entity or normalize_name(long)}


def test_declared_acronym_is_a_name_of_its_entity() -> None:
    text = "The Recording Industry Association of America (RIAA) certified it. RIAA spoke."
    extraction = extract_documents([Document("d", "Trouble", text, "d", "en", "0")], 500)[0]
    assert ("recording industry association of america", "RIAA", "MISC") in extraction.names


@pytest.mark.parametrize(
    ("text", "full", "short"),
    [
        ("the World Trade Body (WTB) said", "World Trade Body", "WTB"),
        ("the World Trade Body (also known as the “WTB”) said", "World Trade Body", "WTB"),
        ("世界贸易组织（简称世贸组织）成立", "世界贸易组织", "世贸组织"),
        ("世界贸易组织，简称世贸组织，成立", "世界贸易组织", "世贸组织"),
        ("阿兰·图灵（Alan Turing）出生", "阿兰·图灵", "Alan Turing"),
    ],
)
def test_declared_acronyms_in_brackets_are_found(text: str, full: str, short: str) -> None:
    assert declared_acronyms(text, [RecognizedEntity(full, text.index(full), 0, "ORGANISATION")]) == {short: full}


@pytest.mark.parametrize("text", ["World Trade Body (1995)", "World Trade Body (Geneva)", "World Trade Body (TWB)"])
def test_declared_acronyms_other_brackets_give_none(text: str) -> None:
    assert declared_acronyms(text, [RecognizedEntity("World Trade Body", 0, 16, "ORGANISATION")]) == {}


def test_acronym_title_is_entity_of_its_full_name() -> None:
    for text in (
        "EDC, short for Electronic Delay Computer, was built. EDC ran.",
        "The Electronic Delay Computer (EDC) was built. EDC ran.",
    ):
        entities_by_name = read("EDC", text, "EDC/ORGANISATION; Electronic Delay Computer/ORGANISATION")
        assert entities_by_name == {"EDC": {"edc"}, "Electronic Delay Computer": {"edc"}}


def test_initials_with_and_without_function_words() -> None:
    assert initials("Bank of England") == ["BE", "BOE"] and initials("Bank") == []


def test_never_merge_keeps_names_separate() -> None:
    text, given = "Kylie Minogue sang. Minogue danced.", "Kylie Minogue/PERSON; Minogue/PERSON"
    assert read("Disco", text, given)["Minogue"] == {"kylie minogue"}
    assert read("Disco", text, given, ("Kylie Minogue", "Minogue"))["Minogue"] == {"minogue"}


def test_spellings_of_country_or_date_have_one_entity() -> None:
    text = "She left the UK for the United Kingdom on 3 May 1912, or May 3, 1912, or 1912年5月3日; 中国 is China."
    given = (
        "UK/PLACE; United Kingdom/PLACE; 3 May 1912/DATE; May 3, 1912/DATE; 1912年5月3日/DATE; 中国/PLACE; China/PLACE"
    )
    entities_by_name = read("Trips", text, given)
    assert (
        entities_by_name["UK"] == entities_by_name["United Kingdom"] == {"united kingdom"}
        and entities_by_name["中国"] == entities_by_name["China"]
    )
    assert (
        entities_by_name["3 May 1912"]
        == entities_by_name["May 3, 1912"]
        == entities_by_name["1912年5月3日"]
        == {"1912 05 03"}
    )


def test_england_is_not_the_united_kingdom() -> None:
    assert read("Trips", "England won.", "England/PLACE")["England"] == {"england"}


@pytest.mark.parametrize(
    ("first", "second", "similarity"),
    [
        ("J. R. R. Tolkien", "John Ronald Reuel Tolkien", 2),
        ("John F. Kennedy", "John Kennedy", 1),
        ("M. G. Pryor", "Mark Pryor", 0),
    ],
)
def test_name_similarity_of_compatible_names(first: str, second: str, similarity: int) -> None:
    assert (
        may_be_same_person(name_parts(first), name_parts(second))
        and name_similarity(name_parts(first), name_parts(second)) == similarity
    )
    assert (
        may_be_same_person(name_parts(second), name_parts(first))
        and name_similarity(name_parts(second), name_parts(first)) == similarity
    )


@pytest.mark.parametrize(
    ("first", "second"), [("Ann Bell", "Tom Bell"), ("Ann Bell", "Ann Hill"), ("J. K. Bell", "John Lee Bell")]
)
def test_may_be_same_person_different_persons_are_not(first: str, second: str) -> None:
    assert not may_be_same_person(name_parts(first), name_parts(second))


def test_name_parts_drop_honorifics_and_suffixes() -> None:
    assert name_parts("Sir Isaac Newton Jr.") == ["isaac", "newton"]
    assert name_parts("阿兰·图灵") == [normalize_name("阿兰"), normalize_name("图灵")] and name_parts("王小明") == [
        normalize_name("王小明")
    ]
    assert (
        is_plain_name(["ann", "bell"])
        and not is_plain_name(["louis", "xv"])
        and not is_plain_name(["earl", "of", "ross"])
    )


def test_resolution_of_very_frequent_and_very_long_names() -> None:
    text = "Kylie Minogue sang. " + "Minogue danced. " * 2_000 + "A" * 5_000 + " ended."
    extraction = extract_documents([Document("d", "Disco", text, "d", "en", "0")], 1200)[0]
    check(extraction)
    assert sum(m.entity_id == "kylie minogue" for m in extraction.mentions) > 1_900


def test_shared_surname_resolves_to_document_subject() -> None:
    text = "Ross Alger was a mayor. His brother was Harry Alger. Alger died."
    assert read("Ross Alger", text, "Ross Alger/PERSON; Harry Alger/PERSON; Alger/PERSON")["Alger"] == {"ross alger"}


def test_word_also_in_lower_case_is_not_a_repeated_name() -> None:
    text = "Friends is a series. It has good friends in it. Old Friends met. Then Friends ended."
    names = [RecognizedEntity("Friends", text.rindex("Friends"), text.rindex("Friends") + 7, "WORK")]
    passage = Passage("d#0001", "d", text, 0, len(text))
    document = Document("d", "Series", text, "d.txt", "en", "0")
    extraction = _extract_document(
        document,
        [passage],
        {passage.id: names},
        _TokenStateStream([document], [[passage]], all_languages=False),
        DEFAULT,
    )
    assert [m.start for m in extraction.mentions] == [text.rindex("Friends")]


def test_acronym_with_wrong_first_letter_is_not_declared() -> None:
    text = "the World Trade Body of Europe (TBE) said"
    assert declared_acronyms(text, [RecognizedEntity("World Trade Body of Europe", 4, 30, "ORGANISATION")]) == {}


def test_resolution_of_many_equal_surnames_is_fast() -> None:
    text = " ".join(
        f"A{'bcdefghij'[n % 9]}{'klmnopqrs'[n // 9 % 9]}{'tuvwxyzab'[n // 81 % 9]} Smith spoke." for n in range(700)
    )
    given = "; ".join(f"{name} Smith/PERSON" for name in {part.split()[0] for part in text.split(". ")})
    entities_by_name = read("Smiths", f"{text} A. Smith left.", f"{given}; A. Smith/PERSON")
    assert entities_by_name["A. Smith"] == {"a smith"}
