"""Questions with gold quotes and nuggets: format, gold passages, scores, resumed answers, commands."""

from __future__ import annotations

import io
import json
import math
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import kgrag
from kgrag.cli.main import app, run_command
from kgrag.dev.benchmarks.manuals import answers as manual_answers
from kgrag.dev.benchmarks.manuals.answers import answer_values, contains_form, measure_manual_answers
from kgrag.dev.benchmarks.manuals.corpora import prepare_corpora
from kgrag.dev.benchmarks.manuals.figures import grouped_figures
from kgrag.dev.benchmarks.manuals.gold_passages import QuoteHolders, find_gold_passages, find_sources
from kgrag.dev.benchmarks.manuals.questions import (
    GoldQuote,
    ManualQuestion,
    load_any_questions,
    load_manual_questions,
)
from kgrag.dev.benchmarks.manuals.quote_words import locate_quote, quote_words
from kgrag.dev.benchmarks.manuals.retrieval import page_accuracy, quote_recall, retrieval_text
from kgrag.dev.training.ranker.quote_examples import build_quote_examples
from kgrag.errors import ReadError, UsageError
from kgrag.retrieve.passage_features import FEATURE_NAMES
from kgrag.store.resources import StoreResources
from kgrag.types import Passage
from tests.support.cli_shell import Shell
from tests.support.fake_llm import FakeLLM

GC_TEXT = "The command prunes loose objects. Unreachable objects are kept for two weeks before they are removed."
LOCK_TEXT = "A reader takes a shared lock. The writer waits until every shared lock on the file is released."
ROWS: list[dict[str, Any]] = [
    {"_id": "gc", "corpus": "git", "lang": "en", "kind": "fact", "text": "How long are unreachable objects kept?",
     "answer": "Two weeks.", "nuggets": [["two weeks", "14 days"]], "page": 3,
     "gold": [{"file": "git/gc.md", "quote": "Unreachable objects are kept for two weeks"}]},
    {"_id": "lock", "corpus": "db", "lang": "en", "kind": "followup", "text": "And what does it wait for?",
     "history": [["What does the writer do?", "It waits."]], "answer": "Shared locks.",
     "nuggets": [["shared lock"], ["released"]], "wrong": ["never"],
     "gold": [{"file": "db/lock.md", "quote": "waits until every shared lock on the file is released"},
              {"file": "db/gone.md", "quote": "no document has these words anywhere"}]},
    {"_id": "none", "corpus": "db", "lang": "zh", "kind": "unanswerable", "text": "数据库怎么加密？",
     "answer": "", "nuggets": [], "gold": []},
]  # fmt: skip


def write_questions(path: Path, rows: list[dict[str, Any]] = ROWS) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


@pytest.fixture
def questions(tmp_path: Path) -> list[ManualQuestion]:
    return load_manual_questions(write_questions(tmp_path / "q.jsonl"))


# --- questions ---------------------------------------------------------------------------------------------------------


def test_load_manual_questions_reads_every_field(questions: list[ManualQuestion]) -> None:
    gc, lock, none = questions
    assert gc.gold == (GoldQuote("git/gc.md", "Unreachable objects are kept for two weeks", 3),)
    assert lock.history == (("What does the writer do?", "It waits."),) and lock.wrong == ("never",)
    assert retrieval_text(lock) == "What does the writer do? And what does it wait for?"
    assert gc.is_answerable and not none.is_answerable


def test_load_any_questions_tells_the_formats_apart(tmp_path: Path) -> None:
    assert len(load_any_questions(write_questions(tmp_path / "m.jsonl"), 2)[1]) == 2
    plain = tmp_path / "plain.jsonl"
    plain.write_text('{"_id": "1", "text": "a?", "gold": ["doc"]}\n')
    ours, others = load_any_questions(plain)
    assert ours[0].gold == ("doc",) and not others


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"nuggets": []}, "kind 'fact' has 0 nuggets"),
        ({"nuggets": [[]]}, "no form"),
        ({"nuggets": "two weeks"}, "is no list"),
        ({"text": " "}, "white space"),
        ({"gold": [{"file": "a", "quote": "—"}]}, "has no words"),
        ({"gold": [{"file": "a"}]}, "'quote'"),
        ({"page": 0}, "the page 0"),
        ({"_id": "lock"}, "'lock' twice"),
        ({"kind": "unanswerable"}, "has 1 nuggets"),
    ],
)
def test_load_manual_questions_invalid_row_is_named(tmp_path: Path, change: dict[str, Any], part: str) -> None:
    rows = [ROWS[1], {**ROWS[0], **change}]
    with pytest.raises(ReadError, match=rf"line 2: .*{part}"):
        load_manual_questions(write_questions(tmp_path / "q.jsonl", rows))


