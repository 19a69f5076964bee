"""Copies have the same text, or a few sentences more at an end; one other word makes another passage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indices.copy_groups import CopyFinder, CopyGroups

RULES = (
    "Holiday rules of the Oslo office. Staff ask for holiday in writing, two weeks before it begins. The holiday form "
    "is signed by the head of the Oslo office. Holiday is 25 days a year, and five of them may move to the next year."
)
CHINESE = (
    "奥斯陆办公室的休假规定。员工须在休假开始前两周提出书面申请，申请表由办公室主任签字后交人事处。每年休假为二十五天。"
)


def find_groups(*texts: str) -> CopyGroups:
    finder = CopyFinder()
    for text in texts:
        finder.add(text)
    return finder.groups()


@pytest.mark.parametrize(
    "copy",
    [
        RULES,
        RULES.upper(),
        RULES.replace(" ", "\n  "),
        RULES.replace("Holiday rules", "**Holiday rules**", 1),
        "# " + RULES,
        RULES.replace("fi", "\ufb01").replace(" ", "\u00a0"),
        RULES + "\n\nBack to top.",
        "Was this helpful?\n\n" + RULES,
        "Was this helpful?\n" + RULES + "\n\nPrint.",
    ],
)
def test_same_text_in_another_form_is_a_copy(copy: str) -> None:
    assert find_groups(RULES, "Another page.", copy).group.tolist() == [0, -1, 0]


@pytest.mark.parametrize(
    "other",
    [
        RULES.replace("25", "26"),
        RULES.replace("Oslo", "Bergen"),
        RULES.replace("may move", "may not move"),
        RULES.replace("is signed", "is read"),
        RULES.replace(". Holiday is", ". Ada. Holiday is"),
        RULES + " Not now.",
        RULES + " See Bergen.",
        RULES + " Form 7.",
        RULES + " Every member of staff is asked to read these rules and to keep a copy at hand.",
        RULES[: len(RULES) // 2],
    ],
)
def test_another_word_number_or_name_is_no_copy(other: str) -> None:
    assert find_groups(RULES, other).group.tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("| Z3 | 1941 | Berlin |\n| Z4 | 1945 | Zürich |", "| Z3 | 1941 | Berlin |\n| Z4 | 1945 | Basel |"),
        ("git config --global pull.rebase true", "git config --global pull.rebase false"),
        ("a -> b", "a ->> b"),
        ("x = 2**3", "x = 23"),
        ("version 2.1 reads the file", "version 2.2 reads the file"),
        (CHINESE, CHINESE.replace("二十五", "二十六")),
        (CHINESE, CHINESE.replace("主任", "秘书")),
    ],
)
def test_small_difference_in_meaning_is_no_copy(text: str, other: str) -> None:
    assert find_groups(text, other).group.tolist() == [-1, -1]


def test_chinese_copy_with_other_line_ends_and_forms() -> None:
    copies = (CHINESE, CHINESE.replace("，", "，\n"), CHINESE.replace("。", "。\n\n") + "返回顶部")
    assert find_groups(*copies).group.tolist() == [0, 0, 0]


def test_empty_texts_are_no_copies() -> None:
    assert find_groups("", " \n", "").group.tolist() == [-1, -1, -1]


def test_first_line_that_repeats_the_title_does_not_count() -> None:
    finder = CopyFinder()
    for text in (
        RULES,
        f"# Rules of Oslo\n\n{RULES}",
        f"# Rules of Bergen\n\n{RULES}",
        "Rules of Oslo",
        "# Rules of Oslo",
    ):
        finder.add(text, "Rules of Oslo")
    assert finder.groups().group.tolist() == [0, 0, -1, 1, 1]


def test_members_are_all_rows_of_the_group() -> None:
    groups = find_groups("a b", "c d", "A  b", "e f", "c d", "a b")
    assert groups.members(2).tolist() == [0, 2, 5] and groups.members(4).tolist() == [1, 4]
    assert groups.members(3).tolist() == []
    restored = CopyGroups.from_arrays(groups.arrays())
    assert restored.members(0).tolist() == [0, 2, 5]


@given(st.lists(st.sampled_from(["one fish", "two fish", "One  Fish", "red fish", ""]), max_size=20))
def test_groups_are_exactly_the_equal_texts(texts: list[str]) -> None:
    groups = find_groups(*texts)
    keys = [" ".join(text.lower().split()) for text in texts]
    for row, key in enumerate(keys):
        same = [other for other, one in enumerate(keys) if one == key]
        assert groups.members(row).tolist() == (same if key and len(same) > 1 else [])
    assert groups.group.dtype == np.int32
