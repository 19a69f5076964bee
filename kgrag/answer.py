"""From a question to an answer whose every statement points at a sentence: the whole way, on one screen."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from graphs.vocabulary import Vocabulary
from kgrag import prompts
from kgrag.briefing import allowed, called, fact_lines, room
from kgrag.cite import check, cited, unmarked
from kgrag.evidence import Shown, select
from kgrag.kin import untold
from kgrag.llm.stream import OnText
from kgrag.lookup import Looked, Lookup, OnStep
from kgrag.protocols import LLM, Retriever
from kgrag.reader.reads import Reads
from kgrag.reader.spoken import spoken
from kgrag.reader.walk import Candidate
from kgrag.reckon import read
from kgrag.repeats import mended
from kgrag.steps import check_steps, step_of
from kgrag.text import language
from kgrag.types import Answer, Hit, Path, Triple

Reader = Literal["auto", "llm", "graph"]
SURE = 0.5
"""A graph answer this sure is given as it is by `auto`; a less sure one is a hint in the model's prompt."""
LIKELY = 0.3
"""If no passage is this likely to be evidence (the ranker's probability), the documents are taken not to say."""
RELEVANT = 0.2
"""A citation of a passage less likely than this is refused: the words are there, but about something else."""
STEP_TOKENS, STEP_PASSAGES = 250, 6
"""Tokens of evidence and passages, at most, for one step of a question."""


