"""Questions of people: in both forms, with and without gold; what cannot be learned from is said."""

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
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilmWorld]:
    with film_world(tmp_path_factory.mktemp("given")) as made:
        yield made


def rows(number: int = 60) -> list[dict[str, Any]]:
    """Questions with passages of their own: two of each three ask of the same ones."""
    found = []
    for n in range(number):
        of = n - n % 3 + (n % 3 == 2)  # 0, 0, 1 of each three
        passages = [{"title": f"Town {m}", "text": f"Town {m} has {m + 1000} inhabitants. The mayor of Town {m} is Ann M{m}x.", "gold": m == of} for m in (of, of + 100, of + 200)]  # fmt: skip
        asked = f"How many inhabitants has Town {of}?" if n % 3 != 1 else f"Who is the mayor of Town {of}?"
        answers = [str(of + 1000)] if n % 3 != 1 else [f"Ann M{of}x"]
        found.append({"_id": f"q{n}", "text": asked, "answers": answers, "passages": passages})
    return found


def saved(rows: list[Any], path: Path) -> Path:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, "utf-8")
    return path


def test_questions_with_passages_need_no_store(tmp_path: Path) -> None:
    for name in ("q.jsonl", "q.jsonl.gz"):
        written = build_examples(None, saved(rows(), tmp_path / name), number=100, seed=0, count=count)
        assert len(written.examples) == 60 and {e.kind for e in written.examples} == {USER_PROVIDED, UNANSWERABLE}
        assert 0 < sum(e.held for e in written.examples) < 20
    by_id = {row["_id"]: row for row in rows()}
    for example in written.examples:
        said = example.messages[-1]["content"]
        assert said.endswith(by_id[example.id]["text"])
        if example.kind == USER_PROVIDED:
            assert example.answer.startswith(f"{by_id[example.id]['answers'][0]} [")
        else:
            assert example.answer in (prompts.ABSTENTION_TEXT["en"], prompts.DONT_KNOW["en"])
            assert by_id[example.id]["answers"][0] not in said


def test_questions_about_the_same_passages_share_their_evidence(tmp_path: Path) -> None:
    written = build_examples(None, saved(rows(), tmp_path / "q.jsonl"), number=100, seed=0, count=count)
    evidence = {e.id: e.messages[-1]["content"].rsplit("\n", 1)[0] for e in written.examples if e.kind == USER_PROVIDED}
    pairs = [(f"q{n}", f"q{n + 1}") for n in range(0, 60, 3)]
    both = [pair for pair in pairs if evidence.keys() >= {*pair}]
    assert both and all(evidence[one] == evidence[other] for one, other in both)


def test_the_sides_share_no_gold_passage(tmp_path: Path) -> None:
    written = build_examples(None, saved(rows(), tmp_path / "q.jsonl"), number=100, seed=0, count=count)
    asked = {side: {int(e.messages[-1]["content"].rsplit("Town ", 1)[1].strip("?")) for e in written.examples if e.held is side} for side in (False, True)}  # fmt: skip
    assert asked[True] and not asked[True] & asked[False]


def test_some_without_an_answer_are_left_out_and_said(tmp_path: Path) -> None:
    some = rows()
    for row in some[:7]:
        row["answers"] = []
    written = build_examples(None, saved(some, tmp_path / "q.jsonl"), number=100, seed=0, count=count)
    assert len(written.examples) == 53 and "7 left out: a question without an answer." in summarize_examples(written)
    some[9]["text"] = "  "
    written = build_examples(None, saved(some, tmp_path / "q.jsonl"), number=100, seed=0, count=count)
    assert len(written.examples) == 52 and "1 left out: an answer without a question." in summarize_examples(written)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda row: row.update(answers=[]), "None of the 60 questions"),
        (lambda row: row.pop("passages"), "bring no passages"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(tmp_path: Path, change: Any, says: str) -> None:
    some = rows()
    for row in some:
        change(row)
    with pytest.raises(UsageError, match=says):
        build_examples(None, saved(some, tmp_path / "q.jsonl"), number=100, seed=0, count=count)


def test_too_few_are_refused_with_their_number(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=rf"Expected {MIN_EXAMPLES} examples or more.*has 6 questions.*gave 6"):
        build_examples(None, saved(rows(6), tmp_path / "q.jsonl"), number=100, seed=0, count=count)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "line 2"),
        ('{"text": "x?", "answers": ["y"], "passages": [{"title": "t"}]}', "line 2"),
        ('{"answers": ["y"], "passages": []}', "line 2"),
        ("[]", "line 2"),
    ],
)
def test_a_line_that_is_no_question_is_named(tmp_path: Path, line: str, says: str) -> None:
    path = saved(rows(1), tmp_path / "q.jsonl")
    path.write_text(path.read_text("utf-8") + line + "\n", "utf-8")
    with pytest.raises(ReadError, match=says):
        build_examples(None, path, number=100, seed=0, count=count)


