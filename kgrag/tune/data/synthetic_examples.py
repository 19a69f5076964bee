"""Training examples from generated questions, in packs that share their evidence and so its computation.

A pack is built around a question: its gold passages, the passages retrieved for it, and other questions with gold among
these. One in five questions is unanswerable: its documents are removed, other retrieved passages take their place, and
the answer is an abstention.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from kgrag.answering.prompt_budget import format_fact_lines
from kgrag.answering.reasoning_steps import format_steps
from kgrag.answering.selected_passage import SelectedPassage
from kgrag.factuality.experiment.conditions import mentions_answer
from kgrag.graphqa.traversal import GraphAnswer
from kgrag.protocols import Embedder
from kgrag.tune.data.example import Example
from kgrag.tune.data.prompt_format import (
    CountTokens,
    abstention_for,
    answer_with_citations,
    build_prompt,
    select_for_training,
    visible_steps,
)
from kgrag.tune.data.synthetic_questions import (
    COMPARISON,
    ONE_HOP,
    TWO_HOP,
    UNANSWERABLE,
    SyntheticQuestion,
    path_of,
    seeded_digest,
)
from kgrag.types import Hit

MAX_ANSWERABLE = 4
"""Maximum number of answerable questions in a pack; one unanswerable question may follow."""
CANDIDATE_WINDOW = 60
"""Number of next questions that are searched for one that fits the pack."""
GOLD_BUDGET_SHARE = 0.6
"""Share of the token budget for gold sentences; the rest is for distractors."""
MAX_PASSAGES = 9


@dataclass(frozen=True)
class EvidenceProvider:
    """Sources of evidence.

    ``retrieve`` returns hits for a question, ``gold_hits`` the gold passages of a generated one. ``read_graph`` returns
    the graph's answers for the fact lines, without looking up missing facts and without the hidden documents.
    ``embedder_for`` returns the embedder of a language, which compares the evidence with the questions.
    """

    retrieve: Callable[[str, int], list[Hit]]
    gold_hits: Callable[[SyntheticQuestion], list[Hit]]
    read_graph: Callable[[str, None, frozenset[str]], list[GraphAnswer]]
    count_tokens: CountTokens
    embedder_for: Callable[[str], Embedder | None] = lambda language: None


@dataclass
class SyntheticExampleBuilder:
    """Builder of examples from generated questions; ``skipped`` counts questions without an example, by reason."""

    evidence: EvidenceProvider
    seed: int
    skipped: Counter[str]
    on_progress: Callable[[int], None] = lambda _: None

    def build_examples(self, questions: Sequence[SyntheticQuestion], *, held: bool) -> Iterator[Example]:
        """Yield an example for each question, pack by pack; all get the flag ``held``."""
        waiting = {q.id: q for q in questions}
        answerable_count = unanswerable_count = 0
        while waiting:
            anchor = next(iter(waiting.values()))
            pack = [
                *self._build_pack(
                    anchor,
                    waiting,
                    unanswerable_due=(answerable_count + MAX_ANSWERABLE) // MAX_ANSWERABLE - unanswerable_count,
                )
            ]
            for example in pack:
                yield replace(example, held=held)
            unanswerable_count += sum(e.kind == UNANSWERABLE for e in pack)
            answerable_count += sum(e.kind != UNANSWERABLE for e in pack)
            self.on_progress(len(pack))

    def _build_pack(
        self, anchor: SyntheticQuestion, waiting: dict[str, SyntheticQuestion], unanswerable_due: int
    ) -> Iterator[Example]:
        budget = 300 + seeded_digest(self.seed, "budget", anchor.id) % 101
        nearest_hits = self.evidence.retrieve(anchor.text, MAX_PASSAGES)
        members, gold = self._choose_members(anchor, waiting, nearest_hits, budget)
        for member in members:
            del waiting[member.id]
        unanswerable = self._choose_unanswerable(members, gold, waiting) if unanswerable_due > 0 else None
        unanswerable_hits: list[Hit] = []
        hidden_documents: frozenset[str] = frozenset()
        if unanswerable is not None:
            hidden_documents = self._hidden_documents(unanswerable)
            unanswerable_hits = [
                h
                for h in self.evidence.retrieve(unanswerable.text, MAX_PASSAGES)
                if h.passage.document_id not in hidden_documents
            ]
            # the first of two steps may be shown
            gold |= {
                h.passage.id: h
                for h in self.evidence.gold_hits(unanswerable)
                if h.passage.document_id not in hidden_documents
            }
        hits = list(
            {
                h.passage.id: h for h in (*gold.values(), *nearest_hits[:3], *unanswerable_hits[:3], *nearest_hits)
            }.values()
        )
        hits = [h for h in hits if h.passage.document_id not in hidden_documents][: max(MAX_PASSAGES, len(gold))]
        required_spans = [
            (f.triple.passage_id, f.triple.start, f.triple.end)
            for q in (*members, *([unanswerable] if unanswerable else []))
            for f in q.facts
            if f.document not in hidden_documents
        ]
        question_texts = [q.text for q in (*members, *([unanswerable] if unanswerable else []))]
        passages = self._shuffle(
            select_for_training(
                question_texts, hits, required_spans, budget, self.evidence.count_tokens, self.evidence.embedder_for
            ),
            anchor,
        )
        experiment_prompt = bool(seeded_digest(self.seed, "instruction", anchor.id) % 2)
        for member in members:
            yield from self._answerable_examples(member, passages, experiment_prompt)
        if unanswerable is not None and not evidence_states_answer(unanswerable, passages):
            del waiting[unanswerable.id]
            yield self._unanswerable_example(unanswerable, passages, hidden_documents, experiment_prompt)

    def _choose_members(
        self, anchor: SyntheticQuestion, waiting: dict[str, SyntheticQuestion], nearest_hits: Sequence[Hit], budget: int
    ) -> tuple[list[SyntheticQuestion], dict[str, Hit]]:
        """Return the answerable questions of a pack, and their gold passages."""
        members = [anchor]
        gold = {h.passage.id: h for h in self.evidence.gold_hits(anchor)}
        nearest_ids = {h.passage.id for h in nearest_hits}
        others = [q for q in waiting.values() if q.lang == anchor.lang and q.id != anchor.id]
        # first questions that the passages already answer, then those that share gold passages, then the next ones
        answerable_nearby = [q for q in others if nearest_ids.union(gold).issuperset(q.passages)][:MAX_ANSWERABLE]
        sharing_gold = [q for q in others if gold.keys() & {*q.passages}][:MAX_ANSWERABLE]
        for candidate in dict.fromkeys((*answerable_nearby, *sharing_gold, *others[:CANDIDATE_WINDOW])):
            if len(members) == MAX_ANSWERABLE:
                break
            extended_gold = gold | {h.passage.id: h for h in self.evidence.gold_hits(candidate)}
            sentences = {f.sentence for q in (*members, candidate) for f in q.facts}
            if (
                sum(self.evidence.count_tokens(s) + 8 for s in sentences) <= GOLD_BUDGET_SHARE * budget
                and len(extended_gold) <= MAX_PASSAGES - 2
            ):
                members.append(candidate)
                gold = extended_gold
        return members, gold

    def _choose_unanswerable(
        self, members: Sequence[SyntheticQuestion], gold: dict[str, Hit], waiting: dict[str, SyntheticQuestion]
    ) -> SyntheticQuestion | None:
        """Return the question most similar to the members' that their gold passages do not answer, or None."""
        documents = {h.passage.document_id for h in gold.values()}
        member_topics_and_kinds = {m.topic for m in members}, {m.kind for m in members}
        candidates = [
            q
            for q in list(waiting.values())[:CANDIDATE_WINDOW]
            if q.lang == members[0].lang
            and not documents & {*q.documents}
            and not any(mentions_answer(q.answer, f.sentence) for m in members for f in m.facts)
        ]
        return max(
            candidates,
            key=lambda q: (q.topic in member_topics_and_kinds[0], q.kind in member_topics_and_kinds[1]),
            default=None,
        )

    def _hidden_documents(self, question: SyntheticQuestion) -> frozenset[str]:
        hides_last_only = question.kind == TWO_HOP and seeded_digest(self.seed, "last", question.id) % 2
        return frozenset(question.documents[1:] if hides_last_only else question.documents)

    def _shuffle(self, passages: Sequence[SelectedPassage], anchor: SyntheticQuestion) -> list[SelectedPassage]:
        order = sorted(passages, key=lambda s: seeded_digest(self.seed, anchor.id, s.hit.passage.id))
        return [replace(s, number=n) for n, s in enumerate(order, 1)]

    def _fact_lines(
        self,
        question: SyntheticQuestion,
        passages: Sequence[SelectedPassage],
        hidden_documents: frozenset[str] = frozenset(),
    ) -> list[str]:
        """Return the fact lines that `kgrag ask` would show for half of the questions, else []."""
        if seeded_digest(self.seed, "lines", question.id) % 2:
            return []
        return format_fact_lines(self.evidence.read_graph(question.text, None, hidden_documents), passages)

    def _answerable_examples(
        self, question: SyntheticQuestion, passages: Sequence[SelectedPassage], experiment_prompt: bool
    ) -> Iterator[Example]:
        cited_answer = answer_with_citations(
            question.text, question.answer, passages, question.passages, question.answer_passage_id
        )
        steps = visible_steps(question.text, question.walk, passages)
        if question.kind != ONE_HOP and not steps:
            self.skipped["not all of its steps are shown"] += 1
        elif cited_answer:
            prompt = build_prompt(
                question.text, passages, self._fact_lines(question, passages), experiment_prompt=experiment_prompt
            )
            yield Example(
                question.id, prompt, format_steps(steps, cited_answer, question.lang), question.kind, question.lang
            )
        else:
            self.skipped["no citation of its gold stands"] += 1

    def _unanswerable_example(
        self,
        question: SyntheticQuestion,
        passages: Sequence[SelectedPassage],
        hidden_documents: frozenset[str],
        experiment_prompt: bool,
    ) -> Example:
        lines = [
            line
            for line in self._fact_lines(question, passages, hidden_documents)
            if not mentions_answer(question.answer, line)
        ]
        prompt = build_prompt(question.text, passages, lines, experiment_prompt=experiment_prompt)
        # the first of two steps may be shown, as a dead end
        first_fact = question.facts[0]
        first_step_lines = (
            format_fact_lines([GraphAnswer(first_fact.answer, path_of(first_fact), 1.0)], passages)
            if question.kind == TWO_HOP
            else []
        )
        steps = first_step_lines if first_fact.document not in hidden_documents else []
        reply = format_steps(steps, abstention_for(question.text, experiment_prompt=experiment_prompt), question.lang)
        return Example(question.id, prompt, reply, UNANSWERABLE, question.lang)


def evidence_states_answer(question: SyntheticQuestion, passages: Sequence[SelectedPassage]) -> bool:
    """Whether the evidence may answer a question whose documents are hidden.

    It does if it contains the answer, or for a comparison, the value of each entity in a passage that names the entity.
    """
    texts = [f"{s.hit.title}. {s.text}" for s in passages]
    if question.kind != COMPARISON:
        return any(mentions_answer(question.answer, text) for text in texts)
    return all(
        any(mentions_answer(f.answer, t) and mentions_answer(f.subject.name, t) for t in texts) for f in question.facts
    )
