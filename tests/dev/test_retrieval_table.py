"""The table of retrieval: rows on hand-made candidates, the cache, and the commands on two tiny sets."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kgrag.cli.main import app, run_command
from kgrag.dev.benchmarks.ablations import (
    ALL_PARTS,
    SetCandidates,
    ablations,
    build_rows,
    count_trainings,
    rank_without_training,
    reference_row,
    row_names,
)
from kgrag.dev.benchmarks.baselines import reciprocal_rank_fusion
from kgrag.dev.benchmarks.candidate_cache import BLOCK_SIZE, ExampleCache, read_examples, write_examples
from kgrag.dev.benchmarks.run_comparison import score_rankings
from kgrag.dev.benchmarks.trec_runs import ranked_documents, read_run, slug
from kgrag.dev.training.ranker.cross_validation import cross_validate, leave_one_set_out, rank_documents
from kgrag.dev.training.ranker.examples import RankingExample
from kgrag.errors import ReadError, UsageError
from kgrag.question_sets import fingerprint, load_questions
from kgrag.retrieve.boosted_trees import TreeEnsemble
from kgrag.types import Question
from tests.support.cli_shell import Shell


def example(gold: int, sign: float = 1.0, size: int = 12) -> RankingExample:
    """Documents 0 to ``size``; the first feature is highest (or lowest, by ``sign``) for the gold one, the second noise."""
    random = np.random.default_rng(gold)
    features = random.random((size, 2)).astype(np.float32)
    features[:, 0] = np.where(np.arange(size) == gold, sign, -sign)
    return RankingExample(features, tuple(map(str, range(size))), (str(gold),), {})


def test_cross_validation_keeps_the_order_of_the_questions_and_left_out_never_looks() -> None:
    sets = {"up": [example(n % 12) for n in range(60)], "down": [example(n % 12, -1) for n in range(60)]}
    (alone,) = cross_validate({"up": sets["up"]}).values()
    assert [ranked_documents(r)[0] for r in alone] == [str(n % 12) for n in range(60)]
    assert [ranked_documents(r)[-1] for r in leave_one_set_out(sets)["up"]] == [str(n % 12) for n in range(60)]


def test_what_a_retriever_did_not_find_is_not_ranked() -> None:
    scores = np.array([np.nan, 1, 3, 2], np.float32)
    found = RankingExample(np.zeros((4, 0), np.float32), ("a", "b", "c", "b"), ("a",), {})
    assert rank_documents(found, scores) == [("c", 3.0), ("b", 2.0)]
    equal = np.array([1, 1, 1, 0], np.float32)
    assert ranked_documents(rank_documents(found, equal, np.array([0, 1, 1, 9]), np.array([0, 1, 2, 9]))) == [
        "c",
        "b",
        "a",
    ]
    assert ranked_documents(rank_documents(found, equal)) == ["a", "b", "c"]


def test_reciprocal_rank_fusion_on_a_worked_example() -> None:
    total = reciprocal_rank_fusion([np.array([3.0, 2.0, -np.inf, np.nan]), np.array([-np.inf, 5.0, 1.0, -np.inf])])
    assert total.tolist() == pytest.approx([1 / 61, 1 / 62 + 1 / 61, 1 / 62, -np.inf])
    alone = {"BM25": [1.0, 2.0], "dense": [np.nan, np.nan], "RRF": [9.0, 1.0], "walk names": [0.5, 0.7]}
    given = {name: np.array(values, np.float32) for name, values in alone.items()}
    one = RankingExample(np.zeros((2, 0), np.float32), ("a", "b"), ("a",), given)
    assert rank_without_training(one) == [("b", pytest.approx(2 / 61)), ("a", pytest.approx(2 / 62))]
    nothing = RankingExample(np.zeros((0, 0), np.float32), (), ("a",), {n: v[:0] for n, v in given.items()})
    assert rank_without_training(nothing) == []


def test_every_row_has_its_reference() -> None:
    assert reference_row("all") is None and reference_row("all, left out") == "all"
    assert reference_row("without graph") == "all" and reference_row("without graph, left out") == "all, left out"
    assert reference_row("BM25") == "all"


def test_a_set_that_is_too_small_is_refused() -> None:
    few = SetCandidates([Question("1", "q", gold=("1",))], [], {})
    with pytest.raises(UsageError, match="found 1"):
        build_rows({"tiny": few})


# --- the cache -----------------------------------------------------------------------------------------------------


def questions(number: int) -> list[Question]:
    return [Question(str(n), f"question {n}", gold=(str(n % 12),)) for n in range(number)]


def make(some: list[Question]) -> list[RankingExample]:
    found = [example(int(q.gold[0]), size=1 + len(q.text)) for q in some]
    return [replace(e, alone={"BM25": np.arange(len(e.rows), dtype=np.float32) * np.nan}) for e in found]


def same(a: list[RankingExample], b: list[RankingExample]) -> bool:
    return len(a) == len(b) and all(
        np.array_equal(x.rows, y.rows)
        and (x.documents, x.gold, list(x.retriever_scores)) == (y.documents, y.gold, list(y.retriever_scores))
        and all(
            np.array_equal(x.retriever_scores[n], y.retriever_scores[n], equal_nan=True) for n in x.retriever_scores
        )
        for x, y in zip(a, b, strict=True)
    )


def test_an_interrupted_bench_goes_on_where_it_was(tmp_path: Path) -> None:
    asked = questions(2 * BLOCK_SIZE + 3)
    made: list[str] = []

    def stops(some: list[Question]) -> list[RankingExample]:
        if len(made) > BLOCK_SIZE + 7:
            raise KeyboardInterrupt
        made.extend(q.id for q in some)
        return make(some)

    with pytest.raises(KeyboardInterrupt):
        ExampleCache(tmp_path, "a.set", "state").load_or_build("all", asked, stops)
    again = ExampleCache(tmp_path, "a.set", "state")
    made.clear()
    ticks: list[None] = []
    found = again.load_or_build("all", asked, lambda some: make(some), lambda: ticks.append(None))
    assert again.reused_count == BLOCK_SIZE and len(ticks) == len(asked)
    assert same(found, make(asked))
    third = ExampleCache(tmp_path, "a.set", "state")
    assert same(third.load_or_build("all", asked, lambda _: pytest.fail("made again")), found)
    assert third.reused_count == len(asked)


def test_a_cache_of_another_state_or_of_other_parts_is_not_read(tmp_path: Path) -> None:
    asked = questions(3)
    ExampleCache(tmp_path, "set", "one").load_or_build("all", asked, make)
    other = ExampleCache(tmp_path, "other set", "two")
    other.load_or_build("all", asked, make)
    parts = ExampleCache(tmp_path, "set", "one")
    parts.load_or_build("without graph", asked, make)
    parts.load_or_build("all", [replace(q, gold=("7",)) for q in asked], make)
    assert parts.reused_count == 0 and len(list(tmp_path.iterdir())) == 4
    later = ExampleCache(tmp_path, "set", "two")
    later.load_or_build("all", asked, make)
    assert later.reused_count == 0 and len(list(tmp_path.iterdir())) == 2, "what is out of date goes, other sets' stay"


def test_a_damaged_cache_is_named(tmp_path: Path) -> None:
    nothing = RankingExample(np.zeros((0, 2), np.float32), (), ("史",), {"BM25": np.zeros(0, np.float32)})
    write_examples(tmp_path / "x.npz", [nothing, *make(questions(2))])
    assert same(read_examples(tmp_path / "x.npz"), [nothing, *make(questions(2))])
    (tmp_path / "x.npz").write_bytes((tmp_path / "x.npz").read_bytes()[:-40])
    with pytest.raises(ReadError, match=r"x\.npz.*remove it"):
        read_examples(tmp_path / "x.npz")


# --- the commands --------------------------------------------------------------------------------------------------

PEOPLE = (
    ("Ada Lovelace", "Lord Byron", "London"),
    ("Johanna Marlow", "Piet Verhoeven", "Utrecht"),
    ("Rosa Kessler", "Anton Brandt", "Leipzig"),
    ("Mary Winslow", "Hugh Carrick", "Dublin"),
    ("Elena Moretti", "Paolo Ricci", "Turin"),
    ("Clara Lindqvist", "Olof Strand", "Uppsala"),
)


def tiny_set(folder: Path, start: int) -> None:
    """Six two-hop questions, one of them without gold."""
    folder.mkdir(parents=True)
    rows, asked = [], []
    for number, (child, father, town) in enumerate(PEOPLE[start:] + PEOPLE[:start]):
        rows.append({"_id": f"c{number}", "title": child, "text": f"{child} was a daughter of {father}."})
        rows.append({"_id": f"f{number}", "title": father, "text": f"{father} died in the town of {town}."})
        gold = [f"c{number}", f"f{number}"] if number < 5 else []
        text = f"Where did the father of {child} die?"
        asked.append({"_id": f"q {number}", "text": text, "gold": gold, "type": "one" if number else "two"})
    (folder / "corpus.jsonl.gz").write_bytes(gzipped("".join(json.dumps(r) + "\n" for r in rows)))
    (folder / "questions.dev.jsonl").write_text("".join(json.dumps(q) + "\n" for q in asked))


def gzipped(text: str) -> bytes:
    import gzip

    return gzip.compress(text.encode())


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    tiny_set(folder / "data" / "one", 0)
    tiny_set(folder / "data" / "two", 3)
    (folder / "data" / "no set").mkdir()
    (folder / "other.run").write_text("q%200 Q0 c0 1 2 t\nq%200 Q0 f0 2 1 t\nq%209 Q0 c0 1 1 t\n")
    return folder


@pytest.fixture(scope="module")
def table(house: Path) -> dict[str, Any]:
    """What the command writes into ``out``; asked twice, the second time from the cache."""
    command = ["bench", "table", "--data", house / "data", "--stores", house / "stores", "--out", house / "out"]
    code = run_command(
        lambda: app([str(a) for a in [*command, "--run", f"one/other={house / 'other.run'}"]], prog_name="kgrag")
    )
    assert code == 0
    return dict(json.loads((house / "out" / "table.json").read_text()))


def test_the_table_has_every_row_of_every_set(table: dict[str, Any], house: Path) -> None:
    assert set(table["sets"]) == {"one", "two"}
    assert list(table["sets"]["two"]["rows"]) == [n for n in table["sets"]["two"]["rows"] if n in row_names()]
    assert set(table["sets"]["two"]["rows"]) == set(row_names())
    assert set(table["sets"]["one"]["rows"]) == {*row_names(), "other"}
    for part in table["sets"].values():
        assert (part["questions"], part["unscored"]) == (5, 1)
        assert part["candidates hold"]["value"] == 1 and part["rows"]["without the ranker"]["recall@5"]["value"] == 1
        assert part["latency"]["questions"] == 6 and part["latency"]["p50 ms"]["value"] > 0
        assert part["by type"]["two"]["questions"] == 1 and part["by type"]["one"]["questions"] == 4
        assert "difference" not in part["rows"][ALL_PARTS]
        for how, end in (("cross-validated", ""), ("left out", ", left out")):
            values = [part["rows"][row + end]["recall@2"]["value"] for row in (ALL_PARTS, "without graph")]
            assert part["gain of the graph"][how]["recall@2"]["value"] == pytest.approx(values[0] - values[1])


def test_another_systems_run_stands_beside_ours(table: dict[str, Any]) -> None:
    other = table["sets"]["one"]["rows"]["other"]
    assert other["recall@2"]["value"] == pytest.approx(0.2) and other["gave nothing"] == 4
    ours = table["sets"]["one"]["rows"][ALL_PARTS]["recall@2"]["value"]
    assert other["difference"]["recall@2"]["value"] == pytest.approx(0.2 - ours) and other["against"] == ALL_PARTS


def test_runs_that_were_written_measure_as_the_table_says(table: dict[str, Any], house: Path) -> None:
    for name, part in table["sets"].items():
        asked = [q for q in load_questions(house / "data" / name / "questions.dev.jsonl") if q.gold]
        assert {f"{slug(row)}.run" for row in part["rows"]} == {f.name for f in (house / "out/runs" / name).iterdir()}
        for row, figures in part["rows"].items():
            run_of = read_run(house / "out/runs" / name / f"{slug(row)}.run")
            for measure, values in score_rankings(asked, [run_of.get(q.id, []) for q in asked]).items():
                assert np.mean(values) == pytest.approx(figures[measure]["value"]), (row, measure)


def test_what_is_written_beside_the_figures(table: dict[str, Any], house: Path) -> None:
    text = (house / "out" / "table.md").read_text()
    for heading in (
        "recall@5",
        "recall@2",
        "Gain of the graph",
        "recall@5 by type of question",
        "Milliseconds a question",
    ):
        assert f"## {heading}\n" in text
    lines = [line for line in text.splitlines() if line.startswith("| other |")]
    assert lines[0].endswith("| – |") and "20.0" in lines[0]
    assert (house / "out" / "recall.svg").read_text().count("<svg") == 1
    assert (house / "out" / "recall.png").read_bytes().startswith(b"\x89PNG")


def test_a_second_time_nothing_is_gathered_again(
    table: dict[str, Any], house: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "kgrag.dev.training.ranker.examples.gather_candidates", lambda *_: pytest.fail("gathered again")
    )
    arguments = ("--data", house / "data", "--stores", house / "stores", "--out", house / "out", "--sets", "two")
    code, out, err = shell("bench", "table", *arguments)
    total = 5 * (1 + len(ablations()))
    assert code == 0 and f"{total} of {total} gatherings were kept" in err
    assert "without graph" in out and "left out" not in out, "with one set there is no other to train on"
    left = {f.name for f in (house / "out/runs/two").iterdir()}
    assert "all.run" in left and "all-left-out.run" not in left, "a row that is no more leaves no run behind"


def test_how_often_rankers_are_trained() -> None:
    assert count_trainings(1) == 5 * len(ablations()) and count_trainings(4) == 9 * len(ablations())


def test_two_runs_are_compared(table: dict[str, Any], house: Path, shell: Shell) -> None:
    runs = house / "out" / "runs" / "one"
    arguments = ("bench", "compare", runs / "bm25.run", house / "other.run", "--questions")
    code, out, err = shell(*arguments, house / "data" / "one" / "questions.dev.jsonl")
    assert code == 0 and "recall@5" in out and "Johanna Marlow" in out
    assert "other.run: 1 questions are not in" in err and "other.run: 4 questions are missing" in err
    code, out, err = shell(*arguments, house / "data" / "one" / "questions.dev.jsonl", "--json")
    report = json.loads(out, parse_constant=pytest.fail)
    bm25 = table["sets"]["one"]["rows"]["BM25"]["recall@5"]
    assert code == 0 and err == "" and report["a"]["recall@5"] == bm25
    assert report["difference"]["recall@5"]["value"] == pytest.approx(bm25["value"] - 0.2)


def test_retrieval_beside_a_run_and_as_a_run(
    table: dict[str, Any], house: Path, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = house / "data" / "one" / "questions.dev.jsonl"
    arguments = ("bench", "retrieval", "--questions", file, "--store", house / "stores" / "one")
    code, out, err = shell(*arguments, "--run", f"other={house / 'other.run'}", "--runs-out", tmp_path / "r", "--json")
    report = json.loads(out, parse_constant=pytest.fail)
    assert code == 0 and report["trained on these questions"] is False
    assert report["runs"]["other"]["recall@5"]["value"] == pytest.approx(0.2)
    gap = report["recall@5"]["value"] - 0.2
    assert report["runs"]["other"]["difference"]["recall@5"]["value"] == pytest.approx(gap)
    asked = load_questions(file)
    kept = read_run(tmp_path / "r")
    again = score_rankings(asked, [kept[q.id] for q in asked])["mrr"]
    assert np.nanmean(again) == pytest.approx(report["mrr"]["value"])

    seen = replace(TreeEnsemble.load(), trained_on=(fingerprint(file),))
    monkeypatch.setattr(TreeEnsemble, "load", staticmethod(lambda path=None: seen))
    code, out, err = shell(*arguments, "--run", f"other={house / 'other.run'}")
    assert code == 0 and "flatter" in err and "kgrag less this" in out


@pytest.mark.parametrize(
    ("given", "part"),
    [
        (("--sets", "one,three"), "'three'"),
        (("--sets", ","), "found 0"),
        (("--limit", "3"), "found 3"),
        (("--run", "other=x"), "found none"),
        (("--run", "one/other"), "NAME=FILE"),
        (("--run", "three/other=RUN"), "SET/NAME=FILE"),
        (("--run", "one/bm25=RUN"), "twice"),
        (("--run", "one/a=RUN", "--run", "one/A=RUN"), "twice"),
    ],
)
def test_misuse_is_a_sentence(
    table: dict[str, Any], house: Path, shell: Shell, given: tuple[str, ...], part: str
) -> None:
    arguments = [g.replace("RUN", str(house / "other.run")) for g in given]
    code, out, err = shell("bench", "table", "--data", house / "data", "--stores", house / "stores", *arguments)
    assert code == 2 and out == "" and "error: Expected" in err and part in err


def test_a_library_that_is_missing_is_named_with_its_extra(
    house: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    code, _, err = shell("bench", "table", "--data", house / "data", "--out", house / "never")
    assert code == 1 and "matplotlib" in err and "kgrag[bench]" in err and not (house / "never").exists()


def test_a_new_ranker_says_which_questions_it_saw(
    table: dict[str, Any], house: Path, shell: Shell, tmp_path: Path
) -> None:
    arguments = ("--data", house / "data", "--stores", house / "stores", "--out", tmp_path / "ranker.json", "--json")
    code, out, _ = shell("bench", "ranker", *arguments)
    report = json.loads(out, parse_constant=pytest.fail)
    assert code == 0 and report["one"]["candidates hold"]["value"] == 1
    for measure in ("recall@2", "recall@5"):
        same = table["sets"]["one"]["rows"][ALL_PARTS][measure]
        assert report["one"][f"cross-validated {measure}"] == same, "the table and the trainer tell one story"
    prints = tuple(fingerprint(house / "data" / name / "questions.dev.jsonl") for name in ("one", "two"))
    assert TreeEnsemble.load(tmp_path / "ranker.json").trained_on == prints


def test_linking_by_the_command(table: dict[str, Any], house: Path, shell: Shell) -> None:
    arguments = ("bench", "linking", "--data", house / "data", "--stores", house / "stores", "--misses", "2")
    code, out, _ = shell(*arguments, "--json")
    report = json.loads(out, parse_constant=pytest.fail)
    assert code == 0 and report["one"]["named"]["value"] == 0.5 and report["one"]["reachable"]["value"] == 0.5
    code, out, _ = shell(*arguments)
    assert code == 0 and "unreached" in out