@dataclass
class Answerer:
    """Answers questions over one store.

    ``retriever``, ``graph`` and ``llm`` are functions, so that each loads only when it is needed; ``stating`` gives the
    passages that state triples, as hits. With a ``vocabulary`` the steps that the graph lacks are looked up (`kgrag.lookup`), at
    most ``lookups`` of one question.
    """

    retriever: Callable[[], Retriever]
    graph: Callable[[], Reads]
    llm: Callable[[], LLM]
    stating: Callable[[Sequence[Triple]], list[Hit]] = lambda _: []
    vocabulary: Vocabulary | None = None
    evidence_tokens: int = 400
    answer_tokens: int = 96
    lookups: int = 4

    def ask(
        self,
        question: str,
        k: int = 8,
        *,
        reader: Reader = "auto",
        on_text: OnText | None = None,
        on_step: OnStep | None = None,
    ) -> Answer:
        """Answer from the store: retrieve, read, check every citation, and abstain where nothing holds.

        Args:
            question: in English or Chinese.
            k: passages to retrieve.
            reader: typed facts alone, the language model alone, or whichever suits the question.
            on_text: given the language model's text as it comes; returns True to stop it.
            on_step: given each question that is asked on the way (a step looked up, the question with a part put in), and a
                line's end after one that is not the answer.

        Raises:
            UsageError: the question is empty or too long.
            ModelError: the language model is needed and cannot be used.
        """
        start = time.perf_counter()
        hits = self.retriever().retrieve(question, k)
        lookup = self._lookup(question, on_text, on_step) if reader == "auto" else None
        candidates = self.graph().read(question, lookup) if reader != "llm" else []
        if reader == "graph" or (candidates and candidates[0].confidence >= SURE):
            answer = self._from_graph(question, hits, candidates)
            if lookup is not None and lookup.model:
                answer = replace(answer, model=lookup.model)
        elif lookup is not None and lookup.said and not candidates and self.graph().compares(question):
            # what it takes to compare the two is not there: a guess would be right half the time, and rest on nothing
            answer = _silence(question, hits, ("what it takes to compare the two is not told",))
        elif reader == "llm":
            answer = self._from_likely(question, hits, candidates, on_text)
        else:
            answer = self._from_part(question, k, lookup, on_text, on_step) or self._related(
                self._from_likely(question, hits, candidates, on_text)
            )
        if lookup is not None and lookup.said:
            answer = replace(answer, dropped=(*answer.dropped, *dict.fromkeys(lookup.said)))
        return replace(answer, seconds=time.perf_counter() - start)

    def from_memory(self, question: str, on_text: OnText | None = None) -> Answer:
        """Answer closed-book: the model's memory, no evidence, nothing to cite."""
        start = time.perf_counter()
        llm = self.llm()
        text = llm.generate(prompts.closed_book(question), max_tokens=self.answer_tokens, on_text=on_text)
        return Answer(
            question,
            text.strip(),
            grounded=False,
            abstained=prompts.abstains(text),
            model=called(llm),
            seconds=time.perf_counter() - start,
        )

    def from_passages(self, question: str, hits: Sequence[Hit], on_text: OnText | None = None) -> Answer:
        """Answer from passages that were chosen elsewhere (the gold ones, say)."""
        start = time.perf_counter()
        answer = self._from_llm(question, hits, [], on_text) if hits else _silence(question, hits, ())
        return replace(answer, seconds=time.perf_counter() - start)

    def _lookup(self, question: str, on_text: OnText | None, on_step: OnStep | None) -> Lookup | None:
        if self.vocabulary is None or not self.lookups:
            return None
        few = replace(self, evidence_tokens=min(self.evidence_tokens, STEP_TOKENS))

        def look(step: str) -> Looked:
            hits = [hit for hit in self.retriever().retrieve(step, STEP_PASSAGES) if hit.score >= RELEVANT]
            if not any(hit.score >= LIKELY for hit in hits):
                return Looked()
            shown, _, text = few._told(step, hits, [], on_text)
            return Looked(read(step, text).answer, tuple(shown), called(self.llm()))

        return Lookup(look, self.vocabulary, language(question), self.lookups, on_step)

    def _from_part(
        self, question: str, k: int, lookup: Lookup | None, on_text: OnText | None, on_step: OnStep | None
    ) -> Answer | None:
        """The answer to a question with a part of it put in that is known; None where none is, or that has no answer."""
        best = next(iter(self.graph().reduced(question, lookup)), None)
        if best is None or best.part.confidence < SURE:
            return None
        hears, asked = on_step or (lambda _: None), best.question
        hears(f"{asked} ")
        answer = self._from_likely(asked, self.retriever().retrieve(asked, k), [], on_text)
        if answer.abstained:
            hears("\n")
            if lookup is not None:
                lookup.said.append(f"asked in vain: {asked}")
            return None
        way = self._from_graph(question, (), [best.part])
        # the marks number what the model was shown, which stays in front
        hits = {hit.passage.id: hit for hit in (*answer.evidence, *way.evidence)}.values()
        evidence = tuple(replace(hit, rank=rank) for rank, hit in enumerate(hits, 1))
        citations = tuple(dict.fromkeys((*way.citations, *answer.citations)))
        paths = (*way.paths, *answer.paths)
        return replace(answer, question=question, evidence=evidence, citations=citations, paths=paths)

    def _from_likely(
        self, question: str, hits: Sequence[Hit], candidates: Sequence[Candidate], on_text: OnText | None
    ) -> Answer:
        if any(hit.score >= LIKELY for hit in hits):
            return self._from_llm(question, hits, candidates, on_text)
        return _silence(question, hits, (f"no passage found is at least {LIKELY:.0%} likely to say it",))

    def _related(self, answer: Answer) -> Answer:
        """An answer, withdrawn where it is about relatives and no sentence says what they are to each other."""
        if self.vocabulary is None or answer.abstained:
            return answer
        question, said = answer.question, unmarked(answer.text).strip()
        missing = untold(question, self.graph().asks(question), said, answer.evidence, self.vocabulary)
        if not missing:
            return answer
        why = f"no sentence found tells, of {said!r}, what is asked: {missing}"
        return replace(_silence(question, answer.evidence, (*answer.dropped, why)), model=answer.model)

    def _from_graph(self, question: str, hits: Sequence[Hit], candidates: Sequence[Candidate]) -> Answer:
        if not candidates:
            return replace(_silence(question, hits, ()), reader="graph")
        best = candidates[0]
        paths = (best.path, *best.also)
        triples = [triple for path in paths for triple in path.triples]
        stating = self.stating(triples)
        known = {hit.passage.id for hit in stating}
        evidence = [*stating, *(hit for hit in hits if hit.passage.id not in known)]
        evidence = [replace(hit, rank=rank) for rank, hit in enumerate(evidence, 1)]
        texts = {hit.passage.id: hit.passage for hit in evidence}
        citations = dict.fromkeys(cited(texts[t.passage_id], t.start, t.end) for t in triples if t.passage_id in texts)
        last = best.path.triples[-1] if best.path.triples and not best.also else None
        text = best.text
        if last is not None and last.passage_id in texts:
            text = self._spoken(question, text, cited(texts[last.passage_id], last.start, last.end).quote)
        return Answer(question, text, tuple(evidence), tuple(citations), paths, reader="graph")

    def _spoken(self, question: str, text: str, sentence: str) -> str:
        countries = self.vocabulary.countries if self.vocabulary is not None else {}
        return spoken(text, sentence, language(question), countries)

    def _from_llm(
        self, question: str, hits: Sequence[Hit], candidates: Sequence[Candidate], on_text: OnText | None
    ) -> Answer:
        llm = self.llm()
        shown, dropped, text = self._told(question, hits, candidates, on_text)
        evidence, said = tuple(hits), read(question, text)
        text, refused = mended(question, said.answer, shown)
        dropped += [*said.why, *refused]
        if prompts.abstains(text):
            return replace(_silence(question, evidence, tuple(dropped)), model=called(llm))
        checked = check(question, text, shown, floor=RELEVANT)
        before = check_steps(question, said.steps, shown, floor=RELEVANT)
        dropped += [*before.dropped, *checked.dropped]
        unsupported = (*before.unsupported, *checked.unsupported)
        dropped += [f"no passage shown supports: {statement!r}" for statement in unsupported]
        if any(map(step_of, before.unsupported)) or not checked.citations:
            # what no sentence bears out is withdrawn, however sure it sounded, and so is what rests on it
            return replace(_silence(question, evidence, tuple(dropped)), model=called(llm))
        citations = tuple(dict.fromkeys((*before.citations, *checked.citations)))
        sources = {citation.passage_id for citation in citations}
        paths = tuple(path for hit in hits if hit.passage.id in sources for path in hit.paths)
        return Answer(
            question,
            self._spoken(question, " ".join(checked.kept), checked.citations[-1].quote),
            evidence,
            citations,
            paths,
            dropped=tuple(dropped),
            model=called(llm),
            steps=before.kept,
        )

    def _told(
        self, question: str, hits: Sequence[Hit], candidates: Sequence[Candidate], on_text: OnText | None
    ) -> tuple[list[Shown], list[str], str]:
        """What the model was shown, what was left out, and what it said."""
        llm = self.llm()
        shown, dropped = select(question, hits, self._room(llm, question), llm.count)
        messages = prompts.grounded(question, [(s.hit.title, s.text) for s in shown], fact_lines(candidates, shown))
        return shown, dropped, llm.generate(messages, max_tokens=allowed(llm, self.answer_tokens), on_text=on_text)

    def _room(self, llm: LLM, question: str) -> int:
        return room(llm, prompts.grounded(question, []), self.evidence_tokens, self.answer_tokens)


def _silence(question: str, hits: Sequence[Hit], dropped: tuple[str, ...]) -> Answer:
    return Answer(question, prompts.ABSTAIN[language(question)], tuple(hits), dropped=dropped, abstained=True)


def shown_paths(answer: Answer) -> tuple[Path, ...]:
    """The distinct paths of an answer that have at least one step."""
    return tuple(dict.fromkeys(path for path in answer.paths if path.triples))
