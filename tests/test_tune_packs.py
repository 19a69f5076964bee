"""Packs: what is shown says what is to be answered, or does not; and several questions begin with the same text."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from fact_world import World, world

from kgrag import prompts
from kgrag.cite import check
from kgrag.evidence import Shown
from kgrag.factuality.conditions import spoken
from kgrag.judge import load_judge
from kgrag.steps import check_steps, concluded
from kgrag.tune.example import Example
from kgrag.tune.questions.agreed import agreed
from kgrag.tune.questions.asked import answered, messages, shown_for, silence
from kgrag.tune.questions.held import held_out
from kgrag.tune.questions.made import COMPARISON, ONE, TWO, UNANSWERABLE, Made
from kgrag.tune.questions.packs import SIZE, Packer, states
from kgrag.tune.questions.sample import sample
from kgrag.types import Hit, Judgement, Passage, Verdict

MARKS = re.compile(r"\s*\[(\d+)\]")
YES_NO = ("yes", "no", "是", "否")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("packs")) as made:
        yield made


@pytest.fixture(scope="module")
def questions(small: World) -> list[Made]:
    return sample(small.questions(), 80, 0)


@pytest.fixture(scope="module")
def examples(small: World, questions: list[Made]) -> list[Example]:
    return list(Packer(small.evidence(), 0, small.left).examples(questions, held=False))


def passages(example: Example) -> dict[int, str]:
    """Number -> what is shown under it."""
    text = example.messages[-1]["content"]
    return {int(n): said for n, said in re.findall(r"^\[(\d+)\] (.+)$", text, re.MULTILINE)}


def evidence(example: Example) -> str:
    """The text up to the facts or the question."""
    return re.split(r"\n(?:Facts found in them|其中的事实|Question|问题): ?", example.messages[-1]["content"])[0]


def test_every_question_becomes_one_example_or_is_counted(small: World, questions: list[Made]) -> None:
    left: Counter[str] = Counter()
    examples = list(Packer(small.evidence(), 0, left).examples(questions, held=False))
    assert len({e.id for e in examples}) == len(examples) == len(questions) - left.total() > 0.9 * len(questions)
    by_id = {q.id: q for q in questions}
    for example in examples:
        assert example.messages[-1]["content"].endswith(by_id[example.id].text)
        asked = by_id[example.id].text
        ways = [messages(asked, [], compared=compared)[0] for compared in (False, True)]
        assert example.messages[0] in ways
    said = Counter(example.messages[0]["content"] for example in examples if example.lang == "en")
    assert len(said) == 2, "under both instructions"


def test_the_passages_that_are_cited_say_the_answer(questions: list[Made], examples: list[Example]) -> None:
    by_id = {q.id: q for q in questions}
    for example in examples:
        if example.kind == UNANSWERABLE:
            continue
        question, shown = by_id[example.id], passages(example)
        answer = concluded(example.answer).answer
        assert MARKS.sub("", answer) == question.answer and MARKS.search(answer)
        for fact in question.facts:
            assert any(fact.sentence in text for text in shown.values())
        cited = [shown[int(n)] for n in MARKS.findall(answer)]
        assert all(any(f.sentence in text for f in question.facts) for text in cited)
        if question.kind != COMPARISON:
            assert any(question.answer in text for text in cited)
        checked = check(question.text, answer, _as_shown(shown))
        assert checked.kept and not checked.dropped and not checked.unsupported


def test_what_takes_several_steps_shows_them_in_the_order_of_the_question(
    questions: list[Made], examples: list[Example]
) -> None:
    by_id = {q.id: q for q in questions}
    seen: Counter[str] = Counter()
    for example in examples:
        question, steps = by_id[example.id], concluded(example.answer).steps
        if example.kind == UNANSWERABLE:
            # what it can be known is the first of two steps, and not that which is asked for
            assert len(steps) <= (question.kind == TWO) and not any(spoken(question.answer, s) for s in steps)
            continue
        seen[example.kind] += 1
        assert len(steps) == (0 if example.kind == ONE else 2)
        assert check_steps(question.text, steps, _as_shown(passages(example))).kept == steps
        if example.kind == TWO:
            assert steps[-1].partition(": ")[2].startswith(f"{question.answer} [")
        if example.kind == COMPARISON:
            places = [question.text.find(step.partition(" – ")[0]) for step in steps]
            assert 0 <= places[0] < places[1]
    assert {ONE, TWO, COMPARISON} <= seen.keys()


def test_of_what_is_compared_the_first_line_does_not_give_the_answer_away(
    questions: list[Made], examples: list[Example]
) -> None:
    which = [e for e in examples if e.kind == COMPARISON and MARKS.sub("", concluded(e.answer).answer) not in YES_NO]
    first = [concluded(e.answer).steps[0].startswith(MARKS.sub("", concluded(e.answer).answer)) for e in which]
    assert len(which) > 3 and {*first} == {True, False}


def _as_shown(shown: dict[int, str]) -> list[Shown]:
    found = []
    for number, said in shown.items():
        title, _, text = said.partition(": ")
        passage = Passage(f"d#{number:04}", "d", text, 0, len(text))
        found.append(Shown(number, Hit(passage, title, "", 1.0, number), ((0, len(text)),)))
    return found


def test_one_in_five_is_not_answered_by_what_is_shown(questions: list[Made], examples: list[Example]) -> None:
    by_id = {q.id: q for q in questions}
    silent = [e for e in examples if e.kind == UNANSWERABLE]
    assert 0.15 <= len(silent) / len(examples) <= 0.25
    for example in silent:
        question = by_id[example.id]
        answer = concluded(example.answer).answer
        compared = example.messages[0] == messages(question.text, [], compared=True)[0]
        assert answer == silence(question.text, compared=compared) and prompts.abstains(answer)
        said = example.messages[-1]["content"].rsplit("\n", 1)[0]
        assert not all(fact.sentence in said for fact in question.facts)
        if question.kind != COMPARISON:
            assert not spoken(question.answer, said), (question.text, question.answer, said)
        else:
            assert not all(f.sentence in said for f in question.facts)


def test_of_two_steps_without_an_answer_the_first_is_written_where_it_is_shown(
    questions: list[Made], examples: list[Example]
) -> None:
    by_id = {q.id: q for q in questions}
    written = 0
    for example in examples:
        question, steps = by_id[example.id], concluded(example.answer).steps
        if example.kind != UNANSWERABLE:
            continue
        shown = passages(example)
        if question.kind != TWO or question.facts[0].sentence not in " ".join(shown.values()):
            assert not steps, (question.text, steps)
            continue
        assert len(steps) == 1 and MARKS.search(steps[0]), "a step without a passage is none"
        assert check_steps(question.text, steps, _as_shown(shown)).kept == steps
        written += 1
    assert written >= 2


def test_questions_of_a_pack_begin_with_the_same_text(examples: list[Example]) -> None:
    packs: defaultdict[str, list[int]] = defaultdict(list)
    for place, example in enumerate(examples):
        packs[evidence(example)].append(place)
    sizes = Counter(len(places) for places in packs.values())
    assert max(sizes) == SIZE + 1 and len(examples) / len(packs) >= 3
    for places in packs.values():
        assert places == list(range(places[0], places[0] + len(places)))  # one after another
        assert len({examples[place].messages[0]["content"] for place in places}) == 1


def test_half_have_lines_of_facts_between_passages_and_question(examples: list[Example]) -> None:
    with_lines = [
        e for e in examples if re.search(r"\n(?:Facts found in them|其中的事实):\n", e.messages[-1]["content"])
    ]
    assert 0.25 < len(with_lines) / len(examples) < 0.65
    for example in with_lines:
        assert len(evidence(example)) < len(example.messages[-1]["content"])


def test_what_is_shown_keeps_to_the_budget(small: World, examples: list[Example]) -> None:
    count = small.evidence().count
    for example in examples:
        assert sum(count(text) for text in passages(example).values()) <= 400
    assert len({e.messages[-1]["content"].index("\n[1] ") for e in examples}) >= 1


def test_gold_stands_at_any_place(examples: list[Example]) -> None:
    places = Counter(MARKS.findall(e.answer)[0] for e in examples if MARKS.search(e.answer))
    assert len(places) >= 4 and max(places.values()) < 0.6 * sum(places.values())


def test_the_same_seed_writes_the_same(small: World, questions: list[Made], examples: list[Example]) -> None:
    assert list(Packer(small.evidence(), 0, small.left).examples(questions, held=False)) == examples
    assert list(Packer(small.evidence(), 1, small.left).examples(questions, held=False)) != examples


def test_no_gold_document_of_one_side_is_gold_of_the_other(small: World, questions: list[Made]) -> None:
    sides = held_out([q.documents for q in questions], 0, 0.3)
    documents: defaultdict[bool, set[str]] = defaultdict(set)
    by_id = {q.id: q for q in questions}
    for held in (False, True):
        mine = [q for q, side in zip(questions, sides, strict=True) if side is held]
        for example in Packer(small.evidence(), 0, small.left).examples(mine, held=held):
            assert example.held is held
            documents[held].update(by_id[example.id].documents)
    assert documents[True] and documents[False] and not documents[True] & documents[False]


def test_what_must_be_seen_is_shown_whatever_the_budget(small: World) -> None:
    hits = small.hits()[:6]
    passage = hits[5].passage
    shown = shown_for(["What?"], hits, [(passage.id, passage.start, passage.end)], 1, lambda text: len(text))
    assert [s.hit.passage.id for s in shown] == [passage.id]


def test_an_answer_that_no_gold_passage_says_is_refused(small: World) -> None:
    films = [h for h in small.hits() if "directed by" in h.passage.text][:2]
    shown = [Shown(n, hit, ((hit.passage.start, hit.passage.end),)) for n, hit in enumerate(films, 1)]
    mine, other = (re.findall(r"directed by ([\w ]+)\.", hit.passage.text)[0] for hit in films)
    gold = [films[0].passage.id]
    assert answered("Who directed it?", mine, shown, gold) == f"{mine} [1]"
    assert answered("Who directed it?", "Nobody Known", shown, gold) == ""
    assert answered("Who directed it?", other, shown, gold) == ""  # it is said, but not by gold


def test_a_citation_stands_by_what_is_shown_of_its_passage() -> None:
    text = "The lake lies near Oslo. The town of Moss is its neighbour."
    other = "The hut stands in Moss."
    hits = [Hit(Passage(f"{n}#0001", f"{n}", t, 0, len(t)), f"T{n}", "", 1.0, n) for n, t in ((1, text), (2, other))]
    shown = [Shown(1, hits[0], ((0, 24),)), Shown(2, hits[1], ((0, len(other)),))]
    gold = [h.passage.id for h in hits]
    assert answered("Which town is it?", "Moss", shown, gold) == "Moss [2]"


def test_a_question_is_not_unanswerable_where_another_passage_says_it(questions: list[Made]) -> None:
    question = next(q for q in questions if q.kind != COMPARISON)
    elsewhere = Passage("x#0001", "x", f"It is said to be {question.answer}.", 0, 10)
    assert states(question, [Shown(1, Hit(elsewhere, "x", "", 1.0, 1), ((0, 10 + len(question.answer) + 10),))])


class Judge:
    """Agrees with what it is told to."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self.asked: list[tuple[str, list[str]]] = []

    def judge(self, claim: str, evidence: Sequence[str]) -> Judgement:
        self.asked.append((claim, list(evidence)))
        return Judgement(self.verdict, 0.9)


