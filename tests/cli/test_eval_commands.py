"""`kgrag eval` over a small store, with a model of known behaviour."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from kgrag.protocols import Messages
from kgrag.store.store import Store
from tests.support.cli_shell import Shell
from tests.support.fake_llm import FakeLLM

ROWS = [
    {"_id": "1", "text": "Where did Lord Byron die?", "answers": ["Missolonghi"], "gold": ["examples/en/lord-byron.md"]},
    {"_id": "2", "text": "Who was Ada Lovelace's father?", "answers": ["Lord Byron"], "gold": ["examples/en/ada-lovelace.md"]},
    {"_id": "3", "text": "华罗庚出生于哪里？", "answers": ["金坛"], "gold": ["examples/zh/hua-luogeng.md"], "lang": "zh"},
    {"_id": "4", "text": "How much did the Harvard Mark I cost?", "answers": [], "gold": []},
]  # fmt: skip


class EvidenceLLM(FakeLLM):
    """Gives the first accepted answer in its prompt, or an abstention."""

    def _choose_answer(self, messages: Messages, schema: str | None, choices: Sequence[str]) -> str:
        prompt = messages[-1]["content"]
        answers = [answer for row in ROWS if str(row["text"]) in prompt for answer in row["answers"]]
        evidence_text = prompt.rsplit("Question", 1)[0]
        return next((a for a in answers if a in evidence_text), "I do not know.")


@pytest.fixture
def llm(monkeypatch: pytest.MonkeyPatch) -> EvidenceLLM:
    reader = EvidenceLLM()
    monkeypatch.setattr(Store, "llm", property(lambda self: reader))
    monkeypatch.setattr(
        "kgrag.factuality.experiment.runner.model_metadata",
        lambda opened, adapter="": {"name": "fake", "adapter": adapter},
    )
    return reader


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    path = tmp_path / "questions.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS), "utf-8")
    return path


EvalRunner = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(shell: Shell, small_store: Path, llm: EvidenceLLM, asked: Path, tmp_path: Path) -> EvalRunner:
    """Run `kgrag eval` over the small store, with further arguments."""

    def start(*more: object) -> tuple[int, str, str]:
        return shell("eval", asked, "--store", small_store, "--out", tmp_path / "report", *map(str, more))

    return start


def test_run_writes_report_and_records(run: EvalRunner, tmp_path: Path) -> None:
    code, out, _ = run()
    assert code == 0, out
    assert "Questions with an answer in the documents" in out and "Questions without an answer in the documents" in out
    assert "grounded gives as many wrong answers as closed-book: 0 of 3 against 0 of 3" in out
    report = json.loads((tmp_path / "report" / "report.json").read_text("utf-8"))
    rates = report["rates"]["answerable"]
    assert rates["closed-book"]["false_abstention"]["value"] == 1 and rates["grounded"]["correct"]["value"] == 1
    assert rates["gold"]["correct"]["value"] == 1 and rates["placebo"]["correct"]["value"] < 1
    assert rates["vector"]["questions"] == 2, "the embedder does not know Chinese"
    assert {"arm": "vector", "condition": "answerable", "why": "the embedder does not know the question's language", "questions": 1} in report["unasked"]  # fmt: skip
    assert report["rates"]["unanswerable"]["grounded"]["correct_abstention"]["value"] > 0
    assert {*report["abstention_detector"]} == {"en", "zh"}
    manifest = json.loads((tmp_path / "report" / "manifest.json").read_text("utf-8"))
    assert manifest["asked"] == 4 and manifest["seed"] == 0 and len(manifest["prompts_sha256"]) == 64
    assert manifest["store"]["documents"] == 5 and manifest["thresholds"]["near_f1"] == 0.75
    files = {p.name for p in (tmp_path / "report").iterdir()}
    page = (tmp_path / "report" / "report.html").read_text("utf-8")
    assert "questions wrongly; with the documents 0." in page and "华罗庚出生于哪里？" in page
    assert {
        "records.jsonl",
        "report.json",
        "report.png",
        "manifest.json",
        "answers.csv",
        "rates.csv",
        "preference.csv",
    } <= files


def test_rerun_uses_cached_answers(run: EvalRunner, llm: EvidenceLLM, tmp_path: Path) -> None:
    assert run()[0] == 0
    names = ("records.jsonl", "report.json", "manifest.json", "rates.csv", "preference.csv")
    before, times = {n: (tmp_path / "report" / n).read_bytes() for n in names}, len(llm.calls)
    code, out, _ = run("--json")
    assert code == 0 and len(llm.calls) == times
    assert {n: (tmp_path / "report" / n).read_bytes() for n in names} == before
    assert json.loads(out)["questions"] == 4


def test_arm_system_equals_ask(run: EvalRunner, tmp_path: Path) -> None:
    code, out, _ = run("--arms", "system,grounded", "--conditions", "answerable,unanswerable", "--json")
    report = json.loads(out)
    assert code == 0 and report["rates"]["answerable"]["system"]["correct"]["value"] == 1
    rows = [json.loads(line) for line in (tmp_path / "report" / "records.jsonl").read_text("utf-8").splitlines()]
    byron = next(r for r in rows if (r["id"], r["arm"], r["condition"]) == ("1", "system", "answerable"))
    assert byron["reader"] == "graph" and byron["citations"] and byron["paths"] and byron["evidence"][0]["cited"]
    hidden = next(r for r in rows if (r["id"], r["arm"], r["condition"]) == ("1", "system", "unanswerable"))
    assert hidden["outcome"] == "abstained" and not any(e["gold"] for e in hidden["evidence"])


def test_failing_model_is_one_sentence_and_rerun_continues(run: EvalRunner, llm: EvidenceLLM) -> None:
    llm.fails_after = 5
    code, _, err = run()
    assert code == 1 and "The model failed at question" in err and "run the same command again to continue" in err
    llm.fails_after, before = 10**9, len(llm.calls)
    code, _, _ = run()
    assert code == 0 and len(llm.calls) > before


def test_gate_sets_exit_code(run: EvalRunner) -> None:
    assert run("--fail-if", "hallucination.grounded > 0.2")[0] == 0
    code, out, err = run("--fail-if", "correct.grounded > 0.2", "--fail-if", "hallucination.grounded > 0.2")
    assert code == 1 and "Questions with an answer" in out, "the report is there all the same"
    assert (
        "error: --fail-if correct.grounded.answerable > 0.2: the value is 1.000" in err and "hallucination" not in err
    )


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--arms", "oracle"], "Expected --arms to name some of closed-book"),
        (["--arms", "gold,gold"], "each arm once"),
        (["--conditions", "hard"], "Expected --conditions from answerable"),
        (["--fail-if", "grounded is bad"], 'Expected --fail-if "MEASURE.ARM > NUMBER"'),
        (["--fail-if", "correct.system < 1"], "system is not part of this run"),
    ],
)
def test_invalid_options_are_one_sentence(run: EvalRunner, more: Sequence[str], message: str) -> None:
    code, _, err = run(*more)
    assert code == 2 and message in err and "Traceback" not in err


def test_unknown_judge_is_rejected_before_any_answer(run: EvalRunner) -> None:
    code, _, err = run("--judge", "me")
    assert code == 1 and "Expected a judge (auto, overlap" in err and "found 'me'" in err


def test_invalid_questions_are_rejected(shell: Shell, small_store: Path, llm: EvidenceLLM, tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"

    def fails(code: int, *more: str) -> str:
        return shell.expect_error(code, "eval", path, "--store", small_store, "--out", tmp_path / "r", *more)

    assert "found none" in fails(2)
    path.write_text("")
    assert "holds no questions" in fails(1)
    path.write_text('{"_id": "1", "text": "Who?", "answers": "Ada"}\n')
    assert "line 1" in fails(1) and "answers and gold are lists" in fails(1)
    path.write_text('{"_id": "1", "text": "Who?"}\n{"_id": "1", "text": "Where?"}\n')
    assert "'1' twice" in fails(2)
    path.write_text('{"_id": "1", "text": "Who?"}\n')
    assert "Expected questions for --conditions" in fails(2, "--conditions", "answerable")
    assert not (tmp_path / "r").exists()


def test_questions_without_answers_or_gold_are_used_partly(shell: Shell, small_store: Path, llm: EvidenceLLM, tmp_path: Path) -> None:  # fmt: skip
    path = tmp_path / "q.jsonl"
    path.write_text(
        '{"_id": "1", "text": "Where did Lord Byron die?", "answers": ["Missolonghi"]}\n{"_id": "2", "text": "Who?"}\n'
    )
    code, out, err = shell("eval", path, "--store", small_store, "--out", tmp_path / "r", "--json")
    report = json.loads(out)
    assert (
        code == 0
        and "1 of 2 questions have no accepted answer" in err
        and "1 of 2 questions have no gold document" in err
    )
    assert "gold" not in report["rates"]["answerable"] and report["rates"]["answerable"]["grounded"]["questions"] == 1
    assert "counterfactual" not in report["rates"]


def test_missing_gold_documents_are_reported(shell: Shell, small_store: Path, llm: EvidenceLLM, tmp_path: Path) -> None:
    path, out = tmp_path / "q.jsonl", tmp_path / "r"
    rows = [{**row, "gold": [f"elsewhere/{name}" for name in row["gold"]]} for row in ROWS]  # type: ignore[attr-defined]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = shell.expect_error(2, "eval", path, "--store", small_store, "--out", out)
    assert "has none of the gold documents" in said and "elsewhere/examples/en/ada-lovelace.md" in said
    assert "ids look like 'examples/en/ada-lovelace.md'" in said
    path.write_text("".join(json.dumps(row) + "\n" for row in [ROWS[0], rows[1]]))
    code, json_, err = shell("eval", path, "--store", small_store, "--out", out, "--arms", "gold,grounded", "--json")
    assert code == 0 and "1 of 2 questions have gold documents that the store lacks" in err
    assert json.loads(json_)["rates"]["answerable"]["gold"]["questions"] == 1


def test_report_folder_is_locked(run: EvalRunner, tmp_path: Path) -> None:
    from filelock import FileLock

    (tmp_path / "report").mkdir()
    with FileLock(tmp_path / "report" / ".lock"):
        code, _, err = run()
    assert code == 1 and "Another run writes to" in err
    (tmp_path / "file").write_text("")
    code, _, err = run("--out", tmp_path / "file")
    assert code == 2 and "found a file" in err


def test_compare_reports_differences(
    run: EvalRunner, shell: Shell, llm: EvidenceLLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    few = ("--arms", "closed-book,grounded", "--conditions", "answerable")
    assert run(*few, "--out", a)[0] == 0
    monkeypatch.setattr(EvidenceLLM, "_choose_answer", lambda *_: "Atlantis")
    assert run(*few, "--out", b)[0] == 0
    code, out, _ = shell("eval", "compare", a, b, "--json")
    found: dict[str, Any] = json.loads(out)
    row = next(d for d in found["differences"] if (d["arm"], d["measure"]) == ("grounded", "hallucination"))
    assert (
        code == 0 and row["value"] == 1 and (row["only_ours"], row["only_theirs"]) == (3, 0) and found["settings"] == {}
    )
    code, out, _ = shell("eval", "compare", a, b)
    assert code == 0 and "B − A" in out and "+100.0" in out
    assert "found none" in shell.expect_error(2, "eval", "compare", a, tmp_path / "none")


def test_label_adds_agreement_to_report(run: EvalRunner, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    assert run("--arms", "grounded,gold", "--conditions", "answerable")[0] == 0
    said = iter(["what?", "s", "p", "q"])
    monkeypatch.setattr("builtins.input", lambda _: next(said))
    code, out, _ = shell("eval", "label", tmp_path / "report", "-n", "3")
    assert code == 0 and "1 labels: agreement with the judge" in out and "grounded" not in out
    report = json.loads((tmp_path / "report" / "report.json").read_text("utf-8"))
    assert report["people"]["claims"]["labels"] == 1
    monkeypatch.setattr("builtins.input", lambda _: "c")
    code, out, _ = shell("eval", "label", tmp_path / "report", "-n", "3")
    assert code == 0 and "3 labels" in out, "what was labelled is not asked again, what was passed over is"
    page = tmp_path / "report" / "report.html"
    assert "Judge and human labels" in page.read_text("utf-8")
    before = page.read_bytes()
    page.unlink()
    assert shell("eval", "page", tmp_path / "report")[0] == 0 and page.read_bytes() == before
    assert "found none" in shell.expect_error(2, "eval", "page", tmp_path / "none")
    assert "found none" in shell.expect_error(2, "eval", "label", tmp_path / "none")


def test_help_lists_commands(shell: Shell) -> None:
    code, out, _ = shell("eval", "--help")
    assert code == 0 and all(name in out for name in ("run", "compare", "label", "page"))


def test_misspelt_command_is_not_taken_as_file(shell: Shell, tmp_path: Path) -> None:
    code, _, err = shell("eval", "comprae", "a", "b")
    assert code == 2 and "compare" in err
    code, _, err = shell("eval", str(tmp_path / "none.jsonl"))
    assert code == 2 and "file of questions" in err
