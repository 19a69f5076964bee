"""Packs: what is shown says what is to be answered, or does not; and several questions begin with the same text."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

from kgrag import prompts
from kgrag.answering.guards.citations import verify_citations
from kgrag.answering.reasoning_steps import parse_steps, verify_steps
from kgrag.answering.stages.evidence_selection import SelectedPassage
from kgrag.factuality.experiment.conditions import mentions_answer
from kgrag.judge import load_judge
from kgrag.tune.data.balanced_sample import sample_questions
from kgrag.tune.data.example import Example
from kgrag.tune.data.holdout import assign_holdout
from kgrag.tune.data.judge_filter import filter_by_judge
from kgrag.tune.data.prompt_format import abstention_for, answer_with_citations, build_prompt, select_for_training
from kgrag.tune.data.synthetic_examples import MAX_ANSWERABLE, SyntheticExampleBuilder, evidence_states_answer
from kgrag.tune.data.synthetic_questions import COMPARISON, ONE_HOP, TWO_HOP, UNANSWERABLE, SyntheticQuestion
from kgrag.types import ClaimVerdict, Hit, Passage, Verdict
from tests.support.film_world import FilmWorld, film_world

MARKS = re.compile(r"\s*\[(\d+)\]")
YES_NO = ("yes", "no", "是", "否")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilmWorld]:
    with film_world(tmp_path_factory.mktemp("packs")) as made:
        yield made


@pytest.fixture(scope="module")
def questions(small: FilmWorld) -> list[SyntheticQuestion]:
    return sample_questions(small.generate_questions(), 80, 0)


@pytest.fixture(scope="module")
def examples(small: FilmWorld, questions: list[SyntheticQuestion]) -> list[Example]:
    return list(
        SyntheticExampleBuilder(small.evidence_provider(), 0, small.skip_counts).build_examples(questions, held=False)
    )


def passages(example: Example) -> dict[int, str]:
    """Number -> what is shown under it."""
    text = example.messages[-1]["content"]
    return {int(n): said for n, said in re.findall(r"^\[(\d+)\] (.+)$", text, re.MULTILINE)}


def evidence(example: Example) -> str:
    """The text up to the facts or the question."""
    return re.split(r"\n(?:Facts found in them|其中的事实|Question|问题): ?", example.messages[-1]["content"])[0]


def test_every_question_becomes_one_example_or_is_counted(small: FilmWorld, questions: list[SyntheticQuestion]) -> None:
    left: Counter[str] = Counter()
    examples = list(SyntheticExampleBuilder(small.evidence_provider(), 0, left).build_examples(questions, held=False))
    assert len({e.id for e in examples}) == len(examples) == len(questions) - left.total() > 0.9 * len(questions)
    by_id = {q.id: q for q in questions}
    for example in examples:
        assert example.messages[-1]["content"].endswith(by_id[example.id].text)
        asked = by_id[example.id].text
        ways = [build_prompt(asked, [], experiment_prompt=compared)[0] for compared in (False, True)]
        assert example.messages[0] in ways
    said = Counter(example.messages[0]["content"] for example in examples if example.lang == "en")
    assert len(said) == 2, "under both instructions"


def test_the_passages_that_are_cited_say_the_answer(
    questions: list[SyntheticQuestion], examples: list[Example]
) -> None:
    by_id = {q.id: q for q in questions}
    for example in examples:
        if example.kind == UNANSWERABLE:
            continue
        question, shown = by_id[example.id], passages(example)
        answer = parse_steps(example.answer).answer
        assert MARKS.sub("", answer) == question.answer and MARKS.search(answer)
        for fact in question.facts:
            assert any(fact.sentence in text for text in shown.values())
        cited = [shown[int(n)] for n in MARKS.findall(answer)]
        assert all(any(f.sentence in text for f in question.facts) for text in cited)
        if question.kind != COMPARISON:
            assert any(question.answer in text for text in cited)
        checked = verify_citations(question.text, answer, _as_shown(shown))
        assert checked.supported and not checked.refusals and not checked.unsupported


def test_what_takes_several_steps_shows_them_in_the_order_of_the_question(
    questions: list[SyntheticQuestion], examples: list[Example]
) -> None:
    by_id = {q.id: q for q in questions}
    seen: Counter[str] = Counter()
    for example in examples:
        question, steps = by_id[example.id], parse_steps(example.answer).steps
        if example.kind == UNANSWERABLE:
            # what it can be known is the first of two steps, and not that which is asked for
            assert len(steps) <= (question.kind == TWO_HOP) and not any(
                mentions_answer(question.answer, s) for s in steps
            )
            continue
        seen[example.kind] += 1
        assert len(steps) == (0 if example.kind == ONE_HOP else 2)
        assert verify_steps(question.text, steps, _as_shown(passages(example))).supported == steps
        if example.kind == TWO_HOP:
            assert steps[-1].partition(": ")[2].startswith(f"{question.answer} [")
        if example.kind == COMPARISON:
            places = [question.text.find(step.partition(" – ")[0]) for step in steps]
            assert 0 <= places[0] < places[1]
    assert {ONE_HOP, TWO_HOP, COMPARISON} <= seen.keys()


def test_of_what_is_compared_the_first_line_does_not_give_the_answer_away(
    questions: list[SyntheticQuestion], examples: list[Example]
) -> None:
    which = [e for e in examples if e.kind == COMPARISON and MARKS.sub("", parse_steps(e.answer).answer) not in YES_NO]
    first = [parse_steps(e.answer).steps[0].startswith(MARKS.sub("", parse_steps(e.answer).answer)) for e in which]
    assert len(which) > 3 and {*first} == {True, False}


def _as_shown(shown: dict[int, str]) -> list[SelectedPassage]:
    found = []
    for number, said in shown.items():
        title, _, text = said.partition(": ")
        passage = Passage(f"d#{number:04}", "d", text, 0, len(text))
        found.append(SelectedPassage(number, Hit(passage, title, "", 1.0, number), ((0, len(text)),)))
    return found


def test_one_in_five_is_not_answered_by_what_is_shown(
    questions: list[SyntheticQuestion], examples: list[Example]
) -> None:
    by_id = {q.id: q for q in questions}
    silent = [e for e in examples if e.kind == UNANSWERABLE]
    assert 0.15 <= len(silent) / len(examples) <= 0.25
    for example in silent:
        question = by_id[example.id]
        answer = parse_steps(example.answer).answer
        compared = example.messages[0] == build_prompt(question.text, [], experiment_prompt=True)[0]
        assert answer == abstention_for(question.text, experiment_prompt=compared) and prompts.is_abstention(answer)
        said = example.messages[-1]["content"].rsplit("\n", 1)[0]
        assert not all(fact.sentence in said for fact in question.facts)
        if question.kind != COMPARISON:
            assert not mentions_answer(question.answer, said), (question.text, question.answer, said)
        else:
            assert not all(f.sentence in said for f in question.facts)


def test_of_two_steps_without_an_answer_the_first_is_written_where_it_is_shown(
    questions: list[SyntheticQuestion], examples: list[Example]
) -> None:
    by_id = {q.id: q for q in questions}
    written = 0
    for example in examples:
        question, steps = by_id[example.id], parse_steps(example.answer).steps
        if example.kind != UNANSWERABLE:
            continue
        shown = passages(example)
        if question.kind != TWO_HOP or question.facts[0].sentence not in " ".join(shown.values()):
            assert not steps, (question.text, steps)
            continue
        assert len(steps) == 1 and MARKS.search(steps[0]), "a step without a passage is none"
        assert verify_steps(question.text, steps, _as_shown(shown)).supported == steps
        written += 1
    assert written >= 2


def test_questions_of_a_pack_begin_with_the_same_text(examples: list[Example]) -> None:
    packs: defaultdict[str, list[int]] = defaultdict(list)
    for place, example in enumerate(examples):
        packs[evidence(example)].append(place)
    sizes = Counter(len(places) for places in packs.values())
    assert max(sizes) == MAX_ANSWERABLE + 1 and len(examples) / len(packs) >= 3
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


def test_what_is_shown_keeps_to_the_budget(small: FilmWorld, examples: list[Example]) -> None:
    count = small.evidence_provider().count_tokens
    for example in examples:
        assert sum(count(text) for text in passages(example).values()) <= 400
    assert len({e.messages[-1]["content"].index("\n[1] ") for e in examples}) >= 1


def test_gold_stands_at_any_place(examples: list[Example]) -> None:
    places = Counter(MARKS.findall(e.answer)[0] for e in examples if MARKS.search(e.answer))
    assert len(places) >= 4 and max(places.values()) < 0.6 * sum(places.values())


def test_the_same_seed_writes_the_same(
    small: FilmWorld, questions: list[SyntheticQuestion], examples: list[Example]
) -> None:
    assert (
        list(
            SyntheticExampleBuilder(small.evidence_provider(), 0, small.skip_counts).build_examples(
                questions, held=False
            )
        )
        == examples
    )
    assert (
        list(
            SyntheticExampleBuilder(small.evidence_provider(), 1, small.skip_counts).build_examples(
                questions, held=False
            )
        )
        != examples
    )


def test_no_gold_document_of_one_side_is_gold_of_the_other(
    small: FilmWorld, questions: list[SyntheticQuestion]
) -> None:
    sides = assign_holdout([q.documents for q in questions], 0, 0.3)
    documents: defaultdict[bool, set[str]] = defaultdict(set)
    by_id = {q.id: q for q in questions}
    for held in (False, True):
        mine = [q for q, side in zip(questions, sides, strict=True) if side is held]
        for example in SyntheticExampleBuilder(small.evidence_provider(), 0, small.skip_counts).build_examples(
            mine, held=held
        ):
            assert example.held is held
            documents[held].update(by_id[example.id].documents)
    assert documents[True] and documents[False] and not documents[True] & documents[False]


def test_what_must_be_seen_is_shown_whatever_the_budget(small: FilmWorld) -> None:
    hits = small.all_hits()[:6]
    passage = hits[5].passage
    shown = select_for_training(["What?"], hits, [(passage.id, passage.start, passage.end)], 1, lambda text: len(text))
    assert [s.hit.passage.id for s in shown] == [passage.id]


def test_an_answer_that_no_gold_passage_says_is_refused(small: FilmWorld) -> None:
    films = [h for h in small.all_hits() if "directed by" in h.passage.text][:2]
    shown = [SelectedPassage(n, hit, ((hit.passage.start, hit.passage.end),)) for n, hit in enumerate(films, 1)]
    mine, other = (re.findall(r"directed by ([\w ]+)\.", hit.passage.text)[0] for hit in films)
    gold = [films[0].passage.id]
    assert answer_with_citations("Who directed it?", mine, shown, gold) == f"{mine} [1]"
    assert answer_with_citations("Who directed it?", "Nobody Known", shown, gold) == ""
    assert answer_with_citations("Who directed it?", other, shown, gold) == ""  # it is said, but not by gold


def test_a_citation_stands_by_what_is_shown_of_its_passage() -> None:
    text = "The lake lies near Oslo. The town of Moss is its neighbour."
    other = "The hut stands in Moss."
    hits = [Hit(Passage(f"{n}#0001", f"{n}", t, 0, len(t)), f"T{n}", "", 1.0, n) for n, t in ((1, text), (2, other))]
    shown = [SelectedPassage(1, hits[0], ((0, 24),)), SelectedPassage(2, hits[1], ((0, len(other)),))]
    gold = [h.passage.id for h in hits]
    assert answer_with_citations("Which town is it?", "Moss", shown, gold) == "Moss [2]"


def test_a_question_is_not_unanswerable_where_another_passage_says_it(questions: list[SyntheticQuestion]) -> None:
    question = next(q for q in questions if q.kind != COMPARISON)
    elsewhere = Passage("x#0001", "x", f"It is said to be {question.answer}.", 0, 10)
    assert evidence_states_answer(
        question, [SelectedPassage(1, Hit(elsewhere, "x", "", 1.0, 1), ((0, 10 + len(question.answer) + 10),))]
    )


class FixedJudge:
    """Agrees with what it is told to."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self.calls: list[tuple[str, list[str]]] = []

    def judge(self, claim: str, evidence: Sequence[str]) -> ClaimVerdict:
        self.calls.append((claim, list(evidence)))
        return ClaimVerdict(self.verdict, 0.9)


