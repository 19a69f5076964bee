"""Chat: follow-ups become standalone, commands work, Ctrl-C stops an answer but not the program."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from graphs.gazetteer import Gazetteer
from kgrag.chat.coreference import Turn
from kgrag.chat.repl import Chat
from kgrag.chat.sessions import LAST_SESSION, load_session
from kgrag.errors import ModelError, UsageError
from kgrag.store.store import Store
from kgrag.text import normalize_name
from kgrag.types import Answer, Citation, Diagnostic, DiagnosticCode, Entity, Hit, Passage, Triple
from kgrag.types import Path as GraphPath
from tests.support.fake_llm import FakeLLM
from tests.support.fake_openai_server import serve_fake_openai
from tests.support.paths import ROOT

NAMES_BY_TYPE = {
    "PERSON": (
        "Ada Lovelace",
        "Alan Turing",
        "Charles Babbage",
        "Howard Aiken",
        "华罗庚",
        "陈景润",
        "熊庆来",
        "陈省身",
        "丘成桐",
    ),
    "PLACE": ("London", "Missolonghi", "江苏", "金坛", "浙江", "嘉兴"),
    "ORGANISATION": ("Princeton University", "厦门大学", "IBM"),
    "MISC": ("Lord Byron", "Harvard Mark I", "Z3", "Unix", "TeX"),
}


class FakePipeline:
    """Answers from a table, else repeats the question; closed-book answers are "memory"."""

    def __init__(self, answers_by_question: Mapping[str, Answer]) -> None:
        self.answers_by_question = answers_by_question

    def answer(
        self, question: str, k: int, *, on_text: Any = None, on_progress: Any = None, on_statement: Any = None
    ) -> Answer:
        return self.answers_by_question.get(question) or Answer(question, f"heard: {question}", model="fake")

    def answer_closed_book(self, question: str, on_text: Callable[[str], bool | None] | None = None) -> Answer:
        return Answer(question, "memory", grounded=False, model="fake")


class FakeStore:
    """A store of names without documents."""

    def __init__(self, llm: FakeLLM | None = None, answers: Sequence[Answer] = ()) -> None:
        names = [normalize_name(name) for group in NAMES_BY_TYPE.values() for name in group]
        counts = {"documents": 2, "passages": 3, "entities": 1, "typed triples": 0}
        entities = [Entity(normalize_name(name), name, kind) for kind, group in NAMES_BY_TYPE.items() for name in group]
        self.location = self.folder = Path(tempfile.mkdtemp()) / "somewhere"
        self.model = "auto"
        self.notice = self.progress = lambda *_: None
        self.config = SimpleNamespace(k=8, adapter="", style="auto")
        self.llm = self.loaded_llm = llm or FakeLLM(default_answer="")
        self.graph_store = SimpleNamespace(counts=lambda: counts, entities=lambda: entities)
        adjacency = SimpleNamespace(gazetteer=Gazetteer(names), idf=[1.0] * len(names))
        self.retriever = SimpleNamespace(indices=SimpleNamespace(graph=adjacency))
        self.answer_pipeline = FakePipeline({answer.question: answer for answer in answers})
        self.styles: list[str | None] = []

    def pipeline_for(self, where: str | None = None, style: str | None = None) -> FakePipeline:
        if style == "nonsense":
            raise UsageError("Expected a style.")
        self.styles.append(style)
        return self.answer_pipeline


def make_chat(*history: Turn, llm: FakeLLM | None = None, answers: Sequence[Answer] = ()) -> Chat:
    session = Chat(FakeStore(llm, answers))  # type: ignore[arg-type]
    session.history = list(history)
    return session


BORN = Turn("Where was Ada Lovelace born?", "London")
FATHER_DIED = Turn("Where did Ada Lovelace's father die?", "Missolonghi", "Lord Byron")
FATHER = Turn("Who is Ada Lovelace's father?", "Lord Byron")
DESIGNED = Turn("Who designed the Harvard Mark I?", "Howard Aiken")
STUDIED = Turn("Where did Alan Turing study?", "Princeton University")
SILENT = Turn("Who paid for the Harvard Mark I?", "")
HUA = Turn("华罗庚出生于哪里？", "江苏金坛")
TEACHER = Turn("华罗庚的老师是谁？", "熊庆来")
ADVISOR_BORN = Turn("丘成桐的博士导师出生于哪里？", "浙江嘉兴", "陈省身")
CHEN = Turn("陈景润毕业于哪所大学？", "厦门大学")


@pytest.mark.parametrize(
    "before, line, full",
    [
        # pronouns stand for the name that was asked about
        (BORN, "Where did she die?", "Where did Ada Lovelace die?"),
        (BORN, "And when did she die?", "When did Ada Lovelace die?"),
        (BORN, "Who was her mother?", "Who was Ada Lovelace's mother?"),
        (BORN, "Did she know Charles Babbage?", "Did Ada Lovelace know Charles Babbage?"),
        (BORN, "Did Charles Babbage know her?", "Did Charles Babbage know Ada Lovelace?"),
        (HUA, "他的老师是谁？", "华罗庚的老师是谁？"),
        (HUA, "他父亲是谁？", "华罗庚的父亲是谁？"),
        (HUA, "其父亲是谁？", "华罗庚的父亲是谁？"),
        (HUA, "这位数学家在哪里去世？", "华罗庚在哪里去世？"),
        (HUA, "那么他在哪所大学工作过？", "华罗庚在哪所大学工作过？"),
        (HUA, "When did he die?", "When did 华罗庚 die?"),
        # or for the person on the way, if that is whom the pronoun fits
        (FATHER_DIED, "Where was he born?", "Where was Lord Byron born?"),
        (FATHER_DIED, "Where was she born?", "Where was Ada Lovelace born?"),
        (FATHER_DIED._replace(bridge_entity=""), "Where was he born?", "Where was Ada Lovelace's father born?"),
        (ADVISOR_BORN, "他在哪里去世？", "陈省身在哪里去世？"),
        # or for the person that was the answer
        (DESIGNED, "Where was he born?", "Where was Howard Aiken born?"),
        (DESIGNED, "Where did that man study?", "Where did Howard Aiken study?"),
        (FATHER, "Where did he die?", "Where did Lord Byron die?"),
        (TEACHER, "他出生于哪里？", "熊庆来出生于哪里？"),
        # things and places
        (DESIGNED, "Where was it built?", "Where was the Harvard Mark I built?"),
        (DESIGNED, "Who paid for that machine?", "Who paid for the Harvard Mark I?"),
        (SILENT, "How fast was it?", "How fast was the Harvard Mark I?"),
        (BORN, "What is it known for?", "What is London known for?"),
        (BORN, "Who else was born there?", "Who else was born in London?"),
        (STUDIED, "Who else studied there?", "Who else studied at Princeton University?"),
        (STUDIED, "Where is that university?", "Where is Princeton University?"),
        (STUDIED, "Who was his advisor?", "Who was Alan Turing's advisor?"),
        (CHEN, "该校在哪里？", "厦门大学在哪里？"),
        (CHEN, "他在哪里去世？", "陈景润在哪里去世？"),
        (HUA, "那里有什么名人？", "江苏金坛有什么名人？"),
        # the same question about somebody else
        (BORN, "and Alan Turing?", "Where was Alan Turing born?"),
        (BORN, "What about Isaac Newton?", "Where was Isaac Newton born?"),
        (BORN, "and her father?", "Where was Ada Lovelace's father born?"),
        (FATHER_DIED, "and Alan Turing?", "Where did Alan Turing's father die?"),
        (FATHER_DIED, "and her mother?", "Where did Ada Lovelace's mother die?"),
        (FATHER, "and her mother?", "Who is Ada Lovelace's mother?"),
        (FATHER, "and his mother?", "Who is Lord Byron's mother?"),
        (DESIGNED, "and the Z3?", "Who designed the Z3?"),
        (DESIGNED, "and his mother?", "Who is Howard Aiken's mother?"),
        (HUA, "那陈景润呢？", "陈景润出生于哪里？"),
        (HUA, "牛顿呢？", "牛顿出生于哪里？"),
        (HUA, "那他的老师呢？", "华罗庚的老师出生于哪里？"),
        (TEACHER, "那陈景润呢？", "陈景润的老师是谁？"),
        # the same question with another word
        (BORN, "When?", "When was Ada Lovelace born?"),
        (BORN, "And when?", "When was Ada Lovelace born?"),
        (HUA, "那什么时候呢？", "华罗庚出生于什么时候？"),
        # what stands alone stays
        (BORN, "Who designed the Z3?", "Who designed the Z3?"),
        (BORN, "Did Charles Babbage publish his plans?", "Did Charles Babbage publish his plans?"),
        (BORN, "Is it true that Unix was written in C?", "Is it true that Unix was written in C?"),
        (BORN, "How much did it cost to build the Z3?", "How much did it cost to build the Z3?"),
        (HUA, "陈景润和他的老师是怎么认识的？", "陈景润和他的老师是怎么认识的？"),
        (HUA, "厦门大学在哪里？", "厦门大学在哪里？"),
    ],
)  # fmt: skip
def test_follow_up_is_rewritten_as_standalone(before: Turn, line: str, full: str) -> None:
    llm = FakeLLM(default_answer="nonsense")
    assert make_chat(before, llm=llm).standalone_question(line) == full
    assert not llm.calls, "no rule needs the language model"


def test_pronoun_refers_to_nearest_fitting_turn() -> None:
    assert make_chat(DESIGNED, BORN).standalone_question("Who was her father?") == "Who was Ada Lovelace's father?"
    assert make_chat(TEACHER, SILENT).standalone_question("Where was he born?") == "Where was 熊庆来 born?"
    assert (
        make_chat(DESIGNED, Turn("When was that?", "")).standalone_question("Where was it built?")
        == "Where was the Harvard Mark I built?"
    )


def test_first_question_is_never_rewritten() -> None:
    llm = FakeLLM(default_answer="nonsense")
    assert make_chat(llm=llm).standalone_question("And where did he die?") == "And where did he die?" and not llm.calls


@pytest.mark.parametrize(
    "says, line, full",
    [
        ("Which capital is near Ada Lovelace?", "and the capital?", "Which capital is near Ada Lovelace?"),
        (
            "Where was Ada Lovelace born?",
            "and the capital?",
            "and the capital (Ada Lovelace)?",
        ),  # says the old one again
        ("Is Napoleon the capital?", "and the capital?", "and the capital (Ada Lovelace)?"),  # brings a name of its own
        ("", "and the capital?", "and the capital (Ada Lovelace)?"),
    ],
)
def test_model_rewrite_is_checked_against_known_words(says: str, line: str, full: str) -> None:
    llm = FakeLLM(default_answer=says)
    assert make_chat(BORN, llm=llm).standalone_question(line) == full and len(llm.calls) == 1


def piped(monkeypatch: pytest.MonkeyPatch, *said: str) -> None:
    lines: Iterator[str] = iter([f"{line}\n" for line in said])
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: False, readline=lambda: next(lines, "")))


def answered() -> Answer:
    passage = Passage("Lord Byron#0001", "Lord Byron", "Lord Byron died in Missolonghi.", 0, 31)
    step = Triple("lord byron", "place_of_death", "missolonghi", passage.id, 0, 31, 0.9)
    path = GraphPath(("lord byron", "missolonghi"), ("Lord Byron", "Missolonghi"), (step,))
    hit = Hit(passage, "Lord Byron", "byron.md", 0.9, 1)
    cut = Diagnostic(DiagnosticCode.EVIDENCE_OMITTED, "cut")
    return Answer("Where did Lord Byron die?", "Missolonghi", (hit,), (), (path,), model="fake", diagnostics=(cut,))


def test_chat_reads_lines_from_pipe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    piped(monkeypatch, "/sources", "Where did Lord Byron die?", "", "and Alan Turing?", "/quit", "never asked")
    made = make_chat(answers=[answered()])
    made.run()
    out, err = capsys.readouterr()
    assert "2 documents, 3 passages, 1 entity, 0 typed triples" in out
    assert "Missolonghi" in out and "heard: Where did Alan Turing die?" in out and "never" not in out
    assert "found none: ask a question first" in err and "→ Where did Alan Turing die?" in err
    assert "\x1b" not in out + err
    assert [turn.answer for turn in made.history] == ["Missolonghi", "heard: Where did Alan Turing die?"]


def test_commands_print_their_results(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    made = make_chat(answers=[answered()])
    made.handle_line("Where did Lord Byron die?")
    capsys.readouterr()
    made.handle_line("/sources")
    out, err = capsys.readouterr()
    assert "1. Lord Byron" in out and "byron.md" in out and "cut" in err
    made.handle_line("/path")
    assert capsys.readouterr().out == "↳ Lord Byron —place of death→ Missolonghi\n\n"
    made.handle_line("/closed-book")
    made.handle_line("Where did he die?")
    assert "memory" in capsys.readouterr().out and made.last_answer is not None and not made.last_answer.grounded
    made.handle_line("/sources")
    assert "no sources" in capsys.readouterr().out
    made.handle_line("/closed-book")
    made.handle_line("/store")
    assert "somewhere" in capsys.readouterr().out
    made.handle_line("/help")
    out = capsys.readouterr().out
    assert all(name in out for name in [*made._commands, "/quit"])
    with pytest.raises(UsageError, match="found /nosuch"):
        made.handle_line("/nosuch")
    before = made.app
    with pytest.raises(UsageError, match="Expected a store"):
        made.handle_line(f"/store {tmp_path / 'none'}")
    assert made.app is before and made.history, "a store that cannot be opened changes nothing"


def test_error_does_not_end_chat(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    piped(monkeypatch, "fail", "go on")
    made = make_chat()
    ask = made.app.answer_pipeline.answer

    def failing(question: str, k: int, **options: Any) -> Answer:
        if question == "fail":
            raise UsageError("Expected something else.")
        return ask(question, k, **options)

    monkeypatch.setattr(made.app.answer_pipeline, "answer", failing)
    made.run()
    out, err = capsys.readouterr()
    assert "error: Expected something else." in err and "heard: go on" in out


def test_session_is_saved_and_resumed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_chat(answers=[answered()])
    with pytest.raises(UsageError, match="found none: ask a question first"):
        made.handle_line("/rewrite")
    made.handle_line("Where did Lord Byron die?")
    made.handle_line("and Alan Turing?")
    store = made.app.folder
    again = load_session(store, LAST_SESSION)
    assert again.turns == made.session.turns == load_session(store, made.session.name).turns
    piped(monkeypatch, "/rewrite", "/rewrite Where was he born?", "When did he die?", "/quit")
    other = Chat(FakeStore(), again)  # type: ignore[arg-type]
    capsys.readouterr()
    other.run()
    out, err = capsys.readouterr()
    assert f"{made.session.name}: 2 questions, the last: Where did Alan Turing die?" in out
    assert "Where did Alan Turing die?\n" in out and "Where was Alan Turing born?\n" in out
    assert "→ When did Alan Turing die?" in err, "a follow-up refers back to what was said before"
    assert [turn.asked for turn in load_session(store, LAST_SESSION).turns][-1] == "When did he die?"
    with pytest.raises(UsageError, match=f"no 'nonesuch': choose one such as {made.session.name}"):
        load_session(store, "nonesuch")
    made.session.file.write_text('{"turns": [{"x": 1}]}')
    with pytest.raises(UsageError, match="is not a conversation"):
        load_session(store, LAST_SESSION)
    with pytest.raises(UsageError, match="none is saved yet"):
        load_session(store.parent, LAST_SESSION)


def test_unwritable_session_prints_one_notice(capsys: pytest.CaptureFixture[str]) -> None:
    made = make_chat()
    made.app.folder.parent.joinpath("somewhere").write_text("a file, no folder")
    made.handle_line("first question")
    made.handle_line("second question")
    out, err = capsys.readouterr()
    assert "heard: second question" in out and err.count("cannot be saved") == 1


def test_export_writes_markdown_with_citations(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cited = replace(answered(), citations=(Citation("Lord Byron#0001", 0, 31, "Lord Byron died in *Missolonghi*."),))
    made = make_chat(answers=[cited])
    with pytest.raises(UsageError, match="Expected a conversation to export"):
        made.handle_line("/export")
    made.handle_line("Where did Lord Byron die?")
    made.handle_line("and Alan Turing?")
    made.handle_line("/export talk.md")
    text = (tmp_path / "talk.md").read_text()
    assert "**Where did Lord Byron die?**\n\nMissolonghi[^1] — *fake, 0.0 s*" in text
    assert "(asked as: and Alan Turing?)" in text
    assert "[^1]: Lord Byron (byron.md): “Lord Byron died in \\*Missolonghi\\*.”" in text
    made.handle_line("/export")
    assert (tmp_path / f"{made.session.name}.md").read_text() == text
    with pytest.raises(UsageError, match="cannot be written"):
        made.handle_line("/export /proc/none/talk.md")
    assert "Wrote 2 questions" in capsys.readouterr().out


def test_model_and_adapter_can_be_switched(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[tuple[str, str]] = []

    def load(name: str, progress: object, config: Any) -> FakeLLM:
        if name == "broken":
            raise ModelError("There is no model or folder named 'broken'.")
        loaded.append((name, Path(config.adapter).name))
        llm = FakeLLM(default_answer="London")
        llm.name = name  # type: ignore[misc]
        return llm

    monkeypatch.setattr("kgrag.llm.loader.load_llm", load)
    (store / "mine").mkdir()
    (store / "mine" / "adapter_config.json").write_text("{}")
    made = Chat(Store(store))
    made.handle_line("/model one")
    made.handle_line("/adapter")
    assert "on" not in re.findall(r"(?m)^on ", capsys.readouterr().out)
    made.handle_line("/adapter mine")
    assert loaded == [("one", ""), ("one", "mine")]
    made.handle_line("/adapter")
    out = capsys.readouterr().out
    assert f"one + mine · {store}" in out and re.search(r"(?m)^on\s+mine", out), "which there are, and which is on"
    assert {"/adapter mine", "/adapter none", "/quit"} <= set(made.completions())
    with pytest.raises(
        ModelError, match=r"No adapter or folder is named 'mien'; known adapters: mine.*; did you mean mine"
    ):
        made.handle_line("/adapter mien")
    with pytest.raises(ModelError, match="'broken'"):
        made.handle_line("/model broken")
    assert made.app.model == made.app.llm.name == "one" and made.app.config.adapter == "mine", (
        "a failure changes nothing"
    )
    shutil.copytree(store, tmp_path / "other")
    made.handle_line(f"/store {tmp_path / 'other'}")
    assert Path(made.app.config.adapter) == store / "mine" and len(loaded) == 2, "the model is the same, as it is"
    made.handle_line("/adapter none")
    made.handle_line("/model two")
    assert loaded[2:] == [("one", ""), ("two", "")]
    made.handle_line("/closed-book")
    made.handle_line("Where was Ada Lovelace born?")
    made.handle_line("/status")
    out = capsys.readouterr().out
    assert re.search(r"two · .* · first word \d+\.\d s · [\d,]+ tokens/s", out)


def test_failing_server_keeps_conversation(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve_fake_openai(FakeLLM(default_answer="London")) as server:
        (store / "kgrag.toml").write_text(f'model = "{server.url}#fake"\n[server]\ntimeout = 0.4\ntries = 2\n')
        server.response_delay = 1.0
        made = Chat(Store(store))
        piped(monkeypatch, "/closed-book", "one?", "two?", "three?", "four?", "five?", "six?")
        server.faults.extend(["", "429", "429", "500", "500", "nonsense", "slow", "slow"])
        made.run()
    out, err = capsys.readouterr()
    assert out.count("London") == 2 and err.count("error: ") == 4 and "Traceback" not in err
    assert [turn.question for turn in made.history] == ["one?", "six?"]
    for said in ("429", "500", "other than a JSON object", "did not answer within 0.4 s"):
        assert said in err
    assert len(load_session(store, LAST_SESSION).turns) == 2


# --- a real terminal -----------------------------------------------------------------------------------------------

SLOW_CHAT_SCRIPT = """
import sys, time
sys.path[:0] = [{root!r}]
from kgrag.types import Answer
from tests.chat import test_chat_repl

