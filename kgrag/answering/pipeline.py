"""From a question to an answer whose every statement points at a sentence: the whole way, on one screen."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from graphs.predicates import PredicateSchema
from kgrag import prompts
from kgrag.answering.guards.citations import make_citation, strip_citation_marks, verify_citations
from kgrag.answering.guards.comparison import parse_and_verify
from kgrag.answering.guards.echo import replace_echo
from kgrag.answering.guards.kinship import unsupported_relation
from kgrag.answering.localize import localize_answer
from kgrag.answering.prompt_budget import evidence_budget, format_fact_lines, max_answer_tokens, model_label
from kgrag.answering.reasoning_steps import parse_step, verify_steps
from kgrag.answering.stages.evidence_selection import SelectedPassage, select_evidence
from kgrag.answering.stages.fact_lookup import FactLookup, LookupResult, OnStep
from kgrag.graphqa.protocol import GraphQA
from kgrag.graphqa.traversal import GraphAnswer
from kgrag.llm.streaming import OnText
from kgrag.protocols import LLM, Retriever
from kgrag.text import detect_language
from kgrag.types import Answer, Hit, Triple

ReaderMode = Literal["auto", "llm", "graph"]
GRAPH_ANSWER_MIN_CONFIDENCE = 0.5
"""A graph answer this sure is given as it is by `auto`; a less sure one is a hint in the model's prompt."""
MIN_PASSAGE_PROBABILITY = 0.3
"""If no passage is this likely to be evidence (the ranker's probability), the documents are taken not to say."""
MIN_CITATION_PROBABILITY = 0.2
"""A citation of a passage less likely than this is refused: the words are there, but about something else."""
LOOKUP_EVIDENCE_TOKENS, MAX_LOOKUP_PASSAGES = 250, 6
"""Tokens of evidence and passages, at most, for one step of a question."""


