"""Command line: streams, exit codes, pure JSON, and one sentence for every error."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from kgrag.cli.main import run_command
from kgrag.store.store import Store
from kgrag.terminal import console
from kgrag.types import Answer, Citation, Diagnostic, DiagnosticCode, Hit, Passage, Triple
from kgrag.types import Path as GraphPath
from tests.support.cli_shell import FORBIDDEN_IN_ERRORS, Shell
from tests.support.paths import ROOT

QUESTIONS = ROOT / "tests" / "data" / "examples.questions.jsonl"


def run_kgrag(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the program in a process of its own, as a shell does."""
    command = [sys.executable, "-m", "kgrag", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, **options)


def make_triple() -> Triple:
    return Triple("lord byron", "place_of_death", "missolonghi", "Lord Byron#0001", 0, 36, 0.9)


class CannedPipeline:
    """Answers every question with one cited sentence; closed-book answers are Greece."""

    def answer(
        self,
        question: str,
        k: int,
        *,
        reader: str = "auto",
        is_deep: bool = False,
        on_text: Any = None,
        on_progress: Any = None,
        on_statement: Any = None,
    ) -> Answer:
        passage = Passage("Lord Byron#0001", "Lord Byron", "Lord Byron died of a fever in Missolonghi.", 0, 42)
        hit = Hit(passage, "Lord Byron", "byron.md", float("nan"), 1)
        path = GraphPath(("lord byron", "missolonghi"), ("Lord Byron", "Missolonghi"), (make_triple(),))
        citation = Citation(passage.id, 0, 42, passage.text)
        refusal = Diagnostic(DiagnosticCode.CITATION_REFUSED, "[2] refused")
        return Answer(
            question, f"Missolonghi, k={k}", (hit,), (citation,), (path,), diagnostics=(refusal,), model="fake"
        )

    def answer_closed_book(self, question: str, on_text: Any = None) -> Answer:
        return Answer(question, "Greece", grounded=False, model="fake")


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "answer_pipeline", property(lambda self: CannedPipeline()))


# --- in processes of their own -------------------------------------------------------------------------------------


def test_results_on_stdout_everything_else_on_stderr(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "good.txt").write_text("Ada Lovelace met Charles Babbage in London.")
    (folder / "empty.txt").write_text("")
    (folder / "binary.txt").write_bytes(bytes(range(256)) * 8)
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 and then nothing of the kind")
    (folder / "nulls.md").write_bytes(b"Some text\0 with a null byte in it.")
    rows = ['{"_id": "a", "title": "A", "text": "Alpha is a letter."}', "not json", '{"_id": "b", "text": "Beta."}']
    (folder / "rows.jsonl").write_text("\n".join(rows))
    done = run_kgrag("ingest", folder, "--store", tmp_path / "store", "--json")
    assert done.returncode == 0, done.stderr
    assert not any(mark in done.stderr for mark in FORBIDDEN_IN_ERRORS)
    report = json.loads(done.stdout)
    assert report["added"] == 4 and report["store"]["documents"] == 4
    problems = {Path(p["source"]).name: p for p in report["problems"]}
    assert set(problems) == {"empty.txt", "binary.txt", "broken.pdf", "rows.jsonl"}
    assert problems["rows.jsonl"]["line"] == 2

    again = run_kgrag("ingest", folder, "--store", tmp_path / "store")
    assert again.returncode == 0 and "4 unchanged" in again.stdout
    assert "not read" not in again.stdout and again.stderr.count("not read:") == 4

    found = run_kgrag(
        "retrieve", "Where did Ada Lovelace meet Babbage?", "--store", tmp_path / "store", "-k", "2", "--json"
    )
    assert found.returncode == 0 and found.stderr == ""
    hits = json.loads(found.stdout)
    keys = "rank score passage_id document_id source title text start end headings page paths parts copies"
    assert list(hits[0]) == keys.split() and hits[0]["rank"] == 1 and hits[0]["source"].endswith("good.txt")


