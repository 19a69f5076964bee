"""The retrieval table: rows on hand-made candidates, the cache, and the commands on two tiny sets."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kgrag.cli.bench.datasets import find_set_folders
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
from kgrag.dev.benchmarks.baselines import fuse_scores
from kgrag.dev.benchmarks.candidate_cache import BLOCK_SIZE, ExampleCache, code_digest, read_examples, write_examples
from kgrag.dev.benchmarks.run_comparison import score_rankings
from kgrag.dev.benchmarks.trec_runs import ranked_documents, read_run, slug
from kgrag.dev.training.ranker import cross_validation
from kgrag.dev.training.ranker.cross_validation import cross_validate, leave_one_set_out, rank_documents
from kgrag.dev.training.ranker.examples import RankingExample
from kgrag.errors import ReadError, UsageError
from kgrag.question_sets import fingerprint, load_questions
from kgrag.retrieve.boosted_trees import TreeEnsemble
from kgrag.types import Question
from tests.support.cli_shell import Shell


def example(gold: int, sign: float = 1.0, size: int = 12) -> RankingExample:
    """Return a question with ``size`` documents, whose first feature is highest for the gold one.

    With ``sign`` -1 it is lowest. The second feature is noise.
    """
    random = np.random.default_rng(gold)
    features = random.random((size, 2)).astype(np.float32)
    features[:, 0] = np.where(np.arange(size) == gold, sign, -sign)
    return RankingExample(features, tuple(map(str, range(size))), (str(gold),), {})


def test_cross_validate_keeps_order_and_leaves_sets_out() -> None:
    """Rankings are in the order of the questions, and a ranker of a left-out set never sees it."""
    sets = {"up": [example(n % 12) for n in range(60)], "down": [example(n % 12, -1) for n in range(60)]}
    (rankings,) = cross_validate({"up": sets["up"]}).values()
    assert [ranked_documents(r)[0] for r in rankings] == [str(n % 12) for n in range(60)]
    assert [ranked_documents(r)[-1] for r in leave_one_set_out(sets)["up"]] == [str(n % 12) for n in range(60)]


def test_rank_documents_skips_nan_scores() -> None:
    scores = np.array([np.nan, 1, 3, 2], np.float32)
    candidates = RankingExample(np.zeros((4, 0), np.float32), ("a", "b", "c", "b"), ("a",), {})
    assert rank_documents(candidates, scores) == [("c", 3.0), ("b", 2.0)]
    equal = np.array([1, 1, 1, 0], np.float32)
    ranking = rank_documents(candidates, equal, np.array([0, 1, 1, 9]), np.array([0, 1, 2, 9]))
    assert ranked_documents(ranking) == ["c", "b", "a"]
    assert ranked_documents(rank_documents(candidates, equal)) == ["a", "b", "c"]


def test_fuse_scores_worked_example() -> None:
    fused = fuse_scores([np.array([3.0, 2.0, -np.inf, np.nan]), np.array([-np.inf, 5.0, 1.0, -np.inf])])
    assert fused.tolist() == pytest.approx([1 / 61, 1 / 62 + 1 / 61, 1 / 62, -np.inf])
    values = {"BM25": [1.0, 2.0], "dense": [np.nan, np.nan], "RRF": [9.0, 1.0], "walk names": [0.5, 0.7]}
    scores = {name: np.array(each, np.float32) for name, each in values.items()}
    two_candidates = RankingExample(np.zeros((2, 0), np.float32), ("a", "b"), ("a",), scores)
    assert rank_without_training(two_candidates) == [("b", pytest.approx(2 / 61)), ("a", pytest.approx(2 / 62))]
    no_candidates = RankingExample(np.zeros((0, 0), np.float32), (), ("a",), {n: s[:0] for n, s in scores.items()})
    assert rank_without_training(no_candidates) == []


def test_reference_row_of_each_row() -> None:
    assert reference_row("all") is None and reference_row("all, left out") == "all"
    assert reference_row("without graph") == "all" and reference_row("without graph, left out") == "all, left out"
    assert reference_row("BM25") == "all"


def test_build_rows_too_few_questions_is_refused() -> None:
    few = SetCandidates([Question("1", "q", gold=("1",))], [], {})
    with pytest.raises(UsageError, match="found 1"):
        build_rows({"tiny": few})


# --- the cache -----------------------------------------------------------------------------------------------------


def questions(number: int) -> list[Question]:
    return [Question(str(n), f"question {n}", gold=(str(n % 12),)) for n in range(number)]


def make_examples(block: list[Question]) -> list[RankingExample]:
    examples = [example(int(q.gold[0]), size=1 + len(q.text)) for q in block]
    scores = [np.arange(len(e.rows), dtype=np.float32) for e in examples]
    return [
        replace(e, retriever_scores={"BM25": s * np.nan}, votes=-s[: len(s) * (int(e.gold[0]) % 2)])  # half have votes
        for e, s in zip(examples, scores, strict=True)
    ]


def are_equal(a: list[RankingExample], b: list[RankingExample]) -> bool:
    return len(a) == len(b) and all(
        np.array_equal(x.rows, y.rows)
        and np.array_equal(x.votes, y.votes)
        and (x.documents, x.gold, list(x.retriever_scores)) == (y.documents, y.gold, list(y.retriever_scores))
        and all(
            np.array_equal(x.retriever_scores[n], y.retriever_scores[n], equal_nan=True) for n in x.retriever_scores
        )
        for x, y in zip(a, b, strict=True)
    )


def test_cache_after_interruption_resumes(tmp_path: Path) -> None:
    question_list = questions(2 * BLOCK_SIZE + 3)
    built_ids: list[str] = []

    def interrupted_build(block: list[Question]) -> list[RankingExample]:
        if len(built_ids) > BLOCK_SIZE + 7:
            raise KeyboardInterrupt
        built_ids.extend(q.id for q in block)
        return make_examples(block)

    with pytest.raises(KeyboardInterrupt):
        ExampleCache(tmp_path, "a.set", "state").load_or_build("all", question_list, interrupted_build)
    second = ExampleCache(tmp_path, "a.set", "state")
    ticks: list[None] = []
    examples = second.load_or_build("all", question_list, make_examples, lambda: ticks.append(None))
    assert second.reused_count == BLOCK_SIZE and len(ticks) == len(question_list)
    assert are_equal(examples, make_examples(question_list))
    third = ExampleCache(tmp_path, "a.set", "state")
    assert are_equal(third.load_or_build("all", question_list, lambda _: pytest.fail("built again")), examples)
    assert third.reused_count == len(question_list)


def test_cache_of_another_state_is_not_read(tmp_path: Path) -> None:
    question_list = questions(3)
    ExampleCache(tmp_path, "set", "one").load_or_build("all", question_list, make_examples)
    other_set = ExampleCache(tmp_path, "other set", "two")
    other_set.load_or_build("all", question_list, make_examples)
    other_keys = ExampleCache(tmp_path, "set", "one")
    other_keys.load_or_build("without graph", question_list, make_examples)
    other_keys.load_or_build("all", [replace(q, gold=("7",)) for q in question_list], make_examples)
    assert other_keys.reused_count == 0 and len(list(tmp_path.iterdir())) == 4
    other_state = ExampleCache(tmp_path, "set", "two")
    other_state.load_or_build("all", question_list, make_examples)
    assert other_state.reused_count == 0
    assert len(list(tmp_path.iterdir())) == 2, "outdated files are deleted, those of other sets stay"


def test_read_examples_damaged_file_is_named(tmp_path: Path) -> None:
    no_candidates = RankingExample(np.zeros((0, 2), np.float32), (), ("史",), {"BM25": np.zeros(0, np.float32)})
    examples = [no_candidates, *make_examples(questions(2))]
    write_examples(tmp_path / "x.npz", examples)
    assert are_equal(read_examples(tmp_path / "x.npz"), examples)
    (tmp_path / "x.npz").write_bytes((tmp_path / "x.npz").read_bytes()[:-40])
    with pytest.raises(ReadError, match=r"x\.npz.*delete it"):
        read_examples(tmp_path / "x.npz")


def test_code_digest_reads_existing_files() -> None:
    assert len(code_digest()) == 64


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
    """Write a set of six two-hop questions, one of them without gold."""
    folder.mkdir(parents=True)
    rows, question_rows = [], []
    for number, (child, father, town) in enumerate(PEOPLE[start:] + PEOPLE[:start]):
        rows.append({"_id": f"c{number}", "title": child, "text": f"{child} was a daughter of {father}."})
        rows.append({"_id": f"f{number}", "title": father, "text": f"{father} died in the town of {town}."})
        gold = [f"c{number}", f"f{number}"] if number < 5 else []
        text = f"Where did the father of {child} die?"
        question_rows.append({"_id": f"q {number}", "text": text, "gold": gold, "type": "one" if number else "two"})
    (folder / "corpus.jsonl.gz").write_bytes(gzipped("".join(json.dumps(r) + "\n" for r in rows)))
    (folder / "questions.dev.jsonl").write_text("".join(json.dumps(q) + "\n" for q in question_rows))


def gzipped(text: str) -> bytes:
    import gzip

    return gzip.compress(text.encode())


@pytest.fixture(scope="module")
def bench_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench")
    tiny_set(folder / "data" / "one", 0)
    tiny_set(folder / "data" / "two", 3)
    (folder / "data" / "no set").mkdir()
    (folder / "other.run").write_text("q%200 Q0 c0 1 2 t\nq%200 Q0 f0 2 1 t\nq%209 Q0 c0 1 1 t\n")
    return folder


@pytest.fixture(scope="module")
def table(bench_folder: Path) -> dict[str, Any]:
    """Run the command and return the table that it writes into ``out``."""
    command = [
        "bench",
        "table",
        "--data",
        bench_folder / "data",
        "--stores",
        bench_folder / "stores",
        "--out",
        bench_folder / "out",
    ]
    code = run_command(
        lambda: app([str(a) for a in [*command, "--run", f"one/other={bench_folder / 'other.run'}"]], prog_name="kgrag")
    )
    assert code == 0
    return dict(json.loads((bench_folder / "out" / "table.json").read_text()))


def test_bench_table_has_every_row_of_every_set(table: dict[str, Any], bench_folder: Path) -> None:
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


def test_bench_table_includes_another_run(table: dict[str, Any]) -> None:
    other = table["sets"]["one"]["rows"]["other"]
    assert other["recall@2"]["value"] == pytest.approx(0.2) and other["gave nothing"] == 4
    ours = table["sets"]["one"]["rows"][ALL_PARTS]["recall@2"]["value"]
    assert other["difference"]["recall@2"]["value"] == pytest.approx(0.2 - ours) and other["against"] == ALL_PARTS


def test_bench_table_runs_agree_with_figures(table: dict[str, Any], bench_folder: Path) -> None:
    for name, part in table["sets"].items():
        scored = [q for q in load_questions(bench_folder / "data" / name / "questions.dev.jsonl") if q.gold]
        assert {f"{slug(row)}.run" for row in part["rows"]} == {
            f.name for f in (bench_folder / "out/runs" / name).iterdir()
        }
        for row, figures in part["rows"].items():
            run = read_run(bench_folder / "out/runs" / name / f"{slug(row)}.run")
            for measure, values in score_rankings(scored, [run.get(q.id, []) for q in scored]).items():
                assert np.mean(values) == pytest.approx(figures[measure]["value"]), (row, measure)


def test_bench_table_writes_markdown_and_plots(table: dict[str, Any], bench_folder: Path) -> None:
    text = (bench_folder / "out" / "table.md").read_text()
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
    assert (bench_folder / "out" / "recall.svg").read_text().count("<svg") == 1
    assert (bench_folder / "out" / "recall.png").read_bytes().startswith(b"\x89PNG")


def test_bench_table_second_run_uses_the_cache(
    table: dict[str, Any], bench_folder: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "kgrag.dev.training.ranker.examples.gather_candidates", lambda *_: pytest.fail("gathered again")
    )
    arguments = (
        "--data",
        bench_folder / "data",
        "--stores",
        bench_folder / "stores",
        "--out",
        bench_folder / "out",
        "--sets",
        "two",
    )
    code, out, err = shell("bench", "table", *arguments)
    total = 5 * (1 + len(ablations()))
    assert code == 0 and f"{total} of {total} candidate sets were read" in err
    assert "without graph" in out and "left out" not in out, "with one set there is no other to train on"
    run_files = {f.name for f in (bench_folder / "out/runs/two").iterdir()}
    assert "all.run" in run_files and "all-left-out.run" not in run_files, "runs of missing rows are deleted"


def test_count_trainings_of_one_and_four_sets() -> None:
    assert count_trainings(1) == 5 * len(ablations()) and count_trainings(4) == 9 * len(ablations())


def test_bench_compare_two_runs(table: dict[str, Any], bench_folder: Path, shell: Shell) -> None:
    runs = bench_folder / "out" / "runs" / "one"
    arguments = ("bench", "compare", runs / "bm25.run", bench_folder / "other.run", "--questions")
    code, out, err = shell(*arguments, bench_folder / "data" / "one" / "questions.dev.jsonl")
    assert code == 0 and "recall@5" in out and "Johanna Marlow" in out
    assert "other.run: ignored 1 questions that are not in" in err and "other.run: 4 questions are missing" in err
    code, out, err = shell(*arguments, bench_folder / "data" / "one" / "questions.dev.jsonl", "--json")
    report = json.loads(out, parse_constant=pytest.fail)
    bm25 = table["sets"]["one"]["rows"]["BM25"]["recall@5"]
    assert code == 0 and err == "" and report["a"]["recall@5"] == bm25
    assert report["difference"]["recall@5"]["value"] == pytest.approx(bm25["value"] - 0.2)


def test_bench_retrieval_reads_and_writes_runs(
    table: dict[str, Any], bench_folder: Path, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = bench_folder / "data" / "one" / "questions.dev.jsonl"
    arguments = ("bench", "retrieval", "--questions", file, "--store", bench_folder / "stores" / "one")
    code, out, err = shell(
        *arguments, "--run", f"other={bench_folder / 'other.run'}", "--runs-out", tmp_path / "r", "--json"
    )
    report = json.loads(out, parse_constant=pytest.fail)
    assert code == 0 and report["trained on these questions"] is False
    assert report["runs"]["other"]["recall@5"]["value"] == pytest.approx(0.2)
    gap = report["recall@5"]["value"] - 0.2
    assert report["runs"]["other"]["difference"]["recall@5"]["value"] == pytest.approx(gap)
    question_list = load_questions(file)
    written_run = read_run(tmp_path / "r")
    reciprocal_ranks = score_rankings(question_list, [written_run[q.id] for q in question_list])["mrr"]
    assert np.nanmean(reciprocal_ranks) == pytest.approx(report["mrr"]["value"])

    trained_on_these = replace(TreeEnsemble.load(), trained_on=(fingerprint(file),))
    monkeypatch.setattr(TreeEnsemble, "load", staticmethod(lambda path=None: trained_on_these))
    code, out, err = shell(*arguments, "--run", f"other={bench_folder / 'other.run'}")
    assert code == 0 and "figures are too high" in err and "kgrag − this run" in out


@pytest.mark.parametrize(
    ("options", "part"),
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
def test_bench_table_invalid_option_is_one_sentence(
    table: dict[str, Any], bench_folder: Path, shell: Shell, options: tuple[str, ...], part: str
) -> None:
    arguments = [option.replace("RUN", str(bench_folder / "other.run")) for option in options]
    code, out, err = shell(
        "bench", "table", "--data", bench_folder / "data", "--stores", bench_folder / "stores", *arguments
    )
    assert code == 2 and out == "" and "error: Expected" in err and part in err


def test_bench_table_missing_library_names_its_extra(
    bench_folder: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    code, _, err = shell("bench", "table", "--data", bench_folder / "data", "--out", bench_folder / "never")
    assert code == 1 and "matplotlib" in err and "kgrag[bench]" in err and not (bench_folder / "never").exists()


def test_bench_ranker_records_its_questions(
    table: dict[str, Any], bench_folder: Path, shell: Shell, tmp_path: Path
) -> None:
    arguments = (
        "--data",
        bench_folder / "data",
        "--stores",
        bench_folder / "stores",
        "--out",
        tmp_path / "ranker.json",
        "--json",
    )
    code, out, _ = shell("bench", "ranker", *arguments)
    report = json.loads(out, parse_constant=pytest.fail)
    assert code == 0 and report["one"]["candidates hold"]["value"] == 1
    for measure in ("recall@2", "recall@5"):
        table_figure = table["sets"]["one"]["rows"][ALL_PARTS][measure]
        assert report["one"][f"cross-validated {measure}"] == table_figure, "the table and the trainer agree"
    prints = tuple(fingerprint(bench_folder / "data" / name / "questions.dev.jsonl") for name in ("one", "two"))
    assert TreeEnsemble.load(tmp_path / "ranker.json").trained_on == prints


def test_bench_linking_reports_shares(table: dict[str, Any], bench_folder: Path, shell: Shell) -> None:
    arguments = (
        "bench",
        "linking",
        "--data",
        bench_folder / "data",
        "--stores",
        bench_folder / "stores",
        "--misses",
        "2",
    )
    code, out, _ = shell(*arguments, "--json")
    report = json.loads(out, parse_constant=pytest.fail)
    assert code == 0 and report["one"]["named"]["value"] == 0.5 and report["one"]["reachable"]["value"] == 0.5
    code, out, _ = shell(*arguments)
    assert code == 0 and "unreached" in out


def test_kinds_are_left_out_together_and_weigh_the_same() -> None:
    sets = {
        "up": [example(n % 12) for n in range(60)],
        "down/a": [example(n % 12, -1.0) for n in range(60)],
        "down/b": [example(n % 12, -1.0) for n in range(60)],
    }
    by_set, by_kind = leave_one_set_out(sets), leave_one_set_out(sets, by_kind=True)
    gold = [str(n % 12) for n in range(60)]
    assert [ranked_documents(r)[-1] for r in by_kind["down/a"]] == gold  # only "up" is left to learn from
    assert [ranked_documents(r)[-1] for r in by_kind["up"]] == gold == [ranked_documents(r)[-1] for r in by_set["up"]]


def test_votes_change_the_order_of_a_trained_ranker() -> None:
    sets = {"a": [example(n % 12) for n in range(60)], "b": [example(n % 12) for n in range(60)]}
    votes = np.full(12, -99, np.float32)
    votes[3] = 0
    sets["b"] = [replace(e, votes=votes) for e in sets["b"]]
    assert {ranked_documents(r)[0] for r in leave_one_set_out(sets)["b"]} == {"3"}


def test_sets_of_a_kind_are_one_group_of_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[list[int]] = []

    def train(groups: list[list[RankingExample]]) -> Any:
        trained.append([len(group) for group in groups])
        return SimpleNamespace(predict=lambda rows, raw_score: np.zeros(len(rows)))

    monkeypatch.setattr(cross_validation, "train_boosted_trees", train)
    leave_one_set_out({"a": [example(1)] * 10, "m/x": [example(1)] * 5, "m/y": [example(1)] * 7})
    assert trained == [[12], [10, 7], [10, 5]]


def test_folder_of_questions_without_a_corpus_is_no_dataset(tmp_path: Path) -> None:
    for name, files in (("whole", ("corpus.jsonl.gz", "questions.dev.jsonl")), ("manuals", ("questions.dev.jsonl",))):
        (tmp_path / name).mkdir()
        for file in files:
            (tmp_path / name / file).touch()
    assert [folder.name for folder in find_set_folders(tmp_path)] == ["whole"]