def test_no_file_and_no_store_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="none: check the path"):
        build_examples(None, tmp_path / "none.jsonl", number=10, seed=0, count=count)
    with pytest.raises(UsageError, match="found neither"):
        build_examples(None, None, number=10, seed=0, count=count)


def of_store(small: FilmWorld, questions: list[Question], path: Path) -> list[UserQuestion]:
    hits = small.all_hits()
    path.write_text("".join(json.dumps({"_id": q.id, "text": q.text, "answers": q.answers, "gold": q.gold}) + "\n" for q in questions), "utf-8")  # fmt: skip

    def gold(question: Question) -> list[Hit]:
        return [h for h in hits if h.passage.document_id in question.gold]

    return user_questions.infer_gold_passages(
        user_questions.load_user_questions(path, small.evidence_provider().retrieve, gold, Counter())
    )


@pytest.mark.parametrize("with_gold", [True, False])
def test_questions_of_a_store_with_and_without_gold(small: FilmWorld, tmp_path: Path, with_gold: bool) -> None:
    asked = [
        Question(film, f"Who made {film}?", ("Nobody", director), (film,) if with_gold else ())
        for film, director in zip(FILMS, DIRECTORS, strict=True)
    ]
    found = of_store(small, asked, tmp_path / "q.jsonl")
    assert all(q.documents for q in found)
    left: Counter[str] = Counter()
    for example in UserExampleBuilder(count, 0, left).build_examples(found):
        director = dict(zip(FILMS, DIRECTORS, strict=True))[example.id]
        if example.kind == USER_PROVIDED:
            assert example.answer.startswith(f"{director} [")  # the first accepted one is said by no passage
            number = example.answer[len(director) + 2]
            assert f"[{number}] {example.id}: {example.id} is a" in example.messages[-1]["content"]
        else:
            assert director not in example.messages[-1]["content"]
    assert not left


def test_where_the_graph_knows_the_way_its_steps_come_first(small: FilmWorld, tmp_path: Path) -> None:
    born = {q.subject.name: q for q in small.select_facts() if q.predicate == "date_of_birth"}
    pairs = [(f, d) for f, d in zip(FILMS, DIRECTORS, strict=True) if d in born]
    asked = [
        Question(f, f"When was the director of the film {f} born?", (born[d].answer,), (f, born[d].document))
        for f, d in pairs
    ]
    asked += [Question(f"not {f}", f"Which thing makes {f} famous?", (d,), (f, born[d].document)) for f, d in pairs]
    found = of_store(small, asked, tmp_path / "q.jsonl")
    left: Counter[str] = Counter()
    read = small.evidence_provider().read_graph
    whole = {e.id: e for e in UserExampleBuilder(count, 0, Counter(), read_graph=read).build_examples(found)}
    made = {
        e.id: e for e in UserExampleBuilder(count, 0, left, read_graph=read, require_steps=True).build_examples(found)
    }
    assert made.keys() == {f for f, _ in pairs} and left.total() == len(pairs)
    assert whole.keys() > made.keys(), "otherwise they are answered at once"
    for film, director in pairs:
        answer, steps = parse_steps(made[film].answer)
        if made[film].kind == UNANSWERABLE:
            continue
        assert answer.startswith(f"{born[director].answer} [")
        assert steps[0].startswith(f"{film} – director: {director} [") and len(steps) == 2
        assert steps[1].startswith(f"{director} – date of birth: {born[director].answer} [")
        other = whole[f"not {film}"]
        assert not parse_steps(other.answer).steps
    assert sum(bool(parse_steps(e.answer).steps) for e in made.values()) > len(pairs) / 2


