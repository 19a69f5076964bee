"""Gold documents that the store lacks, ids that occur twice, and rows whose keys are misspelt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kgrag.cli.main import app, run_command
from kgrag.dev.benchmarks.manuals.questions import load_manual_questions
from kgrag.dev.benchmarks.runner import find_missing_gold
from kgrag.errors import ReadError
from kgrag.question_sets import load_questions
from kgrag.types import Question
from tests.support.cli_shell import Shell

COMMANDS = (("retrieval",), ("answers", "--reader", "graph"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gold")
    row = {"_id": "gates", "title": "Gates", "text": "The south gate was painted by Ann Vale in 1923."}
    (folder / "rows.jsonl").write_text(json.dumps(row) + "\n")
    arguments = ["ingest", str(folder / "rows.jsonl"), "--store", str(folder / "store")]
    assert run_command(lambda: app(arguments, prog_name="kgrag")) == 0
    return folder / "store"


def write_rows(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def question(id: str, *gold: str) -> dict[str, Any]:
    return {"_id": id, "text": "Who painted the south gate?", "answers": ["Ann Vale"], "gold": list(gold)}


def test_find_missing_gold_names_each_id_once() -> None:
    questions = [Question("1", "q", gold=("b", "a")), Question("2", "q", gold=("b", "c")), Question("3", "q")]
    assert find_missing_gold(questions, {"a": 1}) == ["b", "c"]


@pytest.mark.parametrize("command", COMMANDS)
def test_bench_names_gold_that_is_no_document(
    store: Path, shell: Shell, tmp_path: Path, command: tuple[str, ...]
) -> None:
    file = write_rows(tmp_path / "q.jsonl", question("1", "gatez", "gates"), question("2", "gates"))
    arguments: list[str | Path] = ["bench", *command, "--questions", file, "--store", store]
    code, out, err = shell(*arguments, "--json")
    assert code == 0 and json.loads(out)["missing_gold"] == ["gatez"]
    assert "1 of 2 questions have gold ids that are no document" in err and "('gatez')" in err
    write_rows(file, *(question(str(n), f"gate{n}") for n in range(12)))
    code, out, err = shell(*arguments)
    assert code == 0 and "'gate9' and 2 more)" in err and "Its own ids look like 'gates'." in err
    write_rows(file, question("1", "gates"))
    code, out, err = shell(*arguments, "--json")
    assert code == 0 and json.loads(out)["missing_gold"] == [] and "gold ids" not in err


@pytest.mark.parametrize("command", COMMANDS)
def test_bench_refuses_an_id_twice(store: Path, shell: Shell, tmp_path: Path, command: tuple[str, ...]) -> None:
    file = write_rows(tmp_path / "q.jsonl", question("1"), question("2"), question("1"))
    assert "'1' twice" in shell.expect_error(2, "bench", *command, "--questions", file, "--store", store)


@pytest.mark.parametrize(
    ("row", "part"),
    [
        ({"_id": "1", "text": None}, "text is None"),
        ({"_id": "1", "text": "  "}, "white space"),
        ({"_id": "1", "question": "a?"}, "'text'"),
        ({"_id": None, "text": "a?"}, "_id is None"),
        ({"_id": "", "text": "a?"}, "_id is ''"),
        ({"_id": "1", "text": "a?", "gold": "gates"}, "are lists"),
        ({"_id": "1", "text": "a?", "gold": [{"file": "a"}]}, "gold has {'file': 'a'}"),
        ({"_id": "1", "text": "a?", "answers": [None]}, "answers has None"),
        ({"_id": "1", "text": "a?", "answer": ["b"]}, "'answer' is no key: rename it to 'answers'"),
        ({"_id": "1", "text": "a?", "golds": ["b"]}, "'golds' is no key: rename it to 'gold'"),
    ],
)
def test_load_questions_refuses_values_that_would_count_as_none(tmp_path: Path, row: dict[str, Any], part: str) -> None:
    file = write_rows(tmp_path / "q.jsonl", {"_id": "0", "text": "b?"}, row)
    with pytest.raises(ReadError, match="line 2: ") as raised:
        load_questions(file)
    assert part in str(raised.value)


def test_load_questions_takes_numbers_and_other_keys(tmp_path: Path) -> None:
    row = {"_id": 7, "text": "a?", "answers": [1923, "b"], "gold": ["d"], "answer": "1923", "split": "dev"}
    (loaded,) = load_questions(write_rows(tmp_path / "q.jsonl", row))
    assert (loaded.id, loaded.answers, loaded.gold) == ("7", ("1923", "b"), ("d",))


@pytest.mark.parametrize(
    ("change", "part"),
    [({"text": None}, "are texts"), ({"histroy": []}, "'histroy' is no key: rename it to 'history'")],
)
def test_load_manual_questions_refuses_misspelt_keys(tmp_path: Path, change: dict[str, Any], part: str) -> None:
    row = {"_id": "1", "corpus": "c", "lang": "en", "kind": "unanswerable", "text": "a?", "nuggets": [], "gold": []}
    with pytest.raises(ReadError, match=part):
        load_manual_questions(write_rows(tmp_path / "q.jsonl", {**row, **change}))
    (loaded,) = load_manual_questions(write_rows(tmp_path / "q.jsonl", {**row, "answer": "None.", "cross": True}))
    assert loaded.answer == "None."