@dataclass
class AnswerPipeline:
    """Answers questions over one store.

    ``retriever``, ``graph`` and ``llm`` are functions, so that each loads only when it is needed; ``stating`` gives the
    passages that state triples, as hits. With a ``vocabulary`` the steps that the graph lacks are looked up (`kgrag.answering.stages.fact_lookup`), at
    most ``lookups`` of one question.
    """

    retriever: Callable[[], Retriever]
    graph_qa: Callable[[], GraphQA]
    llm: Callable[[], LLM]
    evidence_for_triples: Callable[[Sequence[Triple]], list[Hit]] = lambda _: []
    vocabulary: PredicateSchema | None = None
    evidence_tokens: int = 400
    answer_tokens: int = 96
    max_lookups: int = 4

    def answer(
        self,
        question: str,
        k: int = 8,
        *,
        reader: ReaderMode = "auto",
        on_text: OnText | None = None,
        on_progress: OnStep | None = None,
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
        lookup = self._make_lookup(question, on_text, on_progress) if reader == "auto" else None
        graph_answers = self.graph_qa().answer(question, lookup) if reader != "llm" else []
        if reader == "graph" or (graph_answers and graph_answers[0].confidence >= GRAPH_ANSWER_MIN_CONFIDENCE):
            answer = self._answer_from_graph(question, hits, graph_answers)
            if lookup is not None and lookup.model:
                answer = replace(answer, model=lookup.model)
        elif (
            lookup is not None and lookup.diagnostics and not graph_answers and self.graph_qa().is_comparison(question)
        ):
            # what it takes to compare the two is not there: a guess would be right half the time, and rest on nothing
            answer = abstention(question, hits, ("what it takes to compare the two is not told",))
        elif reader == "llm":
            answer = self._answer_if_relevant(question, hits, graph_answers, on_text)
        else:
            answer = self._answer_decomposed(question, k, lookup, on_text, on_progress) or self._require_stated_kinship(
                self._answer_if_relevant(question, hits, graph_answers, on_text)
            )
        if lookup is not None and lookup.diagnostics:
            answer = replace(answer, diagnostics=(*answer.diagnostics, *dict.fromkeys(lookup.diagnostics)))
        return replace(answer, seconds=time.perf_counter() - start)

    def answer_closed_book(self, question: str, on_text: OnText | None = None) -> Answer:
        """Answer closed-book: the model's memory, no evidence, nothing to cite."""
        start = time.perf_counter()
        llm = self.llm()
        text = llm.generate(prompts.closed_book_prompt(question), max_tokens=self.answer_tokens, on_text=on_text)
        return Answer(
            question,
            text.strip(),
            grounded=False,
            abstained=prompts.is_abstention(text),
            model=model_label(llm),
            seconds=time.perf_counter() - start,
        )

    def answer_from_passages(self, question: str, hits: Sequence[Hit], on_text: OnText | None = None) -> Answer:
        """Answer from passages that were chosen elsewhere (the gold ones, say)."""
        start = time.perf_counter()
        answer = self._answer_from_llm(question, hits, [], on_text) if hits else abstention(question, hits, ())
        return replace(answer, seconds=time.perf_counter() - start)

    def _make_lookup(self, question: str, on_text: OnText | None, on_progress: OnStep | None) -> FactLookup | None:
        if self.vocabulary is None or not self.max_lookups:
            return None
        lookup_pipeline = replace(self, evidence_tokens=min(self.evidence_tokens, LOOKUP_EVIDENCE_TOKENS))

        def answer_step(step: str) -> LookupResult:
            hits = [
                hit
                for hit in self.retriever().retrieve(step, MAX_LOOKUP_PASSAGES)
                if hit.score >= MIN_CITATION_PROBABILITY
            ]
            if not any(hit.score >= MIN_PASSAGE_PROBABILITY for hit in hits):
                return LookupResult()
            shown, _, text = lookup_pipeline._generate(step, hits, [], on_text)
            return LookupResult(parse_and_verify(step, text).answer, tuple(shown), model_label(self.llm()))

        return FactLookup(answer_step, self.vocabulary, detect_language(question), self.max_lookups, on_progress)

    def _answer_decomposed(
        self, question: str, k: int, lookup: FactLookup | None, on_text: OnText | None, on_progress: OnStep | None
    ) -> Answer | None:
        """The answer to a question with a part of it put in that is known; None where none is, or that has no answer."""
        decomposed = next(iter(self.graph_qa().decompose(question, lookup)), None)
        if decomposed is None or decomposed.part.confidence < GRAPH_ANSWER_MIN_CONFIDENCE:
            return None
        report, rewritten_question = on_progress or (lambda _: None), decomposed.question
        report(f"{rewritten_question} ")
        answer = self._answer_if_relevant(
            rewritten_question, self.retriever().retrieve(rewritten_question, k), [], on_text
        )
        if answer.abstained:
            report("\n")
            if lookup is not None:
                lookup.diagnostics.append(f"asked in vain: {rewritten_question}")
            return None
        part_answer = self._answer_from_graph(question, (), [decomposed.part])
        # the marks number what the model was shown, which stays in front
        hits = {hit.passage.id: hit for hit in (*answer.evidence, *part_answer.evidence)}.values()
        evidence = tuple(replace(hit, rank=rank) for rank, hit in enumerate(hits, 1))
        citations = tuple(dict.fromkeys((*part_answer.citations, *answer.citations)))
        paths = (*part_answer.paths, *answer.paths)
        return replace(answer, question=question, evidence=evidence, citations=citations, paths=paths)

    def _answer_if_relevant(
        self, question: str, hits: Sequence[Hit], graph_answers: Sequence[GraphAnswer], on_text: OnText | None
    ) -> Answer:
        if any(hit.score >= MIN_PASSAGE_PROBABILITY for hit in hits):
            return self._answer_from_llm(question, hits, graph_answers, on_text)
        return abstention(
            question, hits, (f"no passage found is at least {MIN_PASSAGE_PROBABILITY:.0%} likely to say it",)
        )

    def _require_stated_kinship(self, answer: Answer) -> Answer:
        """An answer, withdrawn where it is about relatives and no sentence says what they are to each other."""
        if self.vocabulary is None or answer.abstained:
            return answer
        question, answer_text = answer.question, strip_citation_marks(answer.text).strip()
        missing = unsupported_relation(
            question, self.graph_qa().parse(question), answer_text, answer.evidence, self.vocabulary
        )
        if not missing:
            return answer
        reason = f"no sentence found tells, of {answer_text!r}, what is asked: {missing}"
        return replace(abstention(question, answer.evidence, (*answer.diagnostics, reason)), model=answer.model)

    def _answer_from_graph(self, question: str, hits: Sequence[Hit], graph_answers: Sequence[GraphAnswer]) -> Answer:
        if not graph_answers:
            return replace(abstention(question, hits, ()), reader="graph")
        best = graph_answers[0]
        paths = (best.path, *best.second_paths)
        triples = [triple for path in paths for triple in path.triples]
        stating_hits = self.evidence_for_triples(triples)
        stating_ids = {hit.passage.id for hit in stating_hits}
        evidence = [*stating_hits, *(hit for hit in hits if hit.passage.id not in stating_ids)]
        evidence = [replace(hit, rank=rank) for rank, hit in enumerate(evidence, 1)]
        passages_by_id = {hit.passage.id: hit.passage for hit in evidence}
        citations = dict.fromkeys(
            make_citation(passages_by_id[t.passage_id], t.start, t.end)
            for t in triples
            if t.passage_id in passages_by_id
        )
        last = best.path.triples[-1] if best.path.triples and not best.second_paths else None
        text = best.text
        if last is not None and last.passage_id in passages_by_id:
            text = self._localize(
                question, text, make_citation(passages_by_id[last.passage_id], last.start, last.end).quote
            )
        return Answer(question, text, tuple(evidence), tuple(citations), paths, reader="graph")

    def _localize(self, question: str, text: str, sentence: str) -> str:
        countries = self.vocabulary.countries if self.vocabulary is not None else {}
        return localize_answer(text, sentence, detect_language(question), countries)

    def _answer_from_llm(
        self, question: str, hits: Sequence[Hit], graph_answers: Sequence[GraphAnswer], on_text: OnText | None
    ) -> Answer:
        llm = self.llm()
        selected, dropped, text = self._generate(question, hits, graph_answers, on_text)
        evidence, parsed = tuple(hits), parse_and_verify(question, text)
        text, refused = replace_echo(question, parsed.answer, selected)
        dropped += [*parsed.diagnostics, *refused]
        if prompts.is_abstention(text):
            return replace(abstention(question, evidence, tuple(dropped)), model=model_label(llm))
        answer_check = verify_citations(question, text, selected, min_score=MIN_CITATION_PROBABILITY)
        step_check = verify_steps(question, parsed.steps, selected, min_score=MIN_CITATION_PROBABILITY)
        dropped += [*step_check.refusals, *answer_check.refusals]
        unsupported = (*step_check.unsupported, *answer_check.unsupported)
        dropped += [f"no passage shown supports: {statement!r}" for statement in unsupported]
        if any(map(parse_step, step_check.unsupported)) or not answer_check.citations:
            # what no sentence bears out is withdrawn, however sure it sounded, and so is what rests on it
            return replace(abstention(question, evidence, tuple(dropped)), model=model_label(llm))
        citations = tuple(dict.fromkeys((*step_check.citations, *answer_check.citations)))
        sources = {citation.passage_id for citation in citations}
        paths = tuple(path for hit in hits if hit.passage.id in sources for path in hit.paths)
        return Answer(
            question,
            self._localize(question, " ".join(answer_check.supported), answer_check.citations[-1].quote),
            evidence,
            citations,
            paths,
            diagnostics=tuple(dropped),
            model=model_label(llm),
            steps=step_check.supported,
        )

    def _generate(
        self, question: str, hits: Sequence[Hit], graph_answers: Sequence[GraphAnswer], on_text: OnText | None
    ) -> tuple[list[SelectedPassage], list[str], str]:
        """What the model was shown, what was left out, and what it said."""
        llm = self.llm()
        selected, dropped = select_evidence(question, hits, self._evidence_budget(llm, question), llm.count)
        messages = prompts.grounded_prompt(
            question, [(s.hit.title, s.text) for s in selected], format_fact_lines(graph_answers, selected)
        )
        return (
            selected,
            dropped,
            llm.generate(messages, max_tokens=max_answer_tokens(llm, self.answer_tokens), on_text=on_text),
        )

    def _evidence_budget(self, llm: LLM, question: str) -> int:
        return evidence_budget(llm, prompts.grounded_prompt(question, []), self.evidence_tokens, self.answer_tokens)


def abstention(question: str, hits: Sequence[Hit], dropped: tuple[str, ...]) -> Answer:
    return Answer(
        question, prompts.ABSTENTION_TEXT[detect_language(question)], tuple(hits), diagnostics=dropped, abstained=True
    )