def test_ingest_of_unreadable_files_always_gives_reasons(store: Path) -> None:
    """This includes a store with documents, and files that failed before."""
    contents = {"empty.txt": b"", "binary.txt": bytes(range(256)), "broken.pdf": b"%PDF-1"}
    for name, content in contents.items():
        (store.parent / name).write_bytes(content)
    for _ in range(2):
        done = run_kgrag("ingest", *(store.parent / name for name in contents), "--store", store)
        assert done.returncode == 1 and done.stdout == ""
        for name in contents:
            assert re.search(rf"not read: \S*{name}: expected .*, found", done.stderr)
        assert (
            "error: Expected readable documents in the given paths, found none" in done.stderr
            and "Traceback" not in done.stderr
        )


def test_ctrl_c_keeps_documents_and_next_run_continues(tmp_path: Path) -> None:
    rows = [
        {"_id": str(n), "text": f"Person {n} was born in London in {1000 + n} and met Ada Lovelace."}
        for n in range(130)
    ]
    file, store = tmp_path / "rows.jsonl", tmp_path / "store"
    file.write_text("\n".join(map(json.dumps, rows)))
    command = [sys.executable, "-m", "kgrag", "ingest", str(file), "--store", str(store)]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
    )
    for _ in range(2400):
        if running.poll() is not None or count_documents(store):
            break
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does: to the workers too
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130, (out, err)
    assert not any(mark in err for mark in FORBIDDEN_IN_ERRORS)
    assert "error: Stopped. Finished documents are kept" in err
    before = count_documents(store)
    assert 0 < before < 130
    again = run_kgrag("ingest", file, "--store", store, "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["unchanged"] == before and count_documents(store) == 130


def count_documents(store: Path) -> int:
    try:
        return int(sqlite3.connect(store / "graph.db").execute("SELECT count(*) FROM documents").fetchone()[0])
    except sqlite3.Error:
        return 0


def test_full_disk_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(json.dumps({"_id": str(n), "text": "word " * 4000}) for n in range(3)))
    limit = (30_000, 30_000)  # bytes a file may have: what a full disk looks like from inside
    done = run_kgrag(
        "ingest",
        file,
        "--store",
        tmp_path / "store",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "error: " in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_unwritable_output_is_one_sentence(small_store: Path) -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "kgrag", "status", "--store", str(small_store)]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert done.returncode == 1
    assert (
        done.stderr.startswith("error: No space left on device: check free disk space") and done.stderr.count("\n") == 1
    )