# --- gold passages -----------------------------------------------------------------------------------------------------


def word_texts(text: str) -> list[str]:
    return [word.text for word in quote_words(text)]


def test_quote_words_pairs_chinese_characters_across_lines() -> None:
    assert word_texts("Run `git GC`,\n now") == ["run", "git", "gc", "now"]
    assert word_texts("软件\n包 apt 装") == ["软件", "件包", "apt", "装"]
    assert word_texts("好，用") == ["好", "用"]


@pytest.mark.parametrize(
    ("quote", "text", "found"),
    [
        ("the lock is held", "The lock. It is the page. The lock is held here.", "The lock is held"),
        ("two words", "words two, and two words", "two words"),
        ("lock", "no lock", "lock"),
        ("软件包管理", "包管理的软件：用软件包管理", "软件包管理"),
        ("a longer quote than the text", "longer quote", "longer quote"),
    ],
)
def test_locate_quote_finds_the_most_similar_place(quote: str, text: str, found: str) -> None:
    _, start = locate_quote(quote_words(quote), quote_words(text))
    assert text[start:].startswith(found)


def test_find_sources_compares_whole_components() -> None:
    sources = ["/data/git/gc.md", "git/gc.md", "old-git/gc.md", r"C:\docs\git\gc.md"]
    assert find_sources("git/gc.md", sources) == ["/data/git/gc.md", "git/gc.md", r"C:\docs\git\gc.md"]


class FakeGraph:
    """A store of passages, each given as (document, source, text, page)."""

    def __init__(self, *rows: tuple[str, str, str, int | None]) -> None:
        self._rows = rows

    def sources_by_document(self) -> dict[str, str]:
        return {document: source for document, source, _, _ in self._rows}

    def passages(self) -> Iterator[Passage]:
        for number, (document, _, text, page) in enumerate(self._rows):
            # a passage with a page begins on the page before it, but for its first word
            pages = ((100, page - 1), (103, page)) if page else ()
            yield Passage(f"{document}#{number:04}", document, text, 100, 100 + len(text), page_starts=pages)


def test_find_gold_passages_needs_four_fifths_of_the_words(questions: list[ManualQuestion]) -> None:
    graph = FakeGraph(
        ("copy", "other/copy.md", GC_TEXT, None),
        ("a", "x/git/gc.md", "weeks two for kept are objects unreachable", 2),
        ("a", "x/git/gc.md", GC_TEXT, 3),
        ("a", "x/git/gc.md", "Unreachable objects are kept", 4),
        ("b", "db/lock.md", "Nothing about it.", None),
    )
    gold = find_gold_passages(graph, questions)  # type: ignore[arg-type]
    (held,) = gold.holders["gc"]
    assert held.rows == {0, 1, 2} and held.best is not None and held.best.text == GC_TEXT
    assert held.best_start == 100 + GC_TEXT.index("Unreachable") and held.best.page == 2
    assert gold.missing_files == ["db/gone.md"] and gold.ambiguous_files == {}
    assert gold.lost_quotes == [("lock", "db/lock.md")] and gold.passages == 5
    assert page_accuracy(questions[0], gold.holders["gc"]) == 1
    assert math.isnan(page_accuracy(questions[2], []))


def test_find_gold_passages_names_ambiguous_files(questions: list[ManualQuestion]) -> None:
    graph = FakeGraph(("a", "old/git/gc.md", GC_TEXT, None), ("b", "new/git/gc.md", GC_TEXT, None))
    gold = find_gold_passages(graph, questions[:1])  # type: ignore[arg-type]
    assert gold.ambiguous_files == {"git/gc.md": ["new/git/gc.md", "old/git/gc.md"]}
    assert page_accuracy(questions[0], gold.holders["gc"]) == 0


def test_quote_recall_is_a_share_of_the_quotes() -> None:
    holders = [QuoteHolders({3, 5}), QuoteHolders({9})]
    assert [quote_recall(holders, rows) for rows in ([1, 5], [9, 3], [])] == [0.5, 1, 0]
    assert math.isnan(quote_recall([], [1]))


# --- scores ------------------------------------------------------------------------------------------------------------


def test_contains_form_folds_case_space_and_citation_marks() -> None:
    assert contains_form("It is kept for\n Two  Weeks [1].", ["two weeks."])
    assert contains_form("No [2], it is not.", ["No,"])
    assert contains_form("Read argv[1] first.", ["argv[1]"])
    assert not contains_form("a fortnight", ["two weeks", "14 days"])


