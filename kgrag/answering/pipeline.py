"""Answer a question: the stages and guards of a profile, one after the other, until one of them decides."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from kgrag import prompts
from kgrag.answering.draft_checker import OnStatement
from kgrag.answering.draft_cleaner import generate_draft
from kgrag.answering.guards.citation_guard import keep_cited_statements
from kgrag.answering.guards.echo import replace_echoed_question
from kgrag.answering.guards.kinship import require_stated_kinship
from kgrag.answering.guards.step_guard import resolve_reasoning_steps
from kgrag.answering.localize import localize_draft
from kgrag.answering.profiles import SMALL, Profile
from kgrag.answering.stages.collection import answer_from_collection
from kgrag.answering.stages.decomposition import answer_decomposed
from kgrag.answering.stages.draft_prompt import build_draft_prompt
from kgrag.answering.stages.evidence_selection import select_passages
from kgrag.answering.stages.fact_lookup import FactLookup, OnStep
from kgrag.answering.stages.generation import draft_answer
from kgrag.answering.stages.graph_answer import answer_from_facts, answer_from_graph, gather_facts
from kgrag.answering.stages.lookup_step import make_lookup
from kgrag.answering.stages.quotation import answer_by_quotation
from kgrag.answering.stages.retrieval import require_relevant_passage, retrieve_passages
from kgrag.answering.stages.table_row import answer_from_table
from kgrag.answering.state import AnswerContext, AnswerResources, AnswerState, Guard, Stage
from kgrag.config import Style
from kgrag.graphqa.traversal import GraphAnswer
from kgrag.llm.chat_model import model_label
from kgrag.protocols import GenerationOptions, OnText
from kgrag.text.question_form import AnswerForm, answer_form
from kgrag.types import Answer, Hit, StageResult

logger = logging.getLogger(__name__)

ReaderMode = Literal["auto", "llm", "graph", "quote"]
_BRIEF_FORMS = (AnswerForm.PHRASE, AnswerForm.YES_NO)
STAGE_FUNCTIONS: Mapping[str, Stage] = {
    "retrieval": retrieve_passages,
    "collection": answer_from_collection,
    "graph_answer": answer_from_facts,
    "graph_facts": gather_facts,
    "table_row": answer_from_table,
    "decomposition": answer_decomposed,
    "relevance": require_relevant_passage,
    "quotation": answer_by_quotation,
    "evidence": select_passages,
    "generation": draft_answer,
}
GUARD_FUNCTIONS: Mapping[str, Guard] = {
    "reasoning_steps": resolve_reasoning_steps,
    "echo": replace_echoed_question,
    "citations": keep_cited_statements,
    "localization": localize_draft,
    "kinship": require_stated_kinship,
}


@dataclass
class AnswerPipeline(AnswerResources):
    """Answers questions over one store (`AnswerResources`).

    Attributes:
        profile: the stages and guards that run, and their budgets.
        evidence_tokens: tokens of evidence in a prompt instead of the profile's; 0 for the profile's.
        answer_tokens: tokens of an answer instead of the profile's; 0 for the profile's.
        max_lookups: facts that the graph lacks and that are looked up for a question, at most
            (`kgrag.answering.stages.fact_lookup`).
        style: form of the answers; ``"auto"`` chooses it by the question.
    """

    profile: Profile = SMALL
    evidence_tokens: int = 0
    answer_tokens: int = 0
    max_lookups: int = 4
    style: Style = "auto"

    def answer(
        self,
        question: str,
        k: int = 8,
        *,
        reader: ReaderMode = "auto",
        is_deep: bool = False,
        on_text: OnText | None = None,
        on_progress: OnStep | None = None,
        on_statement: OnStatement | None = None,
    ) -> Answer:
        """Retrieve evidence, generate an answer and verify every citation; abstain if no evidence supports the answer.

        Args:
            question: in English or Chinese.
            k: number of passages to retrieve.
            reader: answer from typed facts (``"graph"``), with the language model (``"llm"``), in the documents' own words
                (``"quote"``), or with whichever fits (``"auto"``).
            is_deep: whether the model writes up the themes of many documents, one call each.
            on_text: called with each piece of the language model's text; returns True to stop the generation.
            on_progress: called with each intermediate question before it is asked (a fact to look up, or the rewritten
                question), and with a newline after one that does not give the answer.
            on_statement: called with each statement that the model writes, as soon as its citations are checked
                (`kgrag.answering.draft_checker`).

        Raises:
            UsageError: the question is empty or too long.
            ModelError: the language model is needed and cannot be used.
        """
        start = time.perf_counter()
        state = AnswerState(question, k, self._form(question))
        context = self._context(self._budgeted_profile(), on_text, on_progress)
        context = replace(context, is_deep=is_deep, on_statement=on_statement)
        if reader == "graph":
            state = answer_from_graph(_run_stage("retrieval", retrieve_passages, state, context), context)
            return replace(state.finish(), seconds=time.perf_counter() - start)
        if reader == "llm":
            context = replace(context, profile=context.profile.for_passages())
        elif reader == "quote":
            context = replace(context, profile=context.profile.for_quotation())
        elif self.max_lookups and "graph_answer" in context.profile.stages:
            context = replace(context, lookup=make_lookup(question, context, self.max_lookups))
        answer = _add_lookups(_run(state, context), context.lookup)
        return replace(answer, seconds=time.perf_counter() - start)

    def answer_closed_book(self, question: str, on_text: OnText | None = None) -> Answer:
        """Answer from the language model's memory, without evidence or citations."""
        start = time.perf_counter()
        llm, form = self.llm(), self._form(question)
        options = GenerationOptions(max_tokens=self._budgeted_profile().answer_tokens[form])
        text = generate_draft(llm, prompts.closed_book_prompt(question), options, on_text)
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
        state = AnswerState(question, len(hits), self._form(question), tuple(hits))
        context = self._context(self._budgeted_profile().for_given_passages(), on_text)
        answer = _run(state, context) if hits else state.abstain().finish()
        return replace(answer, seconds=time.perf_counter() - start)

    def draft_from_evidence(
        self, question: str, hits: Sequence[Hit], graph_answers: Sequence[GraphAnswer] = ()
    ) -> tuple[AnswerState, prompts.Messages]:
        """Let the model write a draft from given evidence; return the unchecked state and the model's prompt."""
        context = self._context(self._budgeted_profile())
        state = AnswerState(question, len(hits), self._form(question), tuple(hits), tuple(graph_answers))
        for name in context.profile.stages:
            state = _run_stage(name, STAGE_FUNCTIONS[name], state, context)
        return state, build_draft_prompt(state, context.profile)

    def _form(self, question: str) -> AnswerForm:
        """Return the form of the answer; the style ``full`` gives sentences where a phrase is asked for."""
        if self.style == "phrase":
            return AnswerForm.PHRASE
        form = answer_form(question) if self.style != "sentences" else AnswerForm.SENTENCES
        return AnswerForm.SENTENCES if self.style == "full" and form in _BRIEF_FORMS else form

    def _budgeted_profile(self) -> Profile:
        """Return the profile with the pipeline's own budgets, if it has any."""
        profile = self.profile
        if self.evidence_tokens:
            profile = replace(profile, evidence_tokens=dict.fromkeys(AnswerForm, self.evidence_tokens))
        if self.style == "full":
            profile = replace(profile, answer_tokens=dict.fromkeys(AnswerForm, max(profile.answer_tokens.values())))
        if self.answer_tokens:
            answer_tokens = dict.fromkeys(AnswerForm, self.answer_tokens)
            profile = replace(profile, answer_tokens=answer_tokens, quoted_tokens=self.answer_tokens)
        return profile

    def _context(
        self, profile: Profile, on_text: OnText | None = None, on_progress: OnStep | None = None
    ) -> AnswerContext:
        def answer_part(state: AnswerState, part_profile: Profile) -> Answer:
            return _run(state, replace(context, profile=part_profile, lookup=None))

        context = AnswerContext(self, profile, answer_part, None, on_text, on_progress)
        return context