def test_what_the_judge_does_not_agree_with_is_left_out_and_counted(small: World, questions: list[Made]) -> None:
    left: Counter[str] = Counter()
    assert list(agreed(questions, Judge(Verdict.SUPPORTED), small.words, left)) == questions and not left
    assert list(agreed(questions, Judge(Verdict.REFUTED), small.words, left)) == []
    assert left.total() == len(questions) and "the judge does not agree (one-hop: refuted)" in left


def test_a_comparison_is_judged_by_what_it_compares(small: World, questions: list[Made]) -> None:
    judge = Judge(Verdict.SUPPORTED)
    question = next(q for q in questions if q.kind == COMPARISON and q.answer == "no")
    assert list(agreed([question], judge, small.words, Counter())) == [question]
    assert [evidence for _, evidence in judge.asked] == [[f.sentence] for f in question.facts]
    assert all(f.answer in claim for f, (claim, _) in zip(question.facts, judge.asked, strict=True))


def test_the_judge_that_is_shipped_agrees_with_most_and_not_with_what_is_false(
    small: World, questions: list[Made]
) -> None:
    judge, left = load_judge(), Counter[str]()
    english = [q for q in questions if q.lang == "en" and q.kind == "one-hop"]
    assert len(list(agreed(english, judge, small.words, left))) > 0.8 * len(english)
    false = [replace(q, answer=o.answer) for q, o in pairwise(english) if q.asks == o.asks and q.answer != o.answer]
    assert len(false) >= 3 and len(list(agreed(false, judge, small.words, left))) < 0.5 * len(false)