def scores(questions: list[ManualQuestion], *texts: str) -> dict[str, list[float]]:
    rows = [{"text": text, "abstained": not text, "seconds": 1.5} for text in texts]
    return answer_values(questions, rows)


def test_answer_values_of_right_answers(questions: list[ManualQuestion]) -> None:
    values = scores(questions, "14 days", "Until the shared lock is released", "")
    assert values["right"] == [1, 1, 1] and values["wrong"] == [0, 0, 0]
    assert values["nugget_recall"][:2] == [1, 1] and math.isnan(values["nugget_recall"][2])
    assert values["abstained"][:2] == [0, 0] and values["abstained_unanswerable"][2] == 1
    assert values["seconds"] == [1.5] * 3


def test_answer_values_of_other_answers(questions: list[ManualQuestion]) -> None:
    """An abstention is not wrong; a wrong form makes a complete answer wrong; an invented answer is wrong."""
    values = scores(questions, "", "The shared lock is never released", "With a password")
    assert values["right"] == [0, 0, 0] and values["wrong"] == [0, 1, 1]
    assert values["nugget_recall"][:2] == [0, 1] and values["abstained"][0] == 1
    assert scores(questions, "x", "A shared lock", "")["nugget_recall"][1] == 0.5


def test_grouped_figures_have_wilson_intervals(questions: list[ManualQuestion]) -> None:
    figures = grouped_figures(questions, {"right": [1.0, 1.0, math.nan], "share": [0.5, 1.0, 0.25]})
    assert figures["questions"] == 3 and figures["right"]["value"] == 1 and figures["right"]["low"] < 0.5
    assert figures["share"]["low"] < figures["share"]["value"] == pytest.approx(1.75 / 3)
    assert set(figures["by_corpus"]) == {"git", "db"} and figures["by_corpus"]["db"]["questions"] == 2
    assert set(figures["by_kind"]) == {"fact", "followup", "unanswerable"} and set(figures["by_language"]) == {
        "en",
        "zh",
    }
    assert math.isnan(figures["by_kind"]["unanswerable"]["right"]["value"])


# --- corpora -----------------------------------------------------------------------------------------------------------


def write_archive(path: Path, *members: tuple[str, bytes | None]) -> Path:
    """Write a tar.gz; a member without content is a symbolic link."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if content is None:
                member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            member.size = len(content or b"")
            archive.addfile(member, io.BytesIO(content or b""))
    return path


def test_prepare_corpora_takes_folders_and_archives(tmp_path: Path) -> None:
    (tmp_path / "db").mkdir()
    archive = write_archive(tmp_path / "git.tar.gz", ("git/gc.md", b"one"))
    folders = prepare_corpora(tmp_path, ["db", "git"], tmp_path / "out")
    assert folders == [tmp_path / "db", tmp_path / "out" / "git"]
    kept = folders[1] / "kept.md"
    kept.touch()
    assert prepare_corpora(tmp_path, ["git"], tmp_path / "out") == folders[1:] and kept.exists()
    write_archive(archive, ("git/gc.md", b"two"))
    prepare_corpora(tmp_path, ["git"], tmp_path / "out")
    assert (folders[1] / "gc.md").read_text() == "two" and not kept.exists()
    with pytest.raises(UsageError, match="found neither"):
        prepare_corpora(tmp_path, ["other"], tmp_path / "out")


@pytest.mark.parametrize("name", ["../escaped.md", "/git/gc.md", "other/gc.md", "git/../../escaped.md"])
def test_prepare_corpora_refuses_files_outside(tmp_path: Path, name: str) -> None:
    write_archive(tmp_path / "git.tar.gz", (name, b"x"))
    with pytest.raises(ReadError, match="below git/ only"):
        prepare_corpora(tmp_path, ["git"], tmp_path / "out")
    assert not (tmp_path / "out" / "git").exists() and not (tmp_path / "escaped.md").exists()


def test_prepare_corpora_refuses_links_and_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = write_archive(tmp_path / "git.tar.gz", ("git/link", None))
    with pytest.raises(ReadError, match="'git/link'"):
        prepare_corpora(tmp_path, ["git"], tmp_path / "out")
    write_archive(archive, ("git/gc.md", bytes(5000)))
    monkeypatch.setattr("kgrag.dev.benchmarks.manuals.corpora.MAX_UNPACKED_BYTES", 4000)
    with pytest.raises(ReadError, match="found 5,000 bytes"):
        prepare_corpora(tmp_path, ["git"], tmp_path / "out")
    archive.write_bytes(archive.read_bytes()[:40])
    with pytest.raises(ReadError, match="could not be unpacked"):
        prepare_corpora(tmp_path, ["git"], tmp_path / "out")


# --- commands ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def manuals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the command over an archive and a folder; return the folder of its data and results."""
    folder = tmp_path_factory.mktemp("manuals")
    data = folder / "data"
    (data / "db").mkdir(parents=True)
    (data / "db" / "lock.md").write_text(f"# Locks\n\n{LOCK_TEXT}\n")
    write_archive(data / "git.tar.gz", ("git/gc.md", f"# Garbage collection\n\n{GC_TEXT}\n".encode()))
    write_questions(data / "questions.dev.jsonl")
    arguments = ["bench", "manuals", "--data", str(data), "--out", str(folder / "out"), "--json"]
    assert run_command(lambda: app(arguments, prog_name="kgrag")) == 0
    return folder


