"""Packs: several questions over one show of evidence, so that training computes what they begin with once.

A pack is built about a question: its gold passages, what the retriever brings for it, and other questions whose gold is among
these. One in five questions is asked where its evidence is not: its documents are left out, what else was retrieved for
it stands there, and the answer is that the documents do not say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from kgrag.briefing import fact_lines
from kgrag.evidence import Shown
from kgrag.factuality.conditions import spoken
from kgrag.reader.walk import Candidate
from kgrag.steps import stepped
from kgrag.tune.example import Example
from kgrag.tune.questions.asked import Count, answered, messages, shown_for, silence, steps_of
from kgrag.tune.questions.made import COMPARISON, ONE, TWO, UNANSWERABLE, Made, digest, path_of
from kgrag.types import Hit

SIZE = 4
"""Questions of a pack that have an answer; a fifth has none."""
WINDOW = 60
"""How many of the next questions are looked through for one that fits."""
ROOM = 0.6
"""The part of the budget that gold sentences may take: the rest is for what distracts."""
PASSAGES = 9


@dataclass(frozen=True)
class Evidence:
    """Where evidence comes from.

    ``retrieve`` gives hits for a question; ``stating`` the gold passages of a made one, as hits; ``read`` the graph's
    answers, for the lines of facts, looked up by nobody and without the documents that are hidden (`GraphReader.read`).
    """

    retrieve: Callable[[str, int], list[Hit]]
    stating: Callable[[Made], list[Hit]]
    read: Callable[[str, None, frozenset[str]], list[Candidate]]
    count: Count


@dataclass
class Packer:
    """Makes examples of questions; ``left`` counts, in words, the questions that became none."""

    evidence: Evidence
    seed: int
    left: Counter[str]
    tick: Callable[[int], None] = lambda _: None

    def examples(self, questions: Sequence[Made], *, held: bool) -> Iterator[Example]:
        """An example of each question, packs one after another; ``held`` is what they all are."""
        waiting = {q.id: q for q in questions}
        made = silent = 0
        while waiting:
            anchor = next(iter(waiting.values()))
            pack = [*self._pack(anchor, waiting, wanted=(made + SIZE) // SIZE - silent)]
            for example in pack:
                yield replace(example, held=held)
            silent += sum(e.kind == UNANSWERABLE for e in pack)
            made += sum(e.kind != UNANSWERABLE for e in pack)
            self.tick(len(pack))

    def _pack(self, anchor: Made, waiting: dict[str, Made], wanted: int) -> Iterator[Example]:
        budget = 300 + digest(self.seed, "budget", anchor.id) % 101
        near = self.evidence.retrieve(anchor.text, PASSAGES)
        members, gold = self._members(anchor, waiting, near, budget)
        for member in members:
            del waiting[member.id]
        apart = self._apart(members, gold, waiting) if wanted > 0 else None
        beside: list[Hit] = []
        hidden: frozenset[str] = frozenset()
        if apart is not None:
            hidden = self._hidden(apart)
            beside = [h for h in self.evidence.retrieve(apart.text, PASSAGES) if h.passage.document_id not in hidden]
            # of two steps, the first may be there
            gold |= {h.passage.id: h for h in self.evidence.stating(apart) if h.passage.document_id not in hidden}
        hits = list({h.passage.id: h for h in (*gold.values(), *near[:3], *beside[:3], *near)}.values())
        hits = [h for h in hits if h.passage.document_id not in hidden][: max(PASSAGES, len(gold))]
        must = [
            (f.triple.passage_id, f.triple.start, f.triple.end)
            for q in (*members, *([apart] if apart else []))
            for f in q.facts
            if f.document not in hidden
        ]
        asked = [q.text for q in (*members, *([apart] if apart else []))]
        shown = self._shuffled(shown_for(asked, hits, must, budget, self.evidence.count), anchor)
        compared = bool(digest(self.seed, "instruction", anchor.id) % 2)
        for member in members:
            yield from self._answerable(member, shown, compared)
        if apart is not None and not states(apart, shown):
            del waiting[apart.id]
            yield self._unanswerable(apart, shown, hidden, compared)

    def _members(
        self, anchor: Made, waiting: dict[str, Made], near: Sequence[Hit], budget: int
    ) -> tuple[list[Made], dict[str, Hit]]:
        """The questions of a pack that have an answer, and their gold passages."""
        members = [anchor]
        gold = {h.passage.id: h for h in self.evidence.stating(anchor)}
        brought = {h.passage.id for h in near}
        others = [q for q in waiting.values() if q.lang == anchor.lang and q.id != anchor.id]
        # those that are answered by what is there anyway, then those that share some of it, then the next ones
        within = [q for q in others if brought.union(gold).issuperset(q.passages)][:SIZE]
        sharing = [q for q in others if gold.keys() & {*q.passages}][:SIZE]
        for other in dict.fromkeys((*within, *sharing, *others[:WINDOW])):
            if len(members) == SIZE:
                break
            more = gold | {h.passage.id: h for h in self.evidence.stating(other)}
            sentences = {f.sentence for q in (*members, other) for f in q.facts}
            if sum(self.evidence.count(s) + 8 for s in sentences) <= ROOM * budget and len(more) <= PASSAGES - 2:
                members.append(other)
                gold = more
        return members, gold

    def _apart(self, members: Sequence[Made], gold: dict[str, Hit], waiting: dict[str, Made]) -> Made | None:
        """A question that the gold passages of others do not answer, as like theirs as can be; None where there is none."""
        documents = {h.passage.document_id for h in gold.values()}
        likes = {m.asks for m in members}, {m.kind for m in members}
        fit = [
            q
            for q in list(waiting.values())[:WINDOW]
            if q.lang == members[0].lang
            and not documents & {*q.documents}
            and not any(spoken(q.answer, f.sentence) for m in members for f in m.facts)
        ]
        return max(fit, key=lambda q: (q.asks in likes[0], q.kind in likes[1]), default=None)

    def _hidden(self, apart: Made) -> frozenset[str]:
        last = apart.kind == TWO and digest(self.seed, "last", apart.id) % 2
        return frozenset(apart.documents[1:] if last else apart.documents)

    def _shuffled(self, shown: Sequence[Shown], anchor: Made) -> list[Shown]:
        order = sorted(shown, key=lambda s: digest(self.seed, anchor.id, s.hit.passage.id))
        return [replace(s, number=n) for n, s in enumerate(order, 1)]

    def _lines(self, question: Made, shown: Sequence[Shown], hidden: frozenset[str] = frozenset()) -> list[str]:
        """Of half of the questions the lines of facts that `kgrag ask` would show."""
        if digest(self.seed, "lines", question.id) % 2:
            return []
        return fact_lines(self.evidence.read(question.text, None, hidden), shown)

    def _answerable(self, question: Made, shown: Sequence[Shown], compared: bool) -> Iterator[Example]:
        said = answered(question.text, question.answer, shown, question.passages, question.told_by)
        steps = steps_of(question.text, question.walk, shown)
        if question.kind != ONE and not steps:
            self.left["not all of its steps are shown"] += 1
        elif said:
            asked = messages(question.text, shown, self._lines(question, shown), compared=compared)
            yield Example(question.id, asked, stepped(steps, said, question.lang), question.kind, question.lang)
        else:
            self.left["no citation of its gold stands"] += 1

    def _unanswerable(self, question: Made, shown: Sequence[Shown], hidden: frozenset[str], compared: bool) -> Example:
        lines = [line for line in self._lines(question, shown, hidden) if not spoken(question.answer, line)]
        asked = messages(question.text, shown, lines, compared=compared)
        # of two steps, the first may be there: it leads nowhere
        first = question.facts[0]
        known = fact_lines([Candidate(first.answer, path_of(first), 1.0)], shown) if question.kind == TWO else []
        steps = known if first.document not in hidden else []
        said = stepped(steps, silence(question.text, compared=compared), question.lang)
        return Example(question.id, asked, said, UNANSWERABLE, question.lang)


def states(question: Made, shown: Sequence[Shown]) -> bool:
    """Whether what is shown may answer a question whose documents are not among it: it has the answer, or, of a
    comparison, of each thing a passage that names it with its value."""
    texts = [f"{s.hit.title}. {s.text}" for s in shown]
    if question.kind != COMPARISON:
        return any(spoken(question.answer, text) for text in texts)
    return all(any(spoken(f.answer, t) and spoken(f.subject.name, t) for t in texts) for f in question.facts)