def silent_ones(found: list[UserQuestion], read: Callable[..., list[GraphAnswer]]) -> list[Example]:
    """What cannot be answered, of eight seeds."""
    packers = [UserExampleBuilder(count, seed, Counter(), read_graph=read, require_steps=True) for seed in range(8)]
    return [e for packer in packers for e in packer.build_examples(found) if e.kind == UNANSWERABLE]


def test_of_two_steps_the_first_may_be_all_there_is(small: FilmWorld, tmp_path: Path) -> None:
    born = {q.subject.name: q for q in small.select_facts() if q.predicate == "date_of_birth"}
    pairs = {f: d for f, d in zip(FILMS, DIRECTORS, strict=True) if d in born}
    asked = [
        Question(f, f"When was the director of the film {f} born?", (born[d].answer,), (f, born[d].document))
        for f, d in pairs.items()
    ]
    found, read = of_store(small, asked, tmp_path / "q.jsonl"), small.evidence_provider().read_graph
    kinds: Counter[int] = Counter()
    for example in silent_ones(found, read):
        film, prompt = example.id, example.messages[-1]["content"]
        answer, steps = parse_steps(example.answer)
        assert is_abstention(answer) and born[pairs[film]].answer not in prompt
        kinds[len(steps)] += 1
        number = re.search(rf"^\[(\d+)\] {film}: {film} is a", prompt, re.MULTILINE)
        assert bool(number) == bool(steps), "its first passage is shown with the step that it says, or not at all"
        if number:
            assert steps == (f"{film} – director: {pairs[film]} [{number[1]}]",)
    assert kinds.keys() == {0, 1} and min(kinds.values()) > 2

    def twofold(question: str) -> list[GraphAnswer]:
        return [c._replace(also=(c.path,)) for c in read(question)]

    compared = silent_ones(found, twofold)
    assert compared and not any(parse_steps(e.answer).steps for e in compared), "of a comparison all is hidden"
    said = [replace(q, answers=(*q.answers, pairs[q.id])) for q in found]
    told = silent_ones(said, read)
    assert told and not any(parse_steps(e.answer).steps for e in told), "a first passage that says an answer is hidden"


def test_an_answer_of_the_graph_that_is_not_accepted_lends_no_steps(small: FilmWorld, tmp_path: Path) -> None:
    born = {q.subject.name: q for q in small.select_facts() if q.predicate == "date_of_birth"}
    read = small.evidence_provider().read_graph
    asked = [
        Question(f, f"When was the director of the film {f} born?", (d,), (f, born[d].document))
        for f, d in zip(FILMS, DIRECTORS, strict=True)
        if d in born
    ]
    assert asked and all(read(q.text) for q in asked), "the graph says a date"
    left: Counter[str] = Counter()
    found = of_store(small, asked, tmp_path / "q.jsonl")
    assert not [
        *UserExampleBuilder(count, 0, left, read_graph=read, require_steps=True).build_examples(found)
    ] and left.total() == len(asked)


def test_questions_with_passages_as_a_corpus(tmp_path: Path) -> None:
    file = tmp_path / "train.en.jsonl.gz"
    asked = rows(9)
    wordless = asked[0] | {"text": " "}
    file.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in [wordless, *asked]).encode()))
    written = write_corpus([file], tmp_path / "out")
    corpus = [json.loads(line) for line in (tmp_path / "out" / "corpus.jsonl").read_text("utf-8").splitlines()]
    texts = {row["_id"]: row["text"] for row in corpus}
    assert written == {"corpus.jsonl": len(corpus), "questions.en.jsonl": 9}
    assert len(set(texts.values())) == len(texts) == 3 * 6, "each passage once"
    for row, question in zip(asked, load_questions(tmp_path / "out" / "questions.en.jsonl"), strict=True):
        assert [texts[i] for i in question.gold] == [p["text"] for p in row["passages"] if p["gold"]]
    file.write_bytes(gzip.compress(b'{"_id": "1", "text": "Who?"}'))
    with pytest.raises(ReadError, match=r"line 1: expected .*passages"):
        write_corpus([file], tmp_path / "out")
    with pytest.raises(ReadError, match="could not be read"):
        write_corpus([tmp_path / "train.zh.jsonl.gz"], tmp_path / "out")