def test_bench_manuals_again_reads_nothing_and_prints_tables(manuals: Path, shell: Shell) -> None:
    code, out, err = shell("bench", "manuals", "--data", manuals / "data", "--out", manuals / "out")
    assert code == 0 and "BM25" in out and "kgrag retrieve" in out and "by kind" in out
    assert "1 gold files are in no source of the store (db/gone.md)" in err


def test_bench_retrieval_reports_every_method(manuals: Path, shell: Shell) -> None:
    file, store = manuals / "data" / "questions.dev.jsonl", manuals / "out" / "store"
    arguments = ("bench", "retrieval", "--questions", file, "--store", store)
    code, out, _ = shell(*arguments, "--json")
    report = json.loads(out, parse_constant=pytest.fail)
    assert code == 0 and (report["questions"], report["unscored"], report["passages"]) == (3, 1, 2)
    assert report["passage_recall@5"]["value"] == 0.75, "one of the two quotes of the follow-up is in no document"
    assert report["page_accuracy"]["value"] == 0, "a Markdown file has no pages"
    assert report["quotes_held"]["value"] == pytest.approx(2 / 3)
    assert report["missing_files"] == ["db/gone.md"] and report["lost_quotes"] == []
    assert set(report["baselines"]) == {"bm25", "vectors", "fusion"}
    for figures in (report, *report["baselines"].values()):
        assert figures["by_corpus"]["git"]["passage_recall@1"]["value"] == 1 and figures["seconds"]["value"] > 0
        assert figures["by_kind"]["unanswerable"]["passage_recall@20"]["value"] is None
    assert "--runs-out" in shell.expect_error(2, *arguments, "--runs-out", manuals / "run")


def test_quote_examples_label_the_passages_that_hold_a_quote(manuals: Path, questions: list[ManualQuestion]) -> None:
    with kgrag.open(manuals / "out" / "store") as store:
        names, examples = build_quote_examples(store, questions)
    assert list(examples) == ["git"]  # "lock" has a quote that the store lacks, "none" has no quote
    (example,) = examples["git"]
    assert example.rows.shape == (len(example.documents), len(names)) and names == list(FEATURE_NAMES)
    assert example.gold == ("quote 0",) and example.labels.sum() == example.documents.count("quote 0") == 1
    assert len(example.votes) == len(example.documents)
    assert all(document == "quote 0" or "#" in document for document in example.documents)


def test_bench_answers_by_quotation_loads_no_model(
    manuals: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StoreResources, "_load_llm", lambda self: pytest.fail("the model was loaded"))
    file = manuals / "data" / "questions.dev.jsonl"
    code, out, _ = shell(
        "bench", "answers", "--questions", file, "--store", manuals / "out" / "store", "--reader", "quote", "--json"
    )
    assert code == 0 and json.loads(out, parse_constant=pytest.fail)["questions"] == 3


