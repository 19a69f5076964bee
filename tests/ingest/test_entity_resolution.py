"""One document's names that are one thing get one entity; where two could be meant, none does."""

from __future__ import annotations

import pytest

from graphs.merging.person_names import is_plain_name, may_be_same_person, name_parts, name_similarity
from ingest.entities.acronyms import declared_acronyms, initials
from ingest.entities.recognition import RecognizedEntity
from ingest.extraction import _extract_document, _TokenStateStream, extract_documents
from ingest.extraction_config import DEFAULT, ExtractionConfig
from kgrag.text import normalize_name
from kgrag.types import Document, Extraction, Passage


def read(title: str, text: str, names: str, *apart: tuple[str, str], lang: str = "en") -> dict[str, set[str]]:
    """Spelling -> entities, of names given as "Spelling/TYPE; ...", each at all its places but within longer ones."""
    given: list[RecognizedEntity] = []
    taken: set[int] = set()
    for spelling, _, kind in sorted((n.partition("/") for n in names.split("; ")), key=lambda n: -len(n[0])):
        start = text.find(spelling)
        while start >= 0:
            if taken.isdisjoint(span := range(start, start + len(spelling))):
                taken.update(span)
                given.append(RecognizedEntity(spelling, start, start + len(spelling), kind))
            start = text.find(spelling, start + 1)
    given.sort(key=lambda n: n.start)
    passage = Passage("d#0001", "d", text, 0, len(text))
    rules = ExtractionConfig(frozenset(frozenset(map(normalize_name, pair)) for pair in apart))
    document = Document("d", title, text, "d.txt", lang, "0")
    made = _extract_document(
        document, [passage], {passage.id: given}, _TokenStateStream([document], [[passage]], all_languages=False), rules
    )
    check(made)
    found: dict[str, set[str]] = {}
    for mention in made.mentions:
        found.setdefault(mention.surface, set()).add(mention.entity_id)
    return found


def check(made: Extraction) -> None:
    """Every mention stands where it says, and none over another."""
    spans = [(m.start, m.end) for m in made.mentions]
    assert all(made.document.text[m.start : m.end] == m.surface for m in made.mentions)
    assert all(a[1] <= b[0] for a, b in zip(sorted(spans), sorted(spans)[1:], strict=False))


def test_a_surname_is_the_one_person_who_has_it() -> None:
    text = "It was written by Guy Chambers and Kylie Minogue. Minogue sang it, and Dr Chambers played."
    found = read("Disco", text, "Guy Chambers/PERSON; Kylie Minogue/PERSON; Minogue/ORGANISATION; Dr Chambers/PERSON")
    assert found["Minogue"] == {"kylie minogue"} and found["Dr Chambers"] == {"guy chambers"}


def test_a_surname_of_two_is_nobody_s() -> None:
    text = "Ann Bell and Tom Bell met. Bell spoke."
    assert read("Meeting", text, "Ann Bell/PERSON; Tom Bell/PERSON; Bell/PERSON")["Bell"] == {"bell"}


def test_a_place_is_no_surname() -> None:
    text = "Jack London lived in London. London was a writer."
    assert read("Writers", text, "Jack London/PERSON; London/PLACE")["London"] == {"london"}


def test_a_surname_that_the_recogniser_missed_is_found() -> None:
    text = "Betty Bowes was a painter. After that Bowes taught."
    assert read("Betty Bowes", text, "Betty Bowes/PERSON")["Bowes"] == {"betty bowes"}


def test_a_name_known_from_one_place_is_found_at_another_but_not_in_a_word() -> None:
    found = read("Trips", "The Orly train. An Orly bus, and Orlyval.", "Orly/PLACE")
    assert found == {"Orly": {"orly"}}
    text = "Friends came. All friends of Friends came with the Orly train."
    assert len([m for m in extract_documents([Document("d", "Trips", text, "d", "en", "0")], 500)[0].mentions]) <= 3


def test_initials_and_middle_names() -> None:
    text = "John Ronald Tolkien was born. J. R. Tolkien wrote. J. Tolkien and Christopher Tolkien were two."
    given = "John Ronald Tolkien/PERSON; J. R. Tolkien/PERSON; J. Tolkien/PERSON; Christopher Tolkien/PERSON"
    found = read("Writers", text, given)
    assert found["J. R. Tolkien"] == found["J. Tolkien"] == found["John Ronald Tolkien"]
    assert found["Christopher Tolkien"] == {"christopher tolkien"}


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
def test_bodies(text: str, short: str, entity: str | None) -> None:
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


def test_a_declared_acronym_is_a_name_of_what_it_stands_for() -> None:
    text = "The Recording Industry Association of America (RIAA) certified it. RIAA spoke."
    made = extract_documents([Document("d", "Trouble", text, "d", "en", "0")], 500)[0]
    assert ("recording industry association of america", "RIAA", "MISC") in made.names


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
def test_what_a_bracket_declares(text: str, full: str, short: str) -> None:
    assert declared_acronyms(text, [RecognizedEntity(full, text.index(full), 0, "ORGANISATION")]) == {short: full}


@pytest.mark.parametrize("text", ["World Trade Body (1995)", "World Trade Body (Geneva)", "World Trade Body (TWB)"])
def test_a_bracket_that_declares_nothing(text: str) -> None:
    assert declared_acronyms(text, [RecognizedEntity("World Trade Body", 0, 16, "ORGANISATION")]) == {}