def test_what_the_judge_does_not_agree_with_is_left_out_and_counted(
    small: FilmWorld, questions: list[SyntheticQuestion]
) -> None:
    left: Counter[str] = Counter()
    assert (
        list(filter_by_judge(questions, FixedJudge(Verdict.SUPPORTED), small.templates, left)) == questions and not left
    )
    assert list(filter_by_judge(questions, FixedJudge(Verdict.REFUTED), small.templates, left)) == []
    assert left.total() == len(questions) and "the judge does not agree (one-hop: refuted)" in left


def test_a_comparison_is_judged_by_what_it_compares(small: FilmWorld, questions: list[SyntheticQuestion]) -> None:
    judge = FixedJudge(Verdict.SUPPORTED)
    question = next(q for q in questions if q.kind == COMPARISON and q.answer == "no")
    assert list(filter_by_judge([question], judge, small.templates, Counter())) == [question]
    assert [evidence for _, evidence in judge.calls] == [[f.sentence] for f in question.facts]
    assert all(f.answer in claim for f, (claim, _) in zip(question.facts, judge.calls, strict=True))


def test_the_judge_that_is_shipped_agrees_with_most_and_not_with_what_is_false(
    small: FilmWorld, questions: list[SyntheticQuestion]
) -> None:
    judge, left = load_judge(), Counter[str]()
    english = [q for q in questions if q.lang == "en" and q.kind == "one-hop"]
    assert len(list(filter_by_judge(english, judge, small.templates, left))) > 0.8 * len(english)
    false = [replace(q, answer=o.answer) for q, o in pairwise(english) if q.topic == o.topic and q.answer != o.answer]
    assert len(false) >= 3 and len(list(filter_by_judge(false, judge, small.templates, left))) < 0.5 * len(false)
