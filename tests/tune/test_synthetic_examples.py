"""Synthetic examples: evidence that supports the answer or does not, shared by the questions of a pack."""

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
from kgrag.answering.selected_passage import SelectedPassage
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
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilmWorld]:
    with film_world(tmp_path_factory.mktemp("packs")) as films:
        yield films


@pytest.fixture(scope="module")
def questions(world: FilmWorld) -> list[SyntheticQuestion]:
    return sample_questions(world.generate_questions(), 80, 0)


@pytest.fixture(scope="module")
def examples(world: FilmWorld, questions: list[SyntheticQuestion]) -> list[Example]:
    return build(world, questions, world.skip_counts)


def build(
    world: FilmWorld, questions: Sequence[SyntheticQuestion], skipped: Counter[str], *, seed: int = 0
) -> list[Example]:
    return list(SyntheticExampleBuilder(world.evidence_provider(), seed, skipped).build_examples(questions, held=False))


def passages(example: Example) -> dict[int, str]:
    """Return number -> shown passage."""
    text = example.messages[-1]["content"]
    return {int(n): passage for n, passage in re.findall(r"^\[(\d+)\] (.+)$", text, re.MULTILINE)}


def evidence(example: Example) -> str:
    """Return the prompt up to the facts or the question."""
    return re.split(r"\n(?:Facts found in them|其中的事实|Question|问题): ?", example.messages[-1]["content"])[0]


def test_each_question_gives_one_example_or_is_counted(world: FilmWorld, questions: list[SyntheticQuestion]) -> None:
    skipped: Counter[str] = Counter()
    examples = build(world, questions, skipped)
    assert len({e.id for e in examples}) == len(examples) == len(questions) - skipped.total() > 0.9 * len(questions)
    by_id = {q.id: q for q in questions}
    for example in examples:
        text = by_id[example.id].text
        assert example.messages[-1]["content"].endswith(text)
        instructions = [build_prompt(text, [], experiment_prompt=compared)[0] for compared in (False, True)]
        assert example.messages[0] in instructions
    used = Counter(example.messages[0]["content"] for example in examples if example.lang == "en")
    assert len(used) == 2, "both instructions are used"


def test_cited_passages_support_answer(questions: list[SyntheticQuestion], examples: list[Example]) -> None:
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
        checked = verify_citations(question.text, answer, _selected_passages(shown))
        assert checked.supported and not checked.refusals and not checked.unsupported


def test_steps_follow_order_of_question(questions: list[SyntheticQuestion], examples: list[Example]) -> None:
    by_id = {q.id: q for q in questions}
    seen: Counter[str] = Counter()
    for example in examples:
        question, steps = by_id[example.id], parse_steps(example.answer).steps
        if example.kind == UNANSWERABLE:
            # only the first of two steps may be known, and it does not state the answer
            assert len(steps) <= (question.kind == TWO_HOP) and not any(
                mentions_answer(question.answer, s) for s in steps
            )
            continue
        seen[example.kind] += 1
        assert len(steps) == (0 if example.kind == ONE_HOP else 2)
        assert verify_steps(question.text, steps, _selected_passages(passages(example))).supported == steps
        if example.kind == TWO_HOP:
            assert steps[-1].partition(": ")[2].startswith(f"{question.answer} [")
        if example.kind == COMPARISON:
            places = [question.text.find(step.partition(" – ")[0]) for step in steps]
            assert 0 <= places[0] < places[1]
    assert {ONE_HOP, TWO_HOP, COMPARISON} <= seen.keys()


def test_first_comparison_step_does_not_reveal_answer(
    questions: list[SyntheticQuestion], examples: list[Example]
) -> None:
    which = [e for e in examples if e.kind == COMPARISON and MARKS.sub("", parse_steps(e.answer).answer) not in YES_NO]
    first = [parse_steps(e.answer).steps[0].startswith(MARKS.sub("", parse_steps(e.answer).answer)) for e in which]
    assert len(which) > 3 and {*first} == {True, False}


def _selected_passages(shown: dict[int, str]) -> list[SelectedPassage]:
    selected = []
    for number, line in shown.items():
        title, _, text = line.partition(": ")
        passage = Passage(f"d#{number:04}", "d", text, 0, len(text))
        selected.append(SelectedPassage(number, Hit(passage, title, "", 1.0, number), ((0, len(text)),)))
    return selected


