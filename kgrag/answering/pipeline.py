"""Answer a question: retrieve, generate, verify citations, abstain."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from graphs.predicates import PredicateSchema, load_predicate_schema
from kgrag import prompts
from kgrag.answering.guards.citations import make_citation, verify_citations
from kgrag.answering.guards.comparison import parse_and_verify
from kgrag.answering.guards.echo import replace_echo
from kgrag.answering.guards.kinship import unsupported_relation
from kgrag.answering.localize import localize_answer
from kgrag.answering.prompt_budget import evidence_budget, format_fact_lines, max_answer_tokens
from kgrag.answering.reasoning_steps import parse_step, verify_steps
from kgrag.answering.stages.evidence_selection import SelectedPassage, select_evidence
from kgrag.answering.stages.fact_lookup import FactLookup, LookupResult, OnStep
from kgrag.answering.stages.table_ranking import RankedRow, rank_table_rows
from kgrag.graphqa.protocol import GraphQA
from kgrag.graphqa.traversal import GraphAnswer
from kgrag.llm.chat_model import model_label
from kgrag.logs import log_stage
from kgrag.protocols import LLM, GenerationOptions, OnText, Retriever
from kgrag.text import detect_language
from kgrag.text.citation_marks import strip_citation_marks
from kgrag.types import Answer, Diagnostic, DiagnosticCode, Hit, Passage, Triple

logger = logging.getLogger(__name__)

ReaderMode = Literal["auto", "llm", "graph"]
GRAPH_ANSWER_MIN_CONFIDENCE = 0.5
"""Confidence from which the mode `auto` returns a graph answer; below it, the fact is a hint in the model's prompt."""
MIN_PASSAGE_PROBABILITY = 0.3
"""Abstain unless the ranker gives one passage at least this probability of being evidence."""
MIN_CITATION_PROBABILITY = 0.2
"""Reject citations of passages below this probability: they share the words, but are about another subject."""
LOOKUP_EVIDENCE_TOKENS, MAX_LOOKUP_PASSAGES = 250, 6
"""Limits of the prompt for one looked-up fact: tokens of evidence, and number of passages."""


