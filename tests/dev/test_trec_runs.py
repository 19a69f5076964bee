"""TREC runs: round trip, order, invalid lines, and ids of other systems."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kgrag.dev.benchmarks.trec_runs import Coverage, coverage, ranked_documents, read_run, slug, write_run
from kgrag.errors import ReadError, UsageError
from kgrag.types import Question

IDS = st.text(max_size=12) | st.sampled_from(["a b", "100%", "%20", "\u3000", "\x85", "\u2028x", "\x1c", "", "%", "史"])
SCORES = st.floats(-1e6, 1e6, width=32)
RUNS = st.dictionaries(IDS, st.dictionaries(IDS, SCORES, min_size=1, max_size=8), min_size=1, max_size=5)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(RUNS)
def test_read_run_returns_what_write_run_wrote(tmp_path: Path, scores: dict[str, dict[str, float]]) -> None:
    run = {q: sorted(ranking.items(), key=lambda item: -item[1]) for q, ranking in scores.items()}
    write_run(tmp_path / "a.run", run, "a tag")
    back = read_run(tmp_path / "a.run")
    assert {q: ranked_documents(r) for q, r in back.items()} == {q: ranked_documents(r) for q, r in run.items()}
    for question, ranking in run.items():
        if len({score for _, score in ranking}) == len(ranking):
            assert back[question] == ranking
    write_run(tmp_path / "b.run", back, "a tag")
    assert (tmp_path / "b.run").read_bytes() == (tmp_path / "a.run").read_bytes()


def test_write_run_format_of_trec_eval(tmp_path: Path) -> None:
    write_run(tmp_path / "r", {"q 1": [("a%", 2.5), ("b", 2.5)]}, "two words")
    first, second = (tmp_path / "r").read_text().splitlines()
    assert first == "q%201 Q0 a%25 1 2.5 two-words"
    assert second.split()[:4] == ["q%201", "Q0", "b", "2"] and float(second.split()[4]) < 2.5


def test_read_run_orders_by_score(tmp_path: Path) -> None:
    (tmp_path / "r").write_text("q Q0 x 1 0.5 t\nq\tQ0\ty  2 7 t\n\nq Q0 z 3 0.5 t\nother 0 x 1 -1e3 t\n")
    run = read_run(tmp_path / "r")
    assert ranked_documents(run["q"]) == ["y", "z", "x"]  # equal scores: the last id first, as trec_eval does
    assert run["other"] == [("x", -1000.0)]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("q Q0 x 1 0.5 t\nq Q0 x 1 0.5\n", "line 2"),
        ("q Q0 x 1 high t\n", "line 1"),
        ("q Q0 x 1 nan t\n", "number as score"),
        ("q Q0 x 1 0.5 t extra\n", "line 1"),
        ("q Q0 x 1 0.5 t\n\nq Q0 x 2 0.4 t\n", "line 3.*twice"),
        ("\n", "found none"),
    ],
)
def test_read_run_invalid_line_names_its_number(tmp_path: Path, text: str, part: str) -> None:
    (tmp_path / "r").write_text(text)
    with pytest.raises(ReadError, match=part):
        read_run(tmp_path / "r")


def test_read_run_unreadable_file_is_refused(tmp_path: Path) -> None:
    """A missing file is a usage error; bytes that are not UTF-8 are a read error."""
    with pytest.raises(UsageError, match="found none"):
        read_run(tmp_path / "none")
    (tmp_path / "r").write_bytes(b"q Q0 \xff 1 1 t\n")
    with pytest.raises(ReadError, match="cannot be read"):
        read_run(tmp_path / "r")


def test_coverage_counts_unknown_and_missing() -> None:
    questions = [Question("1", "q", gold=("a",)), Question("2", "q", gold=("a",)), Question("3", "q")]
    assert coverage({"1": [("a", 1.0)], "9": [("a", 1.0)]}, questions) == Coverage(unknown=1, missing=1)


def test_slug_of_row_names() -> None:
    assert slug("all, left out") == "all-left-out" and slug("walk names+3") == "walk-names+3"