class Slow(test_chat_repl.FakePipeline):
    def answer(self, question, k, *, on_text=None, on_progress=None, on_statement=None):
        for number in range(200 if "slow" in question else 3):
            on_text(f"word{{number}} ")
            time.sleep(0.05)
        return Answer(question, f"checked: {{question}}", model="fake")

made = test_chat_repl.make_chat()
made.app.folder = test_chat_repl.Path({store!r})
made.app.answer_pipeline = Slow({{}})
made.run()
print("left")
"""


class Terminal:
    """A program in a pseudo-terminal."""

    def __init__(self, script: str) -> None:
        self.output, self._read = "", 0
        self.pid, self._file = pty.fork()
        if not self.pid:
            os.environ.update(TERM="xterm", COLUMNS="80", LINES="24", PROMPT_TOOLKIT_NO_CPR="1")
            os.execv(sys.executable, [sys.executable, "-c", script])

    def read_until(self, text: str, seconds: float = 60) -> str:
        """Return the output since the last call, up to the next ``text``, without control sequences."""
        end = time.monotonic() + seconds
        while True:
            shown = re.sub(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|[()][0-9A-B]|[=>])", "", self.output)[self._read :]
            if text in shown:
                length = shown.index(text) + len(text)
                self._read += length
                return shown[:length]
            assert time.monotonic() < end, f"waited for {text!r}, saw {shown[-2000:]!r}"
            if select.select([self._file], [], [], 0.1)[0]:
                try:
                    self.output += os.read(self._file, 65536).decode("utf-8", "replace")
                except OSError as error:
                    raise AssertionError(f"the program ended before {text!r}: {shown[-2000:]!r}") from error

    def send_text(self, text: str) -> None:
        os.write(self._file, text.encode())

    def wait_for_exit(self) -> int:
        _, status = os.waitpid(self.pid, 0)
        os.close(self._file)
        return os.waitstatus_to_exitcode(status)


@pytest.mark.skipif(sys.platform == "win32", reason="no terminals to make")
def test_chat_on_terminal_stops_answer_on_ctrl_c(tmp_path: Path) -> None:
    terminal = Terminal(SLOW_CHAT_SCRIPT.format(root=str(ROOT), store=str(tmp_path)))
    assert "2 documents" in terminal.read_until("?")
    terminal.send_text("quick question\r")
    assert "word0" in terminal.read_until("checked: quick question"), (
        "the draft streams, and the checked answer replaces it"
    )
    terminal.read_until("?")
    terminal.send_text("slow question\r")
    terminal.read_until("word3")
    terminal.send_text("\x03")
    assert "checked" not in terminal.read_until("(stopped)")
    terminal.read_until("?")
    terminal.send_text("quick again\r")
    terminal.read_until("checked: quick again")
    terminal.read_until("?")
    terminal.send_text("half a line\x03")  # Ctrl-C while typing drops the line
    terminal.read_until("?")
    terminal.send_text("\x1b[A\r")  # the last question, from the history
    terminal.read_until("checked: quick again")
    terminal.read_until("?")
    terminal.send_text("\x04")
    terminal.read_until("left")
    assert terminal.wait_for_exit() == 0
    assert "+slow question" in (tmp_path / "chat_history").read_text()


@pytest.mark.slow
def test_program_chats_through_pipe(small_store: Path) -> None:
    said = "Where was Ada Lovelace born?\nand her father?\nWhere did he die?\n/path\n/closed-book\nWho was he?\n/quit\n"
    command = [sys.executable, "-m", "kgrag", "chat", "--store", str(small_store)]
    done = subprocess.run(command, input=said, capture_output=True, text=True, cwd=ROOT, timeout=200)
    assert done.returncode == 0 and "Traceback" not in done.stderr
    assert "→ Where was Ada Lovelace's father born?" in done.stderr and "→ Where did Lord Byron die?" in done.stderr
    assert "Missolonghi" in done.stdout and "↳" in done.stdout