def test_what_a_document_is_about_keeps_its_acronym_and_has_the_long_name() -> None:
    for text in (
        "EDC, short for Electronic Delay Computer, was built. EDC ran.",
        "The Electronic Delay Computer (EDC) was built. EDC ran.",
    ):
        found = read("EDC", text, "EDC/ORGANISATION; Electronic Delay Computer/ORGANISATION")
        assert found == {"EDC": {"edc"}, "Electronic Delay Computer": {"edc"}}


def test_initials_of_names() -> None:
    assert initials("Bank of England") == ["BE", "BOE"] and initials("Bank") == []


def test_a_user_keeps_two_apart() -> None:
    text, given = "Kylie Minogue sang. Minogue danced.", "Kylie Minogue/PERSON; Minogue/PERSON"
    assert read("Disco", text, given)["Minogue"] == {"kylie minogue"}
    assert read("Disco", text, given, ("Kylie Minogue", "Minogue"))["Minogue"] == {"minogue"}


def test_countries_and_dates_have_one_entity_however_they_are_called() -> None:
    text = "She left the UK for the United Kingdom on 3 May 1912, or May 3, 1912, or 1912年5月3日; 中国 is China."
    given = (
        "UK/PLACE; United Kingdom/PLACE; 3 May 1912/DATE; May 3, 1912/DATE; 1912年5月3日/DATE; 中国/PLACE; China/PLACE"
    )
    found = read("Trips", text, given)
    assert found["UK"] == found["United Kingdom"] == {"united kingdom"} and found["中国"] == found["China"]
    assert found["3 May 1912"] == found["May 3, 1912"] == found["1912年5月3日"] == {"1912 05 03"}


def test_england_is_not_the_united_kingdom() -> None:
    assert read("Trips", "England won.", "England/PLACE")["England"] == {"england"}


@pytest.mark.parametrize(
    ("one", "other", "like"),
    [
        ("J. R. R. Tolkien", "John Ronald Reuel Tolkien", 2),
        ("John F. Kennedy", "John Kennedy", 1),
        ("M. G. Pryor", "Mark Pryor", 0),
    ],
)
def test_how_like_two_names_are(one: str, other: str, like: int) -> None:
    assert (
        may_be_same_person(name_parts(one), name_parts(other))
        and name_similarity(name_parts(one), name_parts(other)) == like
    )
    assert (
        may_be_same_person(name_parts(other), name_parts(one))
        and name_similarity(name_parts(other), name_parts(one)) == like
    )


@pytest.mark.parametrize(
    ("one", "other"), [("Ann Bell", "Tom Bell"), ("Ann Bell", "Ann Hill"), ("J. K. Bell", "John Lee Bell")]
)
def test_names_of_two_persons(one: str, other: str) -> None:
    assert not may_be_same_person(name_parts(one), name_parts(other))


def test_parts() -> None:
    assert name_parts("Sir Isaac Newton Jr.") == ["isaac", "newton"]
    assert name_parts("阿兰·图灵") == [normalize_name("阿兰"), normalize_name("图灵")] and name_parts("王小明") == [
        normalize_name("王小明")
    ]
    assert (
        is_plain_name(["ann", "bell"])
        and not is_plain_name(["louis", "xv"])
        and not is_plain_name(["earl", "of", "ross"])
    )


def test_one_name_two_thousand_times_and_one_of_five_thousand_characters() -> None:
    text = "Kylie Minogue sang. " + "Minogue danced. " * 2_000 + "A" * 5_000 + " ended."
    made = extract_documents([Document("d", "Disco", text, "d", "en", "0")], 1200)[0]
    check(made)
    assert sum(m.entity_id == "kylie minogue" for m in made.mentions) > 1_900


def test_what_a_document_is_about_goes_before_its_relations() -> None:
    text = "Ross Alger was a mayor. His brother was Harry Alger. Alger died."
    assert read("Ross Alger", text, "Ross Alger/PERSON; Harry Alger/PERSON; Alger/PERSON")["Alger"] == {"ross alger"}


def test_a_word_that_the_text_has_in_small_letters_is_no_name_elsewhere() -> None:
    text = "Friends is a series. It has good friends in it. Old Friends met. Then Friends ended."
    names = [RecognizedEntity("Friends", text.rindex("Friends"), text.rindex("Friends") + 7, "WORK")]
    passage = Passage("d#0001", "d", text, 0, len(text))
    document = Document("d", "Series", text, "d.txt", "en", "0")
    made = _extract_document(
        document,
        [passage],
        {passage.id: names},
        _TokenStateStream([document], [[passage]], all_languages=False),
        DEFAULT,
    )
    assert [m.start for m in made.mentions] == [text.rindex("Friends")]


def test_an_acronym_of_which_the_first_letter_is_another_s_is_not_declared() -> None:
    text = "the World Trade Body of Europe (TBE) said"
    assert declared_acronyms(text, [RecognizedEntity("World Trade Body of Europe", 4, 30, "ORGANISATION")]) == {}


def test_a_thousand_smiths_take_no_time() -> None:
    text = " ".join(
        f"A{'bcdefghij'[n % 9]}{'klmnopqrs'[n // 9 % 9]}{'tuvwxyzab'[n // 81 % 9]} Smith spoke." for n in range(700)
    )
    given = "; ".join(f"{name} Smith/PERSON" for name in {part.split()[0] for part in text.split(". ")})
    found = read("Smiths", f"{text} A. Smith left.", f"{given}; A. Smith/PERSON")
    assert found["A. Smith"] == {"a smith"}
