"""Questions with a superlative are answered by comparing the values of a table's rows, or left to the other readers."""

import itertools

import pytest

from kgrag.answering.stages.table_ranking import rank_table_rows
from kgrag.types import Hit, Passage

SETTINGS = """# Server settings
Name: work_mem; Unit: kB; Default: 4MB; Context: user
Name: shared_buffers; Unit: 8kB; Default: 128MB; Context: postmaster
Name: temp_buffers; Unit: 8kB; Default: 8192kB; Context: user
Name: port; Default: unset; Context: postmaster"""
PRICES = """型号: AX-100; 价格: 12.50; 重量: 3 千克; 产地: 上海
型号: AX-200; 价格: 14.00; 重量: 7 千克; 产地: 北京
型号: AX-300; 价格: 9.90; 重量: 5 千克; 产地: 上海"""
PEOPLE = """Name: Ann; Age: 41; City: Oslo
Name: Bo; Age: 19; City: Rome
Name: Cy; Age: 41; City: Rome"""
SCORES = "Team: Red; Points: 12 m\nTeam: Blue; Points: 3 kg"


def passages_of(text: str, *cuts: int) -> list[Passage]:
    bounds = [0, *cuts, len(text)]
    return [
        Passage(f"d#{n:04}", "d", text[start:end], start, end)
        for n, (start, end) in enumerate(itertools.pairwise(bounds), 1)
    ]


def answer(question: str, text: str, *cuts: int) -> str:
    passages = passages_of(text, *cuts)
    found = rank_table_rows(question, [Hit(passages[0], "t", "t", 0.9, 1)], lambda _: passages)
    if found is None:
        return ""
    for passage, start, end in found.spans:
        assert text[start:end].split("; ")[0].split(": ")[1] in found.text and passage.start <= start < end
    return found.text


@pytest.mark.parametrize(
    ("question", "text", "expected"),
    [
        ("Which setting has the highest default?", SETTINGS, ""),  # "unset" cannot be compared: 3 of 4 rows
        ("Which setting has the highest default?", SETTINGS.rpartition("\n")[0], "shared_buffers (128MB)"),
        ("What is the lowest default?", SETTINGS.rpartition("\n")[0], "work_mem (4MB)"),
        ("Which setting of the context user has the largest default?", SETTINGS, "temp_buffers (8192kB)"),
        ("哪个型号最便宜？", PRICES, "AX-300 (9.90)"),
        ("最贵的是哪个型号？", PRICES, "AX-200 (14.00)"),
        ("哪个型号的重量最大？", PRICES, "AX-200 (7 千克)"),
        ("Who is the oldest?", PEOPLE, "Ann, Cy (41)"),
        ("Who is the youngest?", PEOPLE, "Bo (19)"),
        ("Who is the oldest in Rome?", PEOPLE, "Cy (41)"),
        ("Which team has the most points?", SCORES, ""),  # units differ
        ("Who is the oldest?", "Name: Ann; Note: tall; thin; Age: 41\nName: Bo; Note: -; Age: 19", "Ann (41)"),
        ("Who is the oldest?", PEOPLE + "\n\nFormer members:\nName: Di; Age: 90; City: Rome", ""),  # two tables
    ],
)
def test_row_with_the_extreme_value_is_found(question: str, text: str, expected: str) -> None:
    assert answer(question, text) == expected


@pytest.mark.parametrize(
    "question",
    [
        "What is the default of work_mem?",
        "What is the maximum number of rows?",
        "What is the most common default?",
        "Which setting has the highest value?",
        "Who is the oldest, Ann?",
    ],
)
def test_other_questions_are_left_to_the_other_readers(question: str) -> None:
    assert answer(question, SETTINGS.rpartition("\n")[0]) == "" == answer(question, PEOPLE.replace("Age", "Room"))


def test_table_is_read_over_all_passages_of_its_document() -> None:
    rows = [f"Pump: P-{n}; Weight: {n * 37 % 101} kg" for n in range(60)]
    text = "\n".join(rows)
    cut = text.index("Pump: P-30")
    assert answer("Which pump is the heaviest?", text, cut) == "P-30 (100 kg)"
    assert answer("Which pump is the heaviest?", text) == "P-30 (100 kg)"