def test_one_in_five_is_unanswerable(questions: list[SyntheticQuestion], examples: list[Example]) -> None:
    by_id = {q.id: q for q in questions}
    unanswerable = [e for e in examples if e.kind == UNANSWERABLE]
    assert 0.15 <= len(unanswerable) / len(examples) <= 0.25
    for example in unanswerable:
        question = by_id[example.id]
        answer = parse_steps(example.answer).answer
        compared = example.messages[0] == build_prompt(question.text, [], experiment_prompt=True)[0]
        assert answer == abstention_for(question.text, experiment_prompt=compared) and prompts.is_abstention(answer)
        shown = example.messages[-1]["content"].rsplit("\n", 1)[0]
        assert not all(fact.sentence in shown for fact in question.facts)
        if question.kind != COMPARISON:
            assert not mentions_answer(question.answer, shown), (question.text, question.answer, shown)
        else:
            assert not all(f.sentence in shown for f in question.facts)


def test_unanswerable_two_hop_writes_shown_first_step(
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
        assert len(steps) == 1 and MARKS.search(steps[0]), "a step needs a passage"
        assert verify_steps(question.text, steps, _selected_passages(shown)).supported == steps
        written += 1
    assert written >= 2


def test_pack_shares_its_prefix(examples: list[Example]) -> None:
    packs: defaultdict[str, list[int]] = defaultdict(list)
    for place, example in enumerate(examples):
        packs[evidence(example)].append(place)
    sizes = Counter(len(places) for places in packs.values())
    assert max(sizes) == MAX_ANSWERABLE + 1 and len(examples) / len(packs) >= 3
    for places in packs.values():
        assert places == list(range(places[0], places[0] + len(places)))  # one after another
        assert len({examples[place].messages[0]["content"] for place in places}) == 1


def test_half_of_examples_have_fact_lines(examples: list[Example]) -> None:
    with_lines = [
        e for e in examples if re.search(r"\n(?:Facts found in them|其中的事实):\n", e.messages[-1]["content"])
    ]
    assert 0.25 < len(with_lines) / len(examples) < 0.65
    for example in with_lines:
        assert len(evidence(example)) < len(example.messages[-1]["content"])


def test_evidence_keeps_token_budget(world: FilmWorld, examples: list[Example]) -> None:
    count = world.evidence_provider().count_tokens
    for example in examples:
        assert sum(count(text) for text in passages(example).values()) <= 400
    assert len({e.messages[-1]["content"].index("\n[1] ") for e in examples}) >= 1


def test_gold_passage_has_any_position(examples: list[Example]) -> None:
    places = Counter(MARKS.findall(e.answer)[0] for e in examples if MARKS.search(e.answer))
    assert len(places) >= 4 and max(places.values()) < 0.6 * sum(places.values())


def test_builder_is_deterministic(
    world: FilmWorld, questions: list[SyntheticQuestion], examples: list[Example]
) -> None:
    assert build(world, questions, world.skip_counts) == examples
    assert build(world, questions, world.skip_counts, seed=1) != examples


def test_held_out_examples_share_no_gold_document(world: FilmWorld, questions: list[SyntheticQuestion]) -> None:
    sides = assign_holdout([q.documents for q in questions], 0, 0.3)
    documents: defaultdict[bool, set[str]] = defaultdict(set)
    by_id = {q.id: q for q in questions}
    for held in (False, True):
        side_questions = [q for q, side in zip(questions, sides, strict=True) if side is held]
        builder = SyntheticExampleBuilder(world.evidence_provider(), 0, world.skip_counts)
        for example in builder.build_examples(side_questions, held=held):
            assert example.held is held
            documents[held].update(by_id[example.id].documents)
    assert documents[True] and documents[False] and not documents[True] & documents[False]


def test_select_for_training_includes_required_spans(world: FilmWorld) -> None:
    hits = world.all_hits()[:6]
    passage = hits[5].passage
    selected = select_for_training(["What?"], hits, [(passage.id, passage.start, passage.end)], 1, len)
    assert [s.hit.passage.id for s in selected] == [passage.id]


def test_training_evidence_is_compared_by_meaning() -> None:
    texts = [f"Tool number {n} is made of metal {n}." for n in range(60)]
    passage = Passage("d#0001", "d", " ".join(texts), 0, len(" ".join(texts)))
    asked: list[str] = []
    select_for_training(["What is it made of?"], [Hit(passage, "Guide", "", 0.9, 1)], [], 90, len, asked.append)
    assert asked == ["en"]


def test_answer_with_citations_unsupported_is_empty(world: FilmWorld) -> None:
    films = [h for h in world.all_hits() if "directed by" in h.passage.text][:2]
    shown = [SelectedPassage(n, hit, ((hit.passage.start, hit.passage.end),)) for n, hit in enumerate(films, 1)]
    mine, other = (re.findall(r"directed by ([\w ]+)\.", hit.passage.text)[0] for hit in films)
    gold = [films[0].passage.id]
    assert answer_with_citations("Who directed it?", mine, shown, gold) == f"{mine} [1]"
    assert answer_with_citations("Who directed it?", "Nobody Known", shown, gold) == ""
    assert answer_with_citations("Who directed it?", other, shown, gold) == ""  # supported, but not by a gold passage


def test_answer_with_citations_uses_shown_sentences_only() -> None:
    text = "The lake lies near Oslo. The town of Moss is its neighbour."
    other = "The hut stands in Moss."
    hits = [Hit(Passage(f"{n}#0001", f"{n}", t, 0, len(t)), f"T{n}", "", 1.0, n) for n, t in ((1, text), (2, other))]
    shown = [SelectedPassage(1, hits[0], ((0, 24),)), SelectedPassage(2, hits[1], ((0, len(other)),))]
    gold = [h.passage.id for h in hits]
    assert answer_with_citations("Which town is it?", "Moss", shown, gold) == "Moss [2]"


def test_evidence_states_answer_in_other_passage(questions: list[SyntheticQuestion]) -> None:
    question = next(q for q in questions if q.kind != COMPARISON)
    elsewhere = Passage("x#0001", "x", f"It is said to be {question.answer}.", 0, 10)
    assert evidence_states_answer(
        question, [SelectedPassage(1, Hit(elsewhere, "x", "", 1.0, 1), ((0, 10 + len(question.answer) + 10),))]
    )


class FixedJudge:
    """A judge with a fixed verdict."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self.calls: list[tuple[str, list[str]]] = []

    def judge(self, claim: str, evidence: Sequence[str]) -> ClaimVerdict:
        self.calls.append((claim, list(evidence)))
        return ClaimVerdict(self.verdict, 0.9)


def test_filter_by_judge_counts_rejected(world: FilmWorld, questions: list[SyntheticQuestion]) -> None:
    skipped: Counter[str] = Counter()
    assert list(filter_by_judge(questions, FixedJudge(Verdict.SUPPORTED), world.templates, skipped)) == questions
    assert not skipped
    assert list(filter_by_judge(questions, FixedJudge(Verdict.REFUTED), world.templates, skipped)) == []
    assert skipped.total() == len(questions) and "the judge does not agree (one-hop: refuted)" in skipped


def test_filter_by_judge_checks_comparison_facts(world: FilmWorld, questions: list[SyntheticQuestion]) -> None:
    judge = FixedJudge(Verdict.SUPPORTED)
    question = next(q for q in questions if q.kind == COMPARISON and q.answer == "no")
    assert list(filter_by_judge([question], judge, world.templates, Counter())) == [question]
    assert [evidence for _, evidence in judge.calls] == [[f.sentence] for f in question.facts]
    assert all(f.answer in claim for f, (claim, _) in zip(question.facts, judge.calls, strict=True))


def test_builtin_judge_rejects_wrong_answers(world: FilmWorld, questions: list[SyntheticQuestion]) -> None:
    judge, skipped = load_judge(), Counter[str]()
    english = [q for q in questions if q.lang == "en" and q.kind == "one-hop"]
    assert len(list(filter_by_judge(english, judge, world.templates, skipped))) > 0.8 * len(english)
    wrong = [replace(q, answer=o.answer) for q, o in pairwise(english) if q.topic == o.topic and q.answer != o.answer]
    assert len(wrong) >= 3 and len(list(filter_by_judge(wrong, judge, world.templates, skipped))) < 0.5 * len(wrong)