def test_closed_pipe_is_no_error() -> None:
    command = f"{sys.executable} -m kgrag models --json | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "[\n" and done.stderr == ""


def test_last_line_is_flushed_with_loaded_model(store: Path, tmp_path: Path) -> None:
    """The program then exits with `os._exit`, which does not flush."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, types; sys.modules['openvino_genai'] = types.ModuleType('openvino_genai')\n"
        f"sys.argv = ['kgrag', 'status', '--store', {str(store)!r}, '--json']\n"
        "from kgrag.cli.main import main; main()\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0 and json.loads(done.stdout)["documents"] == 5


def test_entry_points_and_completion_work() -> None:
    beside = Path(sys.executable).parent / "kgrag"
    for command in ([str(beside)], [sys.executable, "-m", "kgrag"]):
        done = subprocess.run([*command, "--version"], capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0 and done.stdout.startswith("kgrag ")
    environment = {
        **os.environ,
        "_KGRAG_COMPLETE": "complete_bash",
        "COMP_WORDS": "kgrag models pull qwen",
        "COMP_CWORD": "3",
    }
    done = subprocess.run([str(beside)], capture_output=True, text=True, cwd=ROOT, env=environment)
    assert "qwen2.5-coder-0.5b-instruct" in done.stdout.split()


def test_undecodable_bytes_in_question_are_shown(small_store: Path) -> None:
    command = [sys.executable, "-m", "kgrag", "retrieve", b"\xff\xfe Lovelace", "--store", str(small_store), "-k", "5"]
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, cwd=ROOT, env=ascii_only)
    assert done.returncode == 0 and b"Ada Lovelace" in done.stdout
    done = subprocess.run(
        [sys.executable, "-m", "kgrag", "status", "--documents", "--json", "--store", str(small_store)],
        capture_output=True,
        cwd=ROOT,
        env=ascii_only,
    )
    assert "华罗庚" in {document["title"] for document in json.loads(done.stdout.decode("ascii"))["ids"]}


# --- what is asked in the wrong way --------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["forgett"], ["bench", "answrs"], ["graph", "shwo"], ["models", "pul"]])
def test_misspelt_command_gets_one_suggestion(shell: Shell, words: list[str]) -> None:
    code, _, err = shell(*words)
    assert code == 2 and " ".join(err.split()).count("Did you mean") == 1


def test_misuse_is_one_sentence_with_advice(shell: Shell, store: Path, tmp_path: Path) -> None:
    file = tmp_path / "file.txt"
    file.write_text("text")
    nowhere = tmp_path / "nowhere"
    cases: list[tuple[tuple[str | Path, ...], str]] = [
        (("ingest", tmp_path / "filee.txt", "--store", nowhere), "did you mean"),
        (("ingest", file, "--store", file), "found a file"),
        (("ask", "Who?", "--store", nowhere), "kgrag ingest"),
        (("ask", "Who?", "--store", file), "found a file"),
        (("ask", "  ", "--store", store), "Expected a question"),
        (("retrieve", "", "--store", store), "Expected a question"),
        (("retrieve", "a" * 100_000, "--store", store), "found 100,000"),
        (("ask", "a" * 100_000, "--store", store), "found 100,000"),
        (("retrieve", "Who?", "-k", "0", "--store", store), "-k 0"),
        (("ask", "Who?", "-k", "0", "--store", store), "-k 0"),
        (("ask", "Who?", "-k", "-3", "--store", store), "-k -3"),
        (
            ("ask", "Who?", "--model", "qwen2.5-coder-1.5b", "--store", store),
            "did you mean qwen2.5-coder-1.5b-instruct",
        ),
        (("ask", "Who?", "--model", "nosuch", "--store", store), "known models"),
        (("chat", "--model", "all-MiniLM-L6-v2", "--store", store), "found the embedder"),
        (("models", "pull", "qwen2.5-coder-05b-instruct"), "did you mean qwen2.5-coder-0.5b-instruct"),
        (("forget", "examples/en/ada-lovelac.md", "--store", store), "did you mean examples/en/ada-lovelace.md"),
        (("bench", "retrieval", "--questions", nowhere, "--store", store), "file of questions"),
        (("bench", "answers", "--questions", QUESTIONS, "--out", nowhere / "x", "--store", store), "--out"),
        (("bench", "ranker", "--data", nowhere), "two or more folders"),
    ]
    for arguments, part in cases:
        assert part in shell.expect_error(2, *arguments), arguments
    assert not nowhere.exists(), "a command that was misused leaves nothing behind"


def test_usage_errors_exit_with_2(shell: Shell) -> None:
    for arguments in (
        ("ask", "Who?", "--nosuch"),
        ("ask",),
        ("nosuch",),
        ("ask", "Who?", "-k", "many"),
        ("bench", "answers"),
    ):
        code, out, err = shell(*arguments)
        assert code == 2 and out == "" and "Usage: kgrag" in err


@pytest.mark.parametrize(
    "text, parts",
    [
        ("kk = 3", ["unknown key 'kk'", "known keys", "evidence_tokens"]),
        ('k = "many"', ["k = 'many'", "integer"]),
        ("k = 0", ["k = 0", "greater than or equal to 1"]),
        ("k = = 3", ["not valid TOML", "line 1"]),
    ],
)
def test_invalid_configuration_is_explained(shell: Shell, store: Path, text: str, parts: list[str]) -> None:
    (store / "kgrag.toml").write_text(text)
    line = shell.expect_error(2, "retrieve", "Who?", "--store", store)
    assert all(part in line for part in ["kgrag.toml", *parts])


def test_malformed_questions_are_named_by_line(shell: Shell, store: Path, tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    for content, part in (
        ('{"text": "Who?"}\nnot json\n', "line 2"),
        ('{"question": "Who?"}\n', "line 1"),
        ("", "no questions"),
    ):
        file.write_text(content)
        assert part in shell.expect_error(1, "bench", "retrieval", "--questions", file, "--store", store)


# --- what fails ----------------------------------------------------------------------------------------------------


def test_store_of_another_version_is_rejected(shell: Shell, store: Path) -> None:
    with sqlite3.connect(store / "graph.db") as db:
        db.execute("PRAGMA user_version = 9")
    assert "version 9" in shell.expect_error(1, "status", "--store", store)


def test_locked_store_can_be_read_not_written(shell: Shell, store: Path, small_store: Path) -> None:
    with FileLock(store / "lock"):
        line = shell.expect_error(1, "ingest", small_store.parent / "examples", "--store", store)
        assert "another process" in line
        assert "another process" in shell.expect_error(1, "forget", "examples/en/lord-byron.md", "--store", store)
        assert shell("retrieve", "Where did Lord Byron die?", "--store", store)[0] == 0


def test_unwritable_folder_is_rejected(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file.txt").write_text("text")

    def refuse(self: Path, *_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert "Permission denied" in shell.expect_error(1, "ingest", tmp_path / "file.txt", "--store", tmp_path / "store")


def test_missing_library_is_named_with_extra(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "questions.dev.jsonl").write_text("{}")
        (tmp_path / name / "corpus.jsonl.gz").write_text("")
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    line = shell.expect_error(1, "bench", "ranker", "--data", tmp_path)
    assert "lightgbm" in line and "kgrag[train]" in line

    def lacks(*_: Any, **__: Any) -> None:
        raise ModuleNotFoundError("No module named 'faiss'", name="faiss")

    assert run_command(lacks) == 1


def test_bugs_keep_their_traceback() -> None:
    def bug() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_command(bug)


def test_ctrl_c_during_question_exits_with_130(shell: Shell, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Store) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Store, "answer_pipeline", property(interrupted))
    assert shell.expect_error(130, "ask", "Who?", "--store", store) == "error: Stopped."


# --- what is printed -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("answering")
def test_ask_json_has_citations_and_paths(shell: Shell, store: Path) -> None:
    code, out, err = shell("ask", "Where did Lord Byron die?", "--store", store, "--json")
    assert code == 0 and err == ""
    answer = json.loads(out, parse_constant=pytest.fail)
    assert {
        "question",
        "text",
        "grounded",
        "abstained",
        "evidence",
        "citations",
        "paths",
        "dropped",
        "diagnostics",
        "model",
        "seconds",
    } <= set(answer)
    assert answer["text"] == "Missolonghi, k=8"
    assert answer["dropped"] == ["[2] refused"]
    assert answer["diagnostics"] == [{"code": "citation_refused", "message": "[2] refused"}]
    assert answer["evidence"][0]["score"] is None, "what is not a number is null"
    assert list(answer["citations"][0]) == ["passage_id", "start", "end", "quote", "page"]
    assert answer["paths"][0]["names"] == ["Lord Byron", "Missolonghi"]


@pytest.mark.usefixtures("answering")
def test_ask_prints_citations_and_paths(shell: Shell, store: Path) -> None:
    (store / "kgrag.toml").write_text("k = 3")
    code, out, err = shell("ask", "Where did Lord Byron die?", "--store", store)
    assert code == 0 and err == ""
    assert out.splitlines() == [
        "Missolonghi, k=3",
        "  • Lord Byron (byron.md): “Lord Byron died of a fever in Missolonghi.”",
        "  ↳ Lord Byron —place of death→ Missolonghi",
        "  ! [2] refused",
        "  fake, 0.0 s",
        "",
    ]
    assert shell("ask", "Where?", "--store", store, "-k", "5")[1].startswith("Missolonghi, k=5")
    assert shell("ask", "Where?", "--store", store, "--closed-book")[1].startswith("Greece")


def test_output_to_pipe_is_plain(shell: Shell, store: Path) -> None:
    for arguments in (
        ("status", "--documents"),
        ("retrieve", "Where did Lord Byron die?"),
        ("ingest", store.parent / "store"),
    ):
        _, out, err = shell(*arguments, "--store", store)
        assert "\x1b" not in out + err and "\r" not in out + err
        assert not any(line != line.rstrip() for line in out.splitlines())


def test_names_are_not_cut_at_80_columns(shell: Shell, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console.out, "_width", 80)
    code, out, _ = shell("models")
    assert code == 0 and "…" not in out
    for row in json.loads(shell("models", "--json")[1]):
        assert row["name"] in out
    assert all(len(line) <= 80 for line in out.splitlines())
    monkeypatch.setattr(console.out, "_width", 20)
    assert "all-MiniLM-L6-v2" in shell("status", "--store", store)[1]


def test_forget_deletes_document(shell: Shell, store: Path) -> None:
    name = next(d["id"] for d in json.loads(shell("status", "--documents", "--json", "--store", store)[1])["ids"])
    code, out, _ = shell("forget", name, "--store", store, "--json")
    assert code == 0 and json.loads(out) == {"forgotten": [name]}
    assert json.loads(shell("status", "--json", "--store", store)[1])["documents"] == 4
    shell.expect_error(2, "forget", name, "--store", store)


def test_bench_commands_report_figures(
    shell: Shell, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "questions.jsonl"
    rows = [
        {
            "_id": "1",
            "text": "Where did Lord Byron die?",
            "answers": ["Missolonghi"],
            "gold": ["examples/en/lord-byron.md"],
        },
        {"_id": "2", "text": "Who wrote it?", "answers": [], "gold": []},
    ]
    file.write_text("\n".join(map(json.dumps, rows)))
    code, out, err = shell("bench", "retrieval", "--questions", file, "--store", store, "--json")
    assert code == 0 and err == ""
    assert json.loads(out)["recall@1"] == {"value": 1.0, "low": 1.0, "high": 1.0} and json.loads(out)["unscored"] == 1
    file.write_text(json.dumps(rows[1]))
    code, out, _ = shell("bench", "retrieval", "--questions", file, "--store", store, "--json")
    assert json.loads(out, parse_constant=pytest.fail)["mrr"]["value"] is None
    assert "nan" not in shell("bench", "retrieval", "--questions", file, "--store", store)[1]

    monkeypatch.setattr(Store, "answer_pipeline", property(lambda self: CannedPipeline()))
    file.write_text("\n".join(map(json.dumps, rows)))
    kept = tmp_path / "answers.jsonl"
    code, out, _ = shell(
        "bench", "answers", "--questions", file, "--store", store, "--limit", "1", "--json", "--out", kept
    )
    assert code == 0 and json.loads(out, parse_constant=pytest.fail)["questions"] == 1
    assert json.loads(kept.read_text(), parse_constant=pytest.fail)["id"] == "1"
    code, out, _ = shell("bench", "answers", "--questions", file, "--store", store, "--arm", "closed-book")
    assert code == 0 and "f1" in out


def test_bench_ingests_corpus_first(shell: Shell, store: Path, tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text(
        '{"_id": "x", "title": "X", "text": "Xanadu is a poem by Coleridge."}\nnot json\n'
    )
    (tmp_path / "questions.jsonl").write_text('{"_id": "1", "text": "Who wrote Xanadu?", "gold": ["x"]}')
    arguments = (
        "--corpus",
        tmp_path / "corpus.jsonl",
        "--questions",
        tmp_path / "questions.jsonl",
        "--store",
        store,
        "--json",
    )
    code, out, err = shell("bench", "retrieval", *arguments)
    assert code == 0 and json.loads(out)["recall@1"]["value"] == 1.0
    assert "not read:" in err and ":2:" in err


@pytest.mark.slow
def test_language_model_answers_from_documents(small_store: Path) -> None:
    done = run_kgrag("ask", "Who built the Harvard Mark I?", "--store", small_store, "--json", "--reader", "llm")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout, parse_constant=pytest.fail)
    assert "IBM" in answer["text"] and answer["citations"]
