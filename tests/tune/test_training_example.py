"""Example and preference files: round trip, and errors with line numbers."""

from pathlib import Path

import pytest

from kgrag.errors import ReadError
from kgrag.tune.data.example import Example, Preference, load_rows, save_rows

MESSAGES = [{"role": "system", "content": "Answer."}, {"role": "user", "content": "问题：谁？"}]


def test_save_and_load_rows_round_trip(tmp_path: Path) -> None:
    examples = [
        Example("a", MESSAGES, "竺可桢 [1]", "one-hop", "zh"),
        Example("b", MESSAGES, "I do not know.", held=True),
    ]
    preferences = [Preference("c", MESSAGES, "yes", "no", "the passages say so")]
    save_rows(examples, tmp_path / "e.jsonl")
    save_rows(preferences, tmp_path / "p.jsonl")
    assert load_rows(tmp_path / "e.jsonl", Example) == examples
    assert load_rows(tmp_path / "p.jsonl", Preference) == preferences
    assert "竺可桢" in (tmp_path / "e.jsonl").read_text("utf-8")


@pytest.mark.parametrize(
    "line",
    [
        "{",
        '{"id": "a", "messages": [], "answer": "x"}',
        '{"id": "a", "messages": [{"role": "user"}], "answer": "x"}',
        '{"id": "a", "messages": [{"role": "user", "content": "q"}], "answer": " "}',
        '{"id": "a", "messages": [{"role": "user", "content": "q"}], "answer": "x", "other": 1}',
    ],
)
def test_load_rows_malformed_line_raises_with_number(tmp_path: Path, line: str) -> None:
    save_rows([Example("a", MESSAGES, "yes")], tmp_path / "e.jsonl")
    with (tmp_path / "e.jsonl").open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(ReadError, match="line 2"):
        load_rows(tmp_path / "e.jsonl", Example)


def test_load_rows_missing_file_raises(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="choose a file"):
        load_rows(tmp_path / "none.jsonl", Example)
