"""User questions in both formats, with and without gold, and errors for unusable files."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kgrag import prompts
from kgrag.answering.reasoning_steps import parse_steps
from kgrag.errors import ReadError, UsageError
from kgrag.graphqa.traversal import GraphAnswer
from kgrag.question_sets import load_questions
from kgrag.text.abstention import is_abstention
from kgrag.tune.data import user_questions
from kgrag.tune.data.build import MIN_EXAMPLES, build_examples, summarize_examples
from kgrag.tune.data.example import Example
from kgrag.tune.data.question_corpus import write_corpus
from kgrag.tune.data.synthetic_questions import UNANSWERABLE, USER_PROVIDED
from kgrag.tune.data.user_examples import UserExampleBuilder
from kgrag.tune.data.user_questions import UserQuestion
from kgrag.types import Hit, Question
from tests.support.film_world import DIRECTORS, FILMS, FilmWorld, film_world


def count(text: str) -> int:
    return len(text) // 4 + 1


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilmWorld]:
    with film_world(tmp_path_factory.mktemp("given")) as films:
        yield films


def make_rows(number: int = 60) -> list[dict[str, Any]]:
    """Make questions with passages of their own; two of each three share their passages."""
    rows = []
    for n in range(number):
        town = n - n % 3 + (n % 3 == 2)  # 0, 0, 1 of each three
        passages = [{"title": f"Town {m}", "text": f"Town {m} has {m + 1000} inhabitants. The mayor of Town {m} is Ann M{m}x.", "gold": m == town} for m in (town, town + 100, town + 200)]  # fmt: skip
        text = f"How many inhabitants has Town {town}?" if n % 3 != 1 else f"Who is the mayor of Town {town}?"
        answers = [str(town + 1000)] if n % 3 != 1 else [f"Ann M{town}x"]
        rows.append({"_id": f"q{n}", "text": text, "answers": answers, "passages": passages})
    return rows


def save_jsonl(rows: list[Any], path: Path) -> Path:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, "utf-8")
    return path


def test_build_examples_from_file_needs_no_store(tmp_path: Path) -> None:
    for name in ("q.jsonl", "q.jsonl.gz"):
        written = build_examples(None, save_jsonl(make_rows(), tmp_path / name), number=100, seed=0, count=count)
        assert len(written.examples) == 60 and {e.kind for e in written.examples} == {USER_PROVIDED, UNANSWERABLE}
        assert 0 < sum(e.held for e in written.examples) < 20
    by_id = {row["_id"]: row for row in make_rows()}
    for example in written.examples:
        prompt = example.messages[-1]["content"]
        assert prompt.endswith(by_id[example.id]["text"])
        if example.kind == USER_PROVIDED:
            assert example.answer.startswith(f"{by_id[example.id]['answers'][0]} [")
        else:
            assert example.answer in (prompts.ABSTENTION_TEXT["en"], prompts.DONT_KNOW["en"])
            assert by_id[example.id]["answers"][0] not in prompt


def test_build_examples_shares_evidence_in_groups(tmp_path: Path) -> None:
    written = build_examples(None, save_jsonl(make_rows(), tmp_path / "q.jsonl"), number=100, seed=0, count=count)
    evidence = {e.id: e.messages[-1]["content"].rsplit("\n", 1)[0] for e in written.examples if e.kind == USER_PROVIDED}
    pairs = [(f"q{n}", f"q{n + 1}") for n in range(0, 60, 3)]
    both = [pair for pair in pairs if evidence.keys() >= {*pair}]
    assert both and all(evidence[first] == evidence[second] for first, second in both)


def test_build_examples_sides_share_no_gold(tmp_path: Path) -> None:
    written = build_examples(None, save_jsonl(make_rows(), tmp_path / "q.jsonl"), number=100, seed=0, count=count)
    towns = {side: {int(e.messages[-1]["content"].rsplit("Town ", 1)[1].strip("?")) for e in written.examples if e.held is side} for side in (False, True)}  # fmt: skip
    assert towns[True] and not towns[True] & towns[False]


def test_build_examples_counts_incomplete_rows(tmp_path: Path) -> None:
    rows = make_rows()
    for row in rows[:7]:
        row["answers"] = []
    written = build_examples(None, save_jsonl(rows, tmp_path / "q.jsonl"), number=100, seed=0, count=count)
    assert len(written.examples) == 53 and "7 left out: a question without an answer." in summarize_examples(written)
    rows[9]["text"] = "  "
    written = build_examples(None, save_jsonl(rows, tmp_path / "q.jsonl"), number=100, seed=0, count=count)
    assert len(written.examples) == 52 and "1 left out: an answer without a question." in summarize_examples(written)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: row.update(answers=[]), "None of the 60 questions"),
        (lambda row: row.pop("passages"), "have no passages"),
    ],
)
def test_build_examples_unusable_file_raises(tmp_path: Path, change: Any, message: str) -> None:
    rows = make_rows()
    for row in rows:
        change(row)
    with pytest.raises(UsageError, match=message):
        build_examples(None, save_jsonl(rows, tmp_path / "q.jsonl"), number=100, seed=0, count=count)


def test_build_examples_too_few_questions_raises(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=rf"Expected {MIN_EXAMPLES} examples or more.*has 6 questions.*gave 6"):
        build_examples(None, save_jsonl(make_rows(6), tmp_path / "q.jsonl"), number=100, seed=0, count=count)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2"),
        ('{"text": "x?", "answers": ["y"], "passages": [{"title": "t"}]}', "line 2"),
        ('{"answers": ["y"], "passages": []}', "line 2"),
        ("[]", "line 2"),
    ],
)
def test_build_examples_malformed_line_raises_with_number(tmp_path: Path, line: str, message: str) -> None:
    path = save_jsonl(make_rows(1), tmp_path / "q.jsonl")
    path.write_text(path.read_text("utf-8") + line + "\n", "utf-8")
    with pytest.raises(ReadError, match=message):
        build_examples(None, path, number=100, seed=0, count=count)


def test_build_examples_missing_file_and_store_raise(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="none: check the path"):
        build_examples(None, tmp_path / "none.jsonl", number=10, seed=0, count=count)
    with pytest.raises(UsageError, match="found neither"):
        build_examples(None, None, number=10, seed=0, count=count)


def questions_of_store(world: FilmWorld, questions: list[Question], path: Path) -> list[UserQuestion]:
    hits = world.all_hits()
    path.write_text("".join(json.dumps({"_id": q.id, "text": q.text, "answers": q.answers, "gold": q.gold}) + "\n" for q in questions), "utf-8")  # fmt: skip

    def gold(question: Question) -> list[Hit]:
        return [h for h in hits if h.passage.document_id in question.gold]

    return user_questions.infer_gold_passages(
        user_questions.load_user_questions(path, world.evidence_provider().retrieve, gold, Counter())
    )


@pytest.mark.parametrize("with_gold", [True, False])
def test_example_builder_with_and_without_gold(world: FilmWorld, tmp_path: Path, with_gold: bool) -> None:
    file_questions = [
        Question(film, f"Who made {film}?", ("Nobody", director), (film,) if with_gold else ())
        for film, director in zip(FILMS, DIRECTORS, strict=True)
    ]
    questions = questions_of_store(world, file_questions, tmp_path / "q.jsonl")
    assert all(q.documents for q in questions)
    skipped: Counter[str] = Counter()
    for example in UserExampleBuilder(count, 0, skipped).build_examples(questions):
        director = dict(zip(FILMS, DIRECTORS, strict=True))[example.id]
        if example.kind == USER_PROVIDED:
            assert example.answer.startswith(f"{director} [")  # no passage states the first accepted answer
            number = example.answer[len(director) + 2]
            assert f"[{number}] {example.id}: {example.id} is a" in example.messages[-1]["content"]
        else:
            assert director not in example.messages[-1]["content"]
    assert not skipped


def test_example_builder_adds_steps_from_graph(world: FilmWorld, tmp_path: Path) -> None:
    born = {q.subject.name: q for q in world.select_facts() if q.predicate == "date_of_birth"}
    pairs = [(f, d) for f, d in zip(FILMS, DIRECTORS, strict=True) if d in born]
    file_questions = [
        Question(f, f"When was the director of the film {f} born?", (born[d].answer,), (f, born[d].document))
        for f, d in pairs
    ]
    file_questions += [
        Question(f"not {f}", f"Which thing makes {f} famous?", (d,), (f, born[d].document)) for f, d in pairs
    ]
    questions = questions_of_store(world, file_questions, tmp_path / "q.jsonl")
    skipped: Counter[str] = Counter()
    read = world.evidence_provider().read_graph
    all_examples = {e.id: e for e in UserExampleBuilder(count, 0, Counter(), read_graph=read).build_examples(questions)}
    with_steps = {
        e.id: e
        for e in UserExampleBuilder(count, 0, skipped, read_graph=read, require_steps=True).build_examples(questions)
    }
    assert with_steps.keys() == {f for f, _ in pairs} and skipped.total() == len(pairs)
    assert all_examples.keys() > with_steps.keys(), "without require_steps the others have answers without steps"
    for film, director in pairs:
        answer, steps = parse_steps(with_steps[film].answer)
        if with_steps[film].kind == UNANSWERABLE:
            continue
        assert answer.startswith(f"{born[director].answer} [")
        assert steps[0].startswith(f"{film} – director: {director} [") and len(steps) == 2
        assert steps[1].startswith(f"{director} – date of birth: {born[director].answer} [")
        other = all_examples[f"not {film}"]
        assert not parse_steps(other.answer).steps
    assert sum(bool(parse_steps(e.answer).steps) for e in with_steps.values()) > len(pairs) / 2


def unanswerable_examples(questions: list[UserQuestion], read: Callable[..., list[GraphAnswer]]) -> list[Example]:
    """Return the unanswerable examples of eight seeds."""
    builders = [UserExampleBuilder(count, seed, Counter(), read_graph=read, require_steps=True) for seed in range(8)]
    return [e for builder in builders for e in builder.build_examples(questions) if e.kind == UNANSWERABLE]


def test_unanswerable_examples_may_show_first_step(world: FilmWorld, tmp_path: Path) -> None:
    born = {q.subject.name: q for q in world.select_facts() if q.predicate == "date_of_birth"}
    pairs = {f: d for f, d in zip(FILMS, DIRECTORS, strict=True) if d in born}
    file_questions = [
        Question(f, f"When was the director of the film {f} born?", (born[d].answer,), (f, born[d].document))
        for f, d in pairs.items()
    ]
    questions = questions_of_store(world, file_questions, tmp_path / "q.jsonl")
    read = world.evidence_provider().read_graph
    kinds: Counter[int] = Counter()
    for example in unanswerable_examples(questions, read):
        film, prompt = example.id, example.messages[-1]["content"]
        answer, steps = parse_steps(example.answer)
        assert is_abstention(answer) and born[pairs[film]].answer not in prompt
        kinds[len(steps)] += 1
        number = re.search(rf"^\[(\d+)\] {film}: {film} is a", prompt, re.MULTILINE)
        assert bool(number) == bool(steps), "the first passage is shown together with its step, or not at all"
        if number:
            assert steps == (f"{film} – director: {pairs[film]} [{number[1]}]",)
    assert kinds.keys() == {0, 1} and min(kinds.values()) > 2

    def read_comparison(question: str) -> list[GraphAnswer]:
        return [c._replace(second_paths=(c.path,)) for c in read(question)]

    compared = unanswerable_examples(questions, read_comparison)
    assert compared and not any(parse_steps(e.answer).steps for e in compared), "both sides of a comparison are hidden"
    revealing = [replace(q, answers=(*q.answers, pairs[q.id])) for q in questions]
    hidden = unanswerable_examples(revealing, read)
    assert hidden and not any(parse_steps(e.answer).steps for e in hidden), "a first passage with an answer is hidden"


def test_example_builder_ignores_unaccepted_graph_answer(world: FilmWorld, tmp_path: Path) -> None:
    born = {q.subject.name: q for q in world.select_facts() if q.predicate == "date_of_birth"}
    read = world.evidence_provider().read_graph
    file_questions = [
        Question(f, f"When was the director of the film {f} born?", (d,), (f, born[d].document))
        for f, d in zip(FILMS, DIRECTORS, strict=True)
        if d in born
    ]
    assert file_questions and all(read(q.text) for q in file_questions), "the graph answers with a date"
    skipped: Counter[str] = Counter()
    questions = questions_of_store(world, file_questions, tmp_path / "q.jsonl")
    builder = UserExampleBuilder(count, 0, skipped, read_graph=read, require_steps=True)
    assert not [*builder.build_examples(questions)] and skipped.total() == len(file_questions)


def test_write_corpus(tmp_path: Path) -> None:
    file = tmp_path / "train.en.jsonl.gz"
    rows = make_rows(9)
    wordless = rows[0] | {"text": " "}
    file.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in [wordless, *rows]).encode()))
    written = write_corpus([file], tmp_path / "out")
    corpus = [json.loads(line) for line in (tmp_path / "out" / "corpus.jsonl").read_text("utf-8").splitlines()]
    texts = {row["_id"]: row["text"] for row in corpus}
    assert written == {"corpus.jsonl": len(corpus), "questions.en.jsonl": 9}
    assert len(set(texts.values())) == len(texts) == 3 * 6, "each passage once"
    for row, question in zip(rows, load_questions(tmp_path / "out" / "questions.en.jsonl"), strict=True):
        assert [texts[i] for i in question.gold] == [p["text"] for p in row["passages"] if p["gold"]]
    file.write_bytes(gzip.compress(b'{"_id": "1", "text": "Who?"}'))
    with pytest.raises(ReadError, match=r"line 1: expected .*passages"):
        write_corpus([file], tmp_path / "out")
    with pytest.raises(ReadError, match="could not be read"):
        write_corpus([tmp_path / "train.zh.jsonl.gz"], tmp_path / "out")
