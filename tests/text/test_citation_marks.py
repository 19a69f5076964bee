"""Citation marks are the same in ASCII and Chinese typography."""

from __future__ import annotations

import pytest

from kgrag.metrics.answers import exact_match, normalize_answer
from kgrag.text.abstention import is_abstention
from kgrag.text.citation_marks import citation_numbers, strip_citation_marks

MARKS = [("[1]", [1]), ("[1, 2]", [1, 2]), ("【1】", [1]), ("［1］", [1]), ("【1、2】", [1, 2]), ("[1][12]", [1, 12])]


@pytest.mark.parametrize(("marks", "numbers"), MARKS)
def test_marks_in_either_typography_are_parsed(marks: str, numbers: list[int]) -> None:
    assert citation_numbers(f"Zuse {marks}.") == numbers
    assert strip_citation_marks(f"Zuse {marks}.") == "Zuse ."
    assert strip_citation_marks(f"Zuse {marks}.", strip_space=True) == "Zuse."


@pytest.mark.parametrize("text", ["a[i]", "[a]", "《1》", "[]", "(1)", "[1"])
def test_other_brackets_are_kept(text: str) -> None:
    assert citation_numbers(text) == [] and strip_citation_marks(text) == text


@pytest.mark.parametrize(("marks", "_numbers"), MARKS)
def test_normalize_answer_removes_marks(marks: str, _numbers: list[int]) -> None:
    assert normalize_answer(f"Konrad Zuse {marks}.") == "Konrad Zuse"
    assert normalize_answer(f"康拉德·楚泽{marks}。") == "康拉德·楚泽"
    assert exact_match(normalize_answer(f"1941年{marks}"), ["1941年"]) == 1


@pytest.mark.parametrize(("marks", "_numbers"), MARKS)
def test_abstention_with_marks_is_detected(marks: str, _numbers: list[int]) -> None:
    assert is_abstention(f"I do not know. {marks}") and not is_abstention(f"Konrad Zuse {marks}")
