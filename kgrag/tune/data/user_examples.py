"""Training examples from user questions, each with its evidence, and with reasoning steps if they are known."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from kgrag.answering.prompt_budget import format_fact_lines
from kgrag.answering.reasoning_steps import format_steps
from kgrag.answering.selected_passage import SelectedPassage
from kgrag.factuality.experiment.conditions import mentions_answer
from kgrag.graphqa.traversal import GraphAnswer
from kgrag.protocols import Embedder
from kgrag.text import detect_language, normalize_name, sentence_spans
from kgrag.tune.data.example import Example
from kgrag.tune.data.prompt_format import (
    CountTokens,
    abstention_for,
    answer_with_citations,
    build_prompt,
    select_for_training,
    visible_steps,
)
from kgrag.tune.data.synthetic_questions import UNANSWERABLE, USER_PROVIDED, seeded_digest
from kgrag.tune.data.user_questions import MAX_SHOWN_PASSAGES, UserQuestion
from kgrag.types import Hit, Path, Triple

MAX_QUESTIONS_PER_GROUP = 6
"""Maximum number of questions with the same gold passages that share their evidence."""


@dataclass(frozen=True)
class UserExampleBuilder:
    """Builder of examples from user questions.

    Attributes:
        count_tokens: counts the tokens of a text.
        seed: the same seed gives the same examples.
        skipped: reason -> number of questions without an example.
        on_progress: called with the number of further questions done.
        read_graph: returns the graph's answers to a question, best first; none without a store.
        find_bridge: finds the steps in the gold passages (`kgrag.tune.data.bridge_finder`), if the graph has none.
        require_steps: skip questions with several gold passages whose steps are unknown.
        embedder_for: returns the embedder of a language, which compares the evidence with the questions.
    """

    count_tokens: CountTokens
    seed: int
    skipped: Counter[str]
    on_progress: Callable[[int], None] = lambda _: None
    read_graph: Callable[[str], list[GraphAnswer]] = lambda _: []
    find_bridge: Callable[[UserQuestion], GraphAnswer | None] = lambda _: None
    require_steps: bool = False
    embedder_for: Callable[[str], Embedder | None] = lambda language: None

    def build_examples(self, questions: Sequence[UserQuestion]) -> Iterator[Example]:
        """Yield an example for each question that its evidence answers; one in five has its gold passages removed.

        Questions with the same gold passages get the same evidence in the same order. If the steps through the gold
        passages are known, they precede the answer.
        """
        groups: defaultdict[tuple[str, ...], list[UserQuestion]] = defaultdict(list)
        for question in questions:
            gold_ids = tuple(h.passage.id for h in question.gold)
            groups[gold_ids or (question.id,)].append(question)
        all_gold = [hit for q in questions for hit in q.gold]
        for group in groups.values():
            for start in range(0, len(group), MAX_QUESTIONS_PER_GROUP):
                batch = group[start : start + MAX_QUESTIONS_PER_GROUP]
                yield from self._build_group(batch, all_gold)
                self.on_progress(len(batch))

    def _build_group(self, group: Sequence[UserQuestion], all_gold: Sequence[Hit]) -> Iterator[Example]:
        walks = {q.id: self._best_walk(q) for q in group}
        if self.require_steps:
            with_steps = [q for q in group if len(q.documents) < 2 or walks[q.id] is not None]
            self.skipped["takes several passages, and nothing says in which steps"] += len(group) - len(with_steps)
            group = with_steps
        experiment_prompt = bool(group) and bool(seeded_digest(self.seed, "instruction", group[0].id) % 2)
        unanswerable = [q for q in group if q.gold and seeded_digest(self.seed, "silent", q.id) % 5 == 0]
        answerable = [q for q in group if q not in unanswerable]
        if answerable:
            yield from self._answerable_examples(answerable, walks, experiment_prompt)
        for question in unanswerable:
            yield from self._unanswerable_examples(question, walks[question.id], all_gold, experiment_prompt)

    def _best_walk(self, question: UserQuestion) -> GraphAnswer | None:
        """Return the graph's best answer if it is accepted and rests on gold passages alone, else the passages' steps."""
        best = next(iter(self.read_graph(question.text)), None)
        gold = {h.passage.id for h in question.gold}
        is_accepted = best is not None and normalize_name(best.text) in {
            normalize_name(answer) for answer in question.answers
        }
        if best is not None and is_accepted and {t.passage_id for t in _walk_triples(best)} <= gold:
            return best
        return self.find_bridge(question)

    def _answerable_examples(
        self, group: Sequence[UserQuestion], walks: Mapping[str, GraphAnswer | None], experiment_prompt: bool
    ) -> Iterator[Example]:
        gold = group[0].gold
        others = [h for h in group[0].other_passages() if h.passage.id not in {g.passage.id for g in gold}]
        walked_triples = [t for q in group if (walk := walks[q.id]) for t in _walk_triples(walk)]
        passages = self._select_evidence(group, [*gold, *others], gold, walked_triples)
        for question in group:
            cited_answer, walk, lang = (
                _cited_answer(question, passages, gold),
                walks[question.id],
                detect_language(question.text),
            )
            if not cited_answer:
                self.skipped["its passages do not say any of its answers"] += 1
                continue
            # half of the questions get the fact lines that `kgrag ask` would show
            with_lines = seeded_digest(self.seed, "lines", question.id) % 2
            lines = format_fact_lines(self.read_graph(question.text), passages) if with_lines else []
            prompt = build_prompt(question.text, passages, lines, experiment_prompt=experiment_prompt)
            steps = visible_steps(question.text, walk, passages) if walk else []
            yield Example(question.id, prompt, format_steps(steps, cited_answer, lang), USER_PROVIDED, lang)

    def _unanswerable_examples(
        self, question: UserQuestion, walk: GraphAnswer | None, all_gold: Sequence[Hit], experiment_prompt: bool
    ) -> Iterator[Example]:
        first_step, first_step_hits = self._dead_end_step(question, walk)
        hidden_documents = {*question.documents}
        distractors = [h for h in question.other_passages() if h.passage.document_id not in hidden_documents]
        if not distractors:  # there are no passages except gold ones: use those of other questions
            place = seeded_digest(self.seed, "strangers", question.id) % max(len(all_gold), 1)
            distractors = [
                h for h in (*all_gold[place:], *all_gold[:place])[:40] if h.passage.document_id not in hidden_documents
            ][:3]
        distractors = [
            h
            for h in distractors
            if not any(mentions_answer(a, f"{h.title}. {h.passage.text}") for a in question.answers)
        ]
        if not distractors:
            self.skipped["nothing to show in the place of its gold passages"] += 1
            return
        passages = self._select_evidence(
            [question], [*first_step_hits, *distractors], walked_triples=first_step.path.triples if first_step else ()
        )
        prompt = build_prompt(question.text, passages, experiment_prompt=experiment_prompt)
        steps = [line for line in format_fact_lines([first_step] if first_step else [], passages) if line.endswith("]")]
        lang = detect_language(question.text)
        reply = format_steps(steps, abstention_for(question.text, experiment_prompt=experiment_prompt), lang)
        yield Example(question.id, prompt, reply, UNANSWERABLE, lang)

    def _dead_end_step(self, question: UserQuestion, walk: GraphAnswer | None) -> tuple[GraphAnswer | None, list[Hit]]:
        """Return the first step of half of the two-step questions, with its passages; for others nothing."""
        if (
            walk is None
            or walk.second_paths
            or len(walk.path.triples) != 2
            or seeded_digest(self.seed, "last", question.id) % 2
        ):
            return None, []
        path = walk.path
        first, second = path.triples
        document = {h.passage.id: h.passage.document_id for h in question.gold}
        first_step_hits = [h for h in question.gold if h.passage.id == first.passage_id]
        reveals_answer = any(
            mentions_answer(a, f"{h.title}. {h.passage.text}") for h in first_step_hits for a in question.answers
        )
        if reveals_answer or document[first.passage_id] == document[second.passage_id]:
            return None, []
        return GraphAnswer(path.names[1], Path(path.nodes[:2], path.names[:2], (first,)), 1.0), first_step_hits

    def _select_evidence(
        self,
        questions: Sequence[UserQuestion],
        hits: Sequence[Hit],
        gold: Sequence[Hit] = (),
        walked_triples: Sequence[Triple] = (),
    ) -> list[SelectedPassage]:
        """Select the evidence: walked sentences, gold sentences with an answer (else the first), then other sentences."""
        budget = 300 + seeded_digest(self.seed, "budget", questions[0].id) % 101
        hits = list({h.passage.id: h for h in hits}.values())[:MAX_SHOWN_PASSAGES]
        available_ids = {hit.passage.id for hit in hits}
        required_spans = list(
            dict.fromkeys((t.passage_id, t.start, t.end) for t in walked_triples if t.passage_id in available_ids)
        )
        walked_passage_ids = {t.passage_id for t in walked_triples}
        for hit in gold:
            text, spans = hit.passage.text, sentence_spans(hit.passage.text)
            answer_spans = [
                span
                for span in spans
                if any(mentions_answer(a, text[slice(*span)]) for q in questions for a in q.answers)
            ]
            required_spans += [
                (hit.passage.id, hit.passage.start + a, hit.passage.start + b)
                for a, b in answer_spans or spans[: hit.passage.id not in walked_passage_ids]
            ]
        selected = select_for_training(
            [q.text for q in questions], hits, required_spans[:8], budget, self.count_tokens, self.embedder_for
        )
        order = sorted(selected, key=lambda s: seeded_digest(self.seed, questions[0].id, s.hit.passage.id))
        return [replace(s, number=n) for n, s in enumerate(order, 1)]


def _walk_triples(walk: GraphAnswer) -> list[Triple]:
    return [triple for path in (walk.path, *walk.second_paths) for triple in path.triples]


def _cited_answer(question: UserQuestion, selected: Sequence[SelectedPassage], gold: Sequence[Hit]) -> str:
    """Return the first accepted answer that a shown passage supports, with citations; "" if there is none."""
    passages = [h.passage.id for h in gold]
    cited_answers = (answer_with_citations(question.text, answer, selected, passages) for answer in question.answers)
    return next((text for text in cited_answers if text), "")
