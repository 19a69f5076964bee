"""State of a question on its way through the stages, and what the stages may use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from graphs.predicates import PredicateSchema, load_predicate_schema
from kgrag import prompts
from kgrag.answering.draft_checker import OnStatement
from kgrag.answering.profiles import Profile
from kgrag.answering.selected_passage import SelectedPassage
from kgrag.answering.stages.fact_lookup import FactLookup, OnStep
from kgrag.collection.reader import CollectionReader
from kgrag.graphqa.protocol import GraphQA
from kgrag.graphqa.traversal import GraphAnswer
from kgrag.protocols import LLM, Embedder, OnText, Retriever
from kgrag.text import detect_language
from kgrag.text.question_form import AnswerForm
from kgrag.types import Answer, Citation, Diagnostic, DiagnosticCode, Hit, Passage, Path, StageResult, Triple


@dataclass
class AnswerResources:
    """Functions that load one store and one language model.

    ``retriever``, ``graph_qa`` and ``llm`` are functions, so that each part loads only when it is needed.
    ``evidence_for_triples`` returns the passages that state the given triples, as hits; ``passages_of_document`` those of
    a document, in order. ``schema`` has the store's predicates. ``embedder_for``
    returns an embedder for a language, which compares the evidence with the question; without one, words alone decide.
    ``collection`` answers questions about
    many documents; None where there are none but the given passages.
    """

    retriever: Callable[[], Retriever]
    graph_qa: Callable[[], GraphQA]
    llm: Callable[[], LLM]
    evidence_for_triples: Callable[[Sequence[Triple]], list[Hit]] = lambda _: []
    passages_of_document: Callable[[str], Sequence[Passage]] = lambda _: ()
    schema: PredicateSchema = field(default_factory=load_predicate_schema)
    embedder_for: Callable[[str], Embedder | None] = lambda language: None
    collection: Callable[[], CollectionReader | None] = lambda: None


@dataclass(frozen=True)
class AnswerState:
    """A question, and everything found about it so far.

    Attributes:
        question: as asked.
        k: passages to retrieve.
        form: form that the answer should have.
        hits: retrieved passages, best first.
        graph_answers: answers from typed facts, best first.
        selected: passages of the prompt, with the sentences shown.
        draft: the model's answer, as the guards left it so far; None before the model was asked.
        steps: the reasoning steps that the model wrote before it.
        citations: sentences that support the draft.
        paths: graph paths that support the draft.
        model: label of the model that was asked.
        diagnostics: remarks so far.
        answer: the answer, once a stage has decided; no further stage runs.
        trace: the stages that ran.
    """

    question: str
    k: int
    form: AnswerForm
    hits: tuple[Hit, ...] = ()
    graph_answers: tuple[GraphAnswer, ...] = ()
    selected: tuple[SelectedPassage, ...] = ()
    draft: str | None = None
    steps: tuple[str, ...] = ()
    citations: tuple[Citation, ...] = ()
    paths: tuple[Path, ...] = ()
    model: str = ""
    diagnostics: tuple[Diagnostic, ...] = ()
    answer: Answer | None = None
    trace: tuple[StageResult, ...] = ()

    @property
    def evidence(self) -> tuple[Hit, ...]:
        """The hits, ranked so that the passages of the prompt come first, in the order of their citation marks."""
        hits = {hit.passage.id: hit for hit in (*(passage.hit for passage in self.selected), *self.hits)}
        return tuple(replace(hit, rank=rank) for rank, hit in enumerate(hits.values(), 1))

    def add_diagnostics(self, code: DiagnosticCode, messages: Iterable[str]) -> AnswerState:
        """Return the state with a remark for each message."""
        added = tuple(Diagnostic(code, message) for message in messages)
        return replace(self, diagnostics=(*self.diagnostics, *added)) if added else self

    def abstain(self, code: DiagnosticCode | None = None, message: str = "") -> AnswerState:
        """Return the state with an answer that says, in the question's language, that the documents hold none."""
        state = self.add_diagnostics(code, [message]) if code is not None else self
        text = prompts.ABSTENTION_TEXT[detect_language(self.question)]
        answer = Answer(self.question, text, self.evidence, abstained=True, model=self.model)
        return replace(state, answer=answer)

    def finish(self) -> Answer:
        """Return the answer, with the remarks and the trace of all stages."""
        answer = self.answer or Answer(
            self.question,
            self.draft or "",
            self.evidence,
            self.citations,
            self.paths,
            model=self.model,
            steps=self.steps,
        )
        shown = answer.shown or tuple(citation for passage in self.selected for citation in passage.citations)
        diagnostics = (*self.diagnostics, *answer.diagnostics)
        return replace(answer, diagnostics=diagnostics, trace=self.trace, shown=shown)


@dataclass(frozen=True)
class AnswerContext:
    """Everything that a stage may use besides the state.

    Attributes:
        resources: the store and the model.
        profile: the stages that run, and their budgets.
        lookup: looks up facts that the graph lacks; None if that is disabled.
        on_text: called with each piece of the model's text; returns True to stop the generation.
        on_progress: called with each intermediate question.
        on_statement: called with each statement of the draft as soon as it is checked; None for the parts of a question.
        answer_part: runs another question through some of the stages.
        is_deep: whether the model writes up what an answer about many documents lists.
    """

    resources: AnswerResources
    profile: Profile
    answer_part: Callable[[AnswerState, Profile], Answer]
    lookup: FactLookup | None = None
    on_text: OnText | None = None
    on_progress: OnStep | None = None
    on_statement: OnStatement | None = None
    is_deep: bool = False


Stage = Callable[[AnswerState, AnswerContext], AnswerState]
"""Returns the state with what the stage found; sets `AnswerState.answer` to end the pipeline."""
Guard = Stage
"""A stage that checks the draft: it keeps, replaces or withdraws it, and leaves a diagnostic if it does not keep it."""