@dataclass
class AnswerPipeline:
    """Answers questions over one store.

    ``retriever``, ``graph_qa`` and ``llm`` are functions, so that each part loads only when it is needed.
    ``evidence_for_triples`` returns the passages that state the given triples, as hits; ``passages_of_document`` those of
    a document, in order. ``schema`` has the store's predicates. At most ``max_lookups`` facts that the graph lacks are
    looked up for a question (`kgrag.answering.stages.fact_lookup`).
    """

    retriever: Callable[[], Retriever]
    graph_qa: Callable[[], GraphQA]
    llm: Callable[[], LLM]
    evidence_for_triples: Callable[[Sequence[Triple]], list[Hit]] = lambda _: []
    passages_of_document: Callable[[str], Sequence[Passage]] = lambda _: ()
    schema: PredicateSchema = field(default_factory=load_predicate_schema)
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
        """Retrieve evidence, generate an answer and verify every citation; abstain if no evidence supports the answer.

        Args:
            question: in English or Chinese.
            k: number of passages to retrieve.
            reader: answer from typed facts (``"graph"``), with the language model (``"llm"``), or from whichever fits
                (``"auto"``).
            on_text: called with each piece of the language model's text; returns True to stop the generation.
            on_progress: called with each intermediate question before it is asked (a fact to look up, or the rewritten
                question), and with a newline after one that does not give the answer.

        Raises:
            UsageError: the question is empty or too long.
            ModelError: the language model is needed and cannot be used.
        """
        start = time.perf_counter()
        with log_stage(logger, "retrieve"):
            hits = self.retriever().retrieve(question, k)
        lookup = self._make_lookup(question, on_text, on_progress) if reader == "auto" else None
        with log_stage(logger, "answer from the graph"):
            graph_answers = self.graph_qa().answer(question, lookup) if reader != "llm" else []
        if reader == "graph" or (graph_answers and graph_answers[0].confidence >= GRAPH_ANSWER_MIN_CONFIDENCE):
            answer = self._answer_from_graph(question, hits, graph_answers)
            if lookup is not None and lookup.model:
                answer = replace(answer, model=lookup.model)
        elif (
            lookup is not None and lookup.diagnostics and not graph_answers and self.graph_qa().is_comparison(question)
        ):
            # a guess between two names would be right half the time, without any evidence
            missing_value = "comparison: a value is missing for one of the two"
            answer = abstention(question, hits, [Diagnostic(DiagnosticCode.COMPARISON_INCOMPLETE, missing_value)])
        elif reader == "llm":
            answer = self._answer_if_relevant(question, hits, graph_answers, on_text)
        elif ranked_row := rank_table_rows(
            question, [hit for hit in hits if hit.score >= MIN_PASSAGE_PROBABILITY], self.passages_of_document
        ):
            answer = _answer_from_table(question, hits, ranked_row)
        else:
            answer = self._answer_decomposed(question, k, lookup, on_text, on_progress) or self._require_stated_kinship(
                self._answer_if_relevant(question, hits, graph_answers, on_text)
            )
        if lookup is not None and lookup.diagnostics:
            answer = replace(answer, diagnostics=(*answer.diagnostics, *dict.fromkeys(lookup.diagnostics)))
        return replace(answer, seconds=time.perf_counter() - start)

    def answer_closed_book(self, question: str, on_text: OnText | None = None) -> Answer:
        """Answer from the language model's memory, without evidence or citations."""
        start = time.perf_counter()
        llm = self.llm()
        text = llm.generate(
            prompts.closed_book_prompt(question), GenerationOptions(max_tokens=self.answer_tokens), on_text=on_text
        )
        return Answer(
            question,
            text.strip(),
            grounded=False,
            abstained=prompts.is_abstention(text),
            model=model_label(llm),
            seconds=time.perf_counter() - start,
        )

    def answer_from_passages(self, question: str, hits: Sequence[Hit], on_text: OnText | None = None) -> Answer:
        """Answer from passages that the caller has chosen, for example the gold passages of a benchmark."""
        start = time.perf_counter()
        answer = self._answer_from_llm(question, hits, [], on_text) if hits else abstention(question, hits, ())
        return replace(answer, seconds=time.perf_counter() - start)

    def _make_lookup(self, question: str, on_text: OnText | None, on_progress: OnStep | None) -> FactLookup | None:
        """Build the fact lookup for one question; None if it is disabled."""
        if not self.max_lookups:
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
            return LookupResult(parse_and_verify(step, text, self.schema).answer, tuple(shown), model_label(self.llm()))

        return FactLookup(answer_step, self.schema, detect_language(question), self.max_lookups, on_progress)

    def _answer_decomposed(
        self, question: str, k: int, lookup: FactLookup | None, on_text: OnText | None, on_progress: OnStep | None
    ) -> Answer | None:
        """Answer the question with a known part replaced by its answer; None if no part is known or no answer follows."""
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
                message = f"no answer to the rewritten question {rewritten_question!r}"
                lookup.diagnostics.append(Diagnostic(DiagnosticCode.PART_UNANSWERED, message))
            return None
        part_answer = self._answer_from_graph(question, (), [decomposed.part])
        # citation marks number the passages of the prompt, so these stay in front
        hits = {hit.passage.id: hit for hit in (*answer.evidence, *part_answer.evidence)}.values()
        evidence = tuple(replace(hit, rank=rank) for rank, hit in enumerate(hits, 1))
        citations = tuple(dict.fromkeys((*part_answer.citations, *answer.citations)))
        paths = (*part_answer.paths, *answer.paths)
        return replace(answer, question=question, evidence=evidence, citations=citations, paths=paths)

    def _answer_if_relevant(
        self, question: str, hits: Sequence[Hit], graph_answers: Sequence[GraphAnswer], on_text: OnText | None
    ) -> Answer:
        """Answer with the language model; abstain if no passage is likely enough to be evidence."""
        if any(hit.score >= MIN_PASSAGE_PROBABILITY for hit in hits):
            return self._answer_from_llm(question, hits, graph_answers, on_text)
        message = f"no retrieved passage is at least {MIN_PASSAGE_PROBABILITY:.0%} likely to hold the answer"
        return abstention(question, hits, [Diagnostic(DiagnosticCode.NO_EVIDENCE, message)])

    def _require_stated_kinship(self, answer: Answer) -> Answer:
        """Withdraw an answer about relatives if no sentence states the relation."""
        if answer.abstained:
            return answer
        question, answer_text = answer.question, strip_citation_marks(answer.text).strip()
        missing = unsupported_relation(
            question, self.graph_qa().parse(question), answer_text, answer.evidence, self.schema
        )
        if not missing:
            return answer
        message = f"answer {answer_text!r} withdrawn: no retrieved sentence states the relation asked for: {missing}"
        diagnostics = (*answer.diagnostics, Diagnostic(DiagnosticCode.ANSWER_WITHDRAWN, message))
        return replace(abstention(question, answer.evidence, diagnostics), model=answer.model)

    def _answer_from_graph(self, question: str, hits: Sequence[Hit], graph_answers: Sequence[GraphAnswer]) -> Answer:
        """Return the best graph answer with its citations; abstain if there is none."""
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
        return localize_answer(text, sentence, detect_language(question), self.schema.countries)

    def _answer_from_llm(
        self, question: str, hits: Sequence[Hit], graph_answers: Sequence[GraphAnswer], on_text: OnText | None
    ) -> Answer:
        """Generate an answer from passages and keep the statements that their citations support."""
        llm = self.llm()
        selected, omitted, text = self._generate(question, hits, graph_answers, on_text)
        parsed = parse_and_verify(question, text, self.schema)
        text, echo_messages = replace_echo(question, parsed.answer, selected)
        diagnostics = [
            *_with_code(DiagnosticCode.EVIDENCE_OMITTED, omitted),
            *_with_code(_replacement_code(parsed.answer), parsed.diagnostics),
            *_with_code(_replacement_code(text), echo_messages),
        ]
        if prompts.is_abstention(text):
            return replace(abstention(question, hits, diagnostics), model=model_label(llm))
        with log_stage(logger, "verify citations"):
            answer_check = verify_citations(question, text, selected, min_score=MIN_CITATION_PROBABILITY)
        step_check = verify_steps(question, parsed.steps, selected, min_score=MIN_CITATION_PROBABILITY)
        diagnostics += _with_code(DiagnosticCode.CITATION_REFUSED, (*step_check.refusals, *answer_check.refusals))
        diagnostics += _with_code(
            DiagnosticCode.STATEMENT_DROPPED,
            [
                f"statement dropped: no passage in the prompt supports {statement!r}"
                for statement in (*step_check.unsupported, *answer_check.unsupported)
            ],
        )
        if any(map(parse_step, step_check.unsupported)) or not answer_check.citations:
            # an answer that rests on an unsupported step is itself unsupported
            return replace(abstention(question, hits, diagnostics), model=model_label(llm))
        citations = tuple(dict.fromkeys((*step_check.citations, *answer_check.citations)))
        sources = {citation.passage_id for citation in citations}
        paths = tuple(path for hit in hits if hit.passage.id in sources for path in hit.paths)
        return Answer(
            question,
            self._localize(question, " ".join(answer_check.supported), answer_check.citations[-1].quote),
            tuple(hits),
            citations,
            paths,
            diagnostics=tuple(diagnostics),
            model=model_label(llm),
            steps=step_check.supported,
        )

    def _generate(
        self, question: str, hits: Sequence[Hit], graph_answers: Sequence[GraphAnswer], on_text: OnText | None
    ) -> tuple[list[SelectedPassage], list[str], str]:
        """Return the selected evidence, messages about omitted sentences, and the model's text."""
        llm = self.llm()
        with log_stage(logger, "select evidence"):
            selected, omitted = select_evidence(question, hits, self._evidence_budget(llm, question), llm.count)
        messages = prompts.grounded_prompt(
            question, [(s.hit.title, s.text) for s in selected], format_fact_lines(graph_answers, selected)
        )
        options = GenerationOptions(max_tokens=max_answer_tokens(llm, self.answer_tokens))
        logger.debug("prompt: %s", messages)
        with log_stage(logger, "generate"):
            text = llm.generate(messages, options, on_text=on_text)
        logger.debug("reply: %s", text)
        return selected, omitted, text

    def _evidence_budget(self, llm: LLM, question: str) -> int:
        return evidence_budget(llm, prompts.grounded_prompt(question, []), self.evidence_tokens, self.answer_tokens)