def _run(state: AnswerState, context: AnswerContext) -> Answer:
    """Run the profile's stages and guards until one of them decides."""
    profile = context.profile
    for name in profile.stages:
        state = _run_stage(name, STAGE_FUNCTIONS[name], state, context)
        if state.answer is not None:
            return state.finish()
    for name in profile.guards:
        if prompts.is_abstention(state.draft or ""):
            break
        state = _run_stage(name, GUARD_FUNCTIONS[name], state, context)
        if state.answer is not None:
            return state.finish()
    return (state.abstain() if prompts.is_abstention(state.draft or "") else state).finish()


def _run_stage(name: str, stage: Stage, state: AnswerState, context: AnswerContext) -> AnswerState:
    """Run one stage and record its result."""
    start = time.perf_counter()
    after = stage(state, context)
    seconds = time.perf_counter() - start
    logger.debug("%s: %.3f s", name, seconds)
    if after.answer is not None:
        outcome = "abstained" if after.answer.abstained else "answered"
    else:
        outcome = "replaced" if state.draft is not None and after.draft != state.draft else "passed"
    return replace(after, trace=(*after.trace, StageResult(name, outcome, round(seconds, 4))))


def _add_lookups(answer: Answer, lookup: FactLookup | None) -> Answer:
    """Return the answer with the remarks of the lookup, and its model if the answer is from the graph."""
    if lookup is None:
        return answer
    model = lookup.model if answer.reader == "graph" and lookup.model else answer.model
    return replace(answer, model=model, diagnostics=(*answer.diagnostics, *dict.fromkeys(lookup.diagnostics)))
