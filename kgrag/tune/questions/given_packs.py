"""Examples of questions that people have, each with its evidence, and with its steps where they are known."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from kgrag.briefing import fact_lines
from kgrag.evidence import Shown
from kgrag.factuality.conditions import spoken
from kgrag.reader.walk import Candidate
from kgrag.steps import stepped
from kgrag.text import key, language, sentences
from kgrag.tune.example import Example
from kgrag.tune.questions.asked import Count, answered, messages, shown_for, silence, steps_of
from kgrag.tune.questions.given import PASSAGES, Given
from kgrag.tune.questions.made import GIVEN, UNANSWERABLE, digest
from kgrag.types import Hit, Path, Triple

TOGETHER = 6
"""Questions on the same gold passages that are shown the same evidence."""


@dataclass(frozen=True)
class GivenPacker:
    """Makes examples.

    Args:
        count: tokens of a text.
        seed: the same seed makes the same examples.
        left: counts, in words, the questions that became none.
        tick: told how many more are done.
        read: the graph's answers to a question, best first; none without a store.
        bridge: the steps that the gold passages say (`kgrag.tune.questions.bridged`), asked for where the graph has none.
        stepwise: leave out what takes several gold passages where neither says in which steps.
    """

    count: Count
    seed: int
    left: Counter[str]
    tick: Callable[[int], None] = lambda _: None
    read: Callable[[str], list[Candidate]] = lambda _: []
    bridge: Callable[[Given], Candidate | None] = lambda _: None
    stepwise: bool = False

    def examples(self, questions: Sequence[Given]) -> Iterator[Example]:
        """An example of each question that its evidence answers; one in five is asked with its gold passages taken away.

        Questions that bring the same passages are shown the same of them, in the same order. Where the steps through the gold
        passages are known, they come before the answer.
        """
        groups: defaultdict[tuple[str, ...], list[Given]] = defaultdict(list)
        for question in questions:
            known = tuple(h.passage.id for h in question.gold)
            groups[known or (question.id,)].append(question)
        strangers = [hit for q in questions for hit in q.gold]
        for group in groups.values():
            for start in range(0, len(group), TOGETHER):
                some = group[start : start + TOGETHER]
                yield from self._pack(some, strangers)
                self.tick(len(some))

    def _pack(self, group: Sequence[Given], strangers: Sequence[Hit]) -> Iterator[Example]:
        walks = {q.id: self._walk(q) for q in group}
        if self.stepwise:
            told = [q for q in group if len(q.documents) < 2 or walks[q.id] is not None]
            self.left["takes several passages, and nothing says in which steps"] += len(group) - len(told)
            group = told
        compared = bool(group) and bool(digest(self.seed, "instruction", group[0].id) % 2)
        silent = [q for q in group if q.gold and digest(self.seed, "silent", q.id) % 5 == 0]
        spoken_of = [q for q in group if q not in silent]
        if spoken_of:
            yield from self._answerable(spoken_of, walks, compared)
        for question in silent:
            yield from self._unanswerable(question, walks[question.id], strangers, compared)

    def _walk(self, question: Given) -> Candidate | None:
        """The graph's best answer, if it is an accepted one, read in gold passages alone; else what these say themselves."""
        best = next(iter(self.read(question.text)), None)
        gold = {h.passage.id for h in question.gold}
        right = best is not None and key(best.text) in {key(answer) for answer in question.answers}
        if best is not None and right and {t.passage_id for t in _triples(best)} <= gold:
            return best
        return self.bridge(question)

    def _answerable(
        self, group: Sequence[Given], walks: Mapping[str, Candidate | None], compared: bool
    ) -> Iterator[Example]:
        gold = group[0].gold
        others = [h for h in group[0].others() if h.passage.id not in {g.passage.id for g in gold}]
        walked = [t for q in group if (walk := walks[q.id]) for t in _triples(walk)]
        shown = self._shown(group, [*gold, *others], gold, walked)
        for question in group:
            said, walk, lang = _said(question, shown, gold), walks[question.id], language(question.text)
            if not said:
                self.left["its passages do not say any of its answers"] += 1
                continue
            # of half of the questions the lines of facts that `kgrag ask` would show
            with_lines = digest(self.seed, "lines", question.id) % 2
            lines = fact_lines(self.read(question.text), shown) if with_lines else []
            asked = messages(question.text, shown, lines, compared=compared)
            steps = steps_of(question.text, walk, shown) if walk else []
            yield Example(question.id, asked, stepped(steps, said, lang), GIVEN, lang)

    def _unanswerable(
        self, question: Given, walk: Candidate | None, strangers: Sequence[Hit], compared: bool
    ) -> Iterator[Example]:
        first, there = self._first(question, walk)
        hidden = {*question.documents}
        rest = [h for h in question.others() if h.passage.document_id not in hidden]
        if not rest:  # its gold passages are all there are: others' stand there
            place = digest(self.seed, "strangers", question.id) % max(len(strangers), 1)
            rest = [h for h in (*strangers[place:], *strangers[:place])[:40] if h.passage.document_id not in hidden][:3]
        rest = [h for h in rest if not any(spoken(a, f"{h.title}. {h.passage.text}") for a in question.answers)]
        if not rest:
            self.left["nothing to show in the place of its gold passages"] += 1
            return
        shown = self._shown([question], [*there, *rest], walked=first.path.triples if first else ())
        asked = messages(question.text, shown, compared=compared)
        steps = [line for line in fact_lines([first] if first else [], shown) if line.endswith("]")]
        lang = language(question.text)
        said = stepped(steps, silence(question.text, compared=compared), lang)
        yield Example(question.id, asked, said, UNANSWERABLE, lang)

    def _first(self, question: Given, walk: Candidate | None) -> tuple[Candidate | None, list[Hit]]:
        """Of every second question of two steps the first one and its passages, which lead nowhere; of others nothing."""
        if walk is None or walk.also or len(walk.path.triples) != 2 or digest(self.seed, "last", question.id) % 2:
            return None, []
        path = walk.path
        first, second = path.triples
        document = {h.passage.id: h.passage.document_id for h in question.gold}
        there = [h for h in question.gold if h.passage.id == first.passage_id]
        said = any(spoken(a, f"{h.title}. {h.passage.text}") for h in there for a in question.answers)
        if said or document[first.passage_id] == document[second.passage_id]:
            return None, []
        return Candidate(path.names[1], Path(path.nodes[:2], path.names[:2], (first,)), 1.0), there

    def _shown(
        self,
        questions: Sequence[Given],
        hits: Sequence[Hit],
        gold: Sequence[Hit] = (),
        walked: Sequence[Triple] = (),
    ) -> list[Shown]:
        """What of the passages is shown: the sentences of a walk, of other gold passages those that say an answer, or else
        the first, and what else there is room for."""
        budget = 300 + digest(self.seed, "budget", questions[0].id) % 101
        hits = list({h.passage.id: h for h in hits}.values())[:PASSAGES]
        there = {hit.passage.id for hit in hits}
        must = list(dict.fromkeys((t.passage_id, t.start, t.end) for t in walked if t.passage_id in there))
        walked_in = {t.passage_id for t in walked}
        for hit in gold:
            text, spans = hit.passage.text, sentences(hit.passage.text)
            telling = [
                span for span in spans if any(spoken(a, text[slice(*span)]) for q in questions for a in q.answers)
            ]
            must += [
                (hit.passage.id, hit.passage.start + a, hit.passage.start + b)
                for a, b in telling or spans[: hit.passage.id not in walked_in]
            ]
        shown = shown_for([q.text for q in questions], hits, must[:8], budget, self.count)
        order = sorted(shown, key=lambda s: digest(self.seed, questions[0].id, s.hit.passage.id))
        return [replace(s, number=n) for n, s in enumerate(order, 1)]


def _triples(walk: Candidate) -> list[Triple]:
    return [triple for path in (walk.path, *walk.also) for triple in path.triples]


def _said(question: Given, shown: Sequence[Shown], gold: Sequence[Hit]) -> str:
    """The first accepted answer that a passage shown says, with marks; "" where none is."""
    passages = [h.passage.id for h in gold]
    said = (answered(question.text, answer, shown, passages) for answer in question.answers)
    return next((text for text in said if text), "")
