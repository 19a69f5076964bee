"""Tests of the citation check against the question: the source must be about what was asked for."""

from __future__ import annotations

import pytest

from kgrag.answering.guards.citations import verify_citations
from tests.answering.test_citations import passages

GATES = "The north gate was painted by Ann Vale in 1901. The east gate was painted by Bob Holm in 1911. The south gate was painted by Ann Vale in 1923."
SHIFTS = "星期一由王芳值班。星期二由李伟值班。星期三由王芳值班。星期五由王芳值班。"
PUMPS = "| Pump | Site | Maker |\n| --- | --- | --- |\n| P-150 | Oslo | Bolt |\n| P-160 | Leeds | Vale |\n| P-170 | Brno | Bolt |"
GREASE = "The pump P-204 must be greased every 500 hours. Its maker is Norden AG of Bern."
BY_LAW = "Article 14: The tenant pays the rent by the third of each month. Article 16: The tenant may keep one dog."
LEAFLET = "Norvalin 20 mg tablets are taken once a day. The price of a pack is 9 euros."
BY_LAW_ZH = "第14条 租客每月三日前付租金。第16条 租客可以养一只狗。"
PORT = "The former director of the Port of Lund is Ann Holm. The director of the Port of Lund is Cy Ross."
BOATS = "The Heron is 12 m long. The Tern is 18 m long. The Gull is 25 m long."
FIRM = "前任总经理是王强。总经理是李明。副经理是赵四。"
POLICIES = tuple(
    (f"Travel policy {year}", f"Travel policy of 3 May {year}: the hotel limit is {limit} euros a night.")
    for year, limit in ((2021, 90), (2023, 130), (2022, 110))
)
POOL = passages(
    *(("Notes", text) for text in (GATES, SHIFTS, PUMPS, GREASE, BY_LAW, LEAFLET, BY_LAW_ZH, PORT, BOATS, FIRM)),
    *POLICIES,
)


@pytest.mark.parametrize(
    ("question", "answer", "quote"),
    [
        ("Who painted the south gate?", "Ann Vale", "The south gate was painted by Ann Vale in 1923."),
        ("星期五由谁值班？", "王芳", "星期五由王芳值班。"),
        ("Who made pump P-170?", "Bolt", "| P-170 | Brno | Bolt |"),
        (
            "How often must the pump P-204 be greased?",
            "Every 500 hours",
            "The pump P-204 must be greased every 500 hours.",
        ),
        ("How often are Norvalin 20 mg tablets taken?", "Once a day", "Norvalin 20 mg tablets are taken once a day."),
        ("What was the hotel limit in 2022?", "110 euros", POLICIES[2][1]),
        ("Which boat is longer than 20 m?", "The Gull", "The Gull is 25 m long."),
        ("Which boat is shorter than 15 m?", "The Heron", "The Heron is 12 m long."),
        ("Who is the director of the Port of Lund?", "Cy Ross", "The director of the Port of Lund is Cy Ross."),
        ("Who was the former director of the Port of Lund?", "Ann Holm", PORT.split(". ")[0] + "."),
        ("总经理是谁？", "李明", "总经理是李明。"),
    ],
)
def test_citation_is_the_sentence_about_the_question(question: str, answer: str, quote: str) -> None:
    assert verify_citations(question, answer, POOL).citations[0].quote.strip() == quote


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Who painted the south gate?", "Bob Holm"),
        ("Who made pump P-170?", "Vale"),
        ("How often must the pump P-206 be greased?", "Every 500 hours"),
        ("How often must the pump Q-204 be greased?", "Every 500 hours"),
        ("What does Article 15 of the by-law say?", "The tenant pays the rent by the third of each month."),
        ("How often are Norvalin 40 mg tablets taken?", "Once a day"),
        ("第15条说什么？", "租客每月三日前付租金。"),
        ("What was the hotel limit in the policy of 2022?", "90 euros"),
        ("Which boat is longer than 20 m?", "The Heron"),
        ("Which boat is shorter than 15 m?", "The Gull"),
        ("Who is the director of the Port of Lund?", "Ann Holm"),
        ("总经理是谁？", "王强"),
        ("经理是谁？", "赵四"),
    ],
)
def test_source_about_another_one_supports_nothing(question: str, answer: str) -> None:
    check = verify_citations(question, answer, POOL)
    assert not check.citations and check.unsupported


def test_number_of_the_user_is_no_identifier_of_the_source() -> None:
    """A user's own port, size and file do not have to stand in the manual."""
    text = (
        "The server listens on port 5432 unless the setting port is changed. Large tables of 1 GB and more are split."
    )
    pool = passages(("Server", text))
    for question in ("Can it listen on port 5433?", "My table of 4 GB is slow, what about the port?"):
        assert verify_citations(question, "Change the setting port [1].", pool).supported


def test_statement_that_names_the_other_one_is_supported() -> None:
    """Such a statement is open about its subject."""
    answer = "The pump P-204 must be greased every 500 hours."
    assert verify_citations("How often must the pump P-206 be greased?", answer, POOL).supported