def test_bench_answers_continues_from_its_file(manuals: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    file, out_file = manuals / "data" / "questions.dev.jsonl", manuals / "answers.jsonl"
    arguments = ("bench", "answers", "--questions", file, "--store", manuals / "out" / "store", "--reader", "graph")
    code, out, _ = shell(*arguments, "--out", out_file, "--limit", "2", "--json")
    assert code == 0 and json.loads(out)["questions"] == 2
    first_lines = out_file.read_text()
    asked: list[str] = []
    ask = manual_answers._Asker.ask

    def counted_ask(self: Any, question: ManualQuestion) -> Any:
        asked.append(question.id)
        return ask(self, question)

    monkeypatch.setattr(manual_answers._Asker, "ask", counted_ask)
    code, out, _ = shell(*arguments, "--out", out_file, "--json")
    report = json.loads(out, parse_constant=pytest.fail)
    assert code == 0 and asked == ["none"] and out_file.read_text().startswith(first_lines)
    assert report["questions"] == 3 and report["abstained_unanswerable"]["value"] == 1
    assert {"nugget_recall", "right", "wrong", "abstained", "seconds", "by_corpus"} <= set(report)
    code, out, _ = shell(*arguments, "--without", "graph_answer")
    assert code == 0 and "nugget recall" in out and "by language" in out


def test_measure_manual_answers_of_a_model(manuals: Path, questions: list[ManualQuestion]) -> None:
    """A follow-up is rewritten before it is answered; the gold arm has the best passage of each quote."""
    model = FakeLLM(default_answer="They are kept for two weeks [1].")
    with kgrag.open(manuals / "out" / "store") as store:
        store.use(llm=model)
        report, rows = measure_manual_answers(store, questions[:2], arm="gold")
        assert [hit["source"].rpartition("/")[2] for row in rows for hit in row["evidence"]] == ["gc.md", "lock.md"]
        assert rows[0]["asked"] == questions[0].text and "writer" in json.dumps(model.calls)
        assert report["by_corpus"]["git"]["right"]["value"] == 1 and report["model"] == "fake"
        _, rows = measure_manual_answers(store, questions[:1], arm="closed-book")
        assert rows[0]["grounded"] is False


def test_bench_answers_with_a_perfect_model(manuals: Path, shell: Shell, tmp_path: Path) -> None:
    """The follow-up is rewritten without a real model; a gold file that the store lacks is named."""
    file, out_file = manuals / "data" / "questions.dev.jsonl", tmp_path / "rows.jsonl"
    arguments = ("bench", "answers", "--questions", file, "--store", manuals / "out" / "store", "--oracle")
    code, out, err = shell(*arguments, "--out", out_file, "--json")
    report = json.loads(out, parse_constant=pytest.fail)
    assert code == 0 and "gold files are in no source of the store (db/gone.md)" in err
    assert report["missing_files"] == ["db/gone.md"] and report["gold_retrieved"]["value"] == 1
    assert {"oracle_nugget_recall", "oracle_whole", "gold_in_prompt", "silenced_by_gate", "withdrawn"} <= set(report)
    assert set(report["altered"]) == {"number", "name", "option", "negation"}
    rows = [json.loads(line) for line in out_file.read_text().splitlines()]
    assert [row["id"] for row in rows] == ["gc", "lock", "none"] and rows[1]["asked"] != "And what does it wait for?"
    code, out, _ = shell(*arguments, "--arm", "plain")
    assert code == 0 and "nugget recall" in out and "by language" in out and "altered answers caught" in out
    assert "--oracle or --model" in shell.expect_error(2, *arguments, "--model", "http://127.0.0.1:9/v1#any")
    assert "grounded or plain" in shell.expect_error(2, *arguments, "--arm", "gold")
    assert "--without with --arm" in shell.expect_error(2, *arguments, "--arm", "plain", "--without", "echo")
    assert "found 'spelling'" in shell.expect_error(2, *arguments, "--without", "spelling")
    assert "found 'generation'" in shell.expect_error(2, *arguments, "--without", "generation")


def test_bench_answers_oracle_needs_nuggets(manuals: Path, shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "plain.jsonl"
    file.write_text('{"_id": "1", "text": "a?", "answers": ["b"]}\n')
    arguments = ("bench", "answers", "--questions", file, "--store", manuals / "out" / "store")
    assert "nuggets for --oracle" in shell.expect_error(2, *arguments, "--oracle")


def test_measure_manual_answers_of_plain_rag(manuals: Path, questions: list[ManualQuestion]) -> None:
    """The nearest passages are shown whole in one prompt, and nothing is checked but the words of an abstention."""
    model = FakeLLM(replies=["For 99 years [7].", "The documents do not say."])
    with kgrag.open(manuals / "out" / "store") as store:
        store.use(llm=model)
        report, rows = measure_manual_answers(store, [questions[0], questions[2]], arm="plain")
    assert rows[0]["text"] == "For 99 years [7]." and rows[0]["citations"] == [] and rows[1]["abstained"]
    assert GC_TEXT in model.prompts[0] and LOCK_TEXT in model.prompts[0] and questions[0].text in model.prompts[0]
    assert report["wrong"]["value"] == 0.5 and report["missing_files"] == []