def _answer_from_table(question: str, hits: Sequence[Hit], ranked_row: RankedRow) -> Answer:
    """Return the row of a table as an answer, which cites it."""
    evidence = [ranked_row.hit, *(hit for hit in hits if hit is not ranked_row.hit)]
    known_ids = {hit.passage.id for hit in evidence}
    for passage, _, _ in ranked_row.spans:  # a table may continue in passages that were not retrieved
        if passage.id not in known_ids:
            evidence.append(replace(ranked_row.hit, passage=passage, paths=(), component_scores={"table": 1.0}))
            known_ids.add(passage.id)
    evidence = [replace(hit, rank=rank) for rank, hit in enumerate(evidence, 1)]
    citations = tuple(make_citation(passage, start, end) for passage, start, end in ranked_row.spans)
    return Answer(question, ranked_row.text, tuple(evidence), citations, reader="table")


def abstention(question: str, hits: Sequence[Hit], diagnostics: Sequence[Diagnostic]) -> Answer:
    """Build an answer that says, in the question's language, that the documents hold no answer."""
    text = prompts.ABSTENTION_TEXT[detect_language(question)]
    return Answer(question, text, tuple(hits), diagnostics=tuple(diagnostics), abstained=True)


def _with_code(code: DiagnosticCode, messages: Iterable[str]) -> list[Diagnostic]:
    return [Diagnostic(code, message) for message in messages]


def _replacement_code(answer: str) -> DiagnosticCode:
    """Return the code of a guard's change to the answer, by the answer that it left."""
    return DiagnosticCode.ANSWER_WITHDRAWN if prompts.is_abstention(answer) else DiagnosticCode.ANSWER_REPLACED
