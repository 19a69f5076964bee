"""Data model shared by all packages: documents, passages, entities, facts, questions and answers.

All values are frozen. Four conventions hold everywhere:

- Ranks start at 1.
- Higher scores are better.
- Offsets are Python character offsets into ``Document.text``; the end is exclusive.
- An undefined score is NaN and is counted as undefined, never as 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kgrag.tree import NO_TREE, DocumentTree

MetadataValue = str | int | float | tuple[str, ...]
"""Value of a document's metadata; a tuple has several values, such as tags."""
VALUE = "VALUE"
"""Mention type of a value that a document states in its own form: a cell of a table, a default."""
VALUE_TYPES = frozenset(["DATE", "QUANTITY", VALUE])
"""Mention types that are values. Facts may point at them; graph walks skip them (a year would join most documents)."""
STRUCTURE, PATTERN, CLASSIFIER, LLM = "structure", "pattern", "classifier", "llm"
"""Values of `Triple.found_by`."""
RULES, BOTH = "rules", "both"
"""Values of `Extraction.extractor`, besides `LLM`. `RULES` covers structure, patterns and the classifier."""


@dataclass(frozen=True, slots=True)
class Document:
    """A readable unit of text: a file, or one row of a table or JSONL file.

    Attributes:
        id: Human-readable identifier: a path, or the row's ``_id``.
        title: Title as written; may be empty.
        text: Body text, which all offsets refer to.
        source: The file that the document comes from.
        lang: ``"en"`` or ``"zh"``.
        sha256: Hex digest of title, text, tree and metadata; equal digests mean an unchanged document.
        tree: Blocks, links and places on pages, as spans of the text; empty for plain text.
        metadata: Properties that the document states of itself, such as ``author`` and ``tags``.
    """

    id: str
    title: str
    text: str
    source: str
    lang: str
    sha256: str
    tree: DocumentTree = NO_TREE
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class DocumentHeader:
    """Metadata of a document: the entity that its title names, its title, and its source file."""

    entity_id: str
    title: str
    source: str


@dataclass(frozen=True, slots=True)
class DocumentProperties:
    """Identity and metadata of a document, without its text, for filters."""

    id: str
    title: str
    source: str
    lang: str
    metadata: Mapping[str, MetadataValue]

    def fields(self) -> dict[str, tuple[str, ...]]:
        """Return the values of every field; ``date`` is the date of creation, or else of the last change."""
        fields = {
            name.lower(): value if isinstance(value, tuple) else (str(value),) for name, value in self.metadata.items()
        }
        if date := fields.get("created") or fields.get("modified"):
            fields.setdefault("date", date)
        extension = self.source.rpartition("/")[2].rpartition(".")[2].lower()
        fields.setdefault("format", (extension,))
        return fields | {"id": (self.id,), "title": (self.title,), "path": (self.source,), "lang": (self.lang,)}


@dataclass(frozen=True, slots=True)
class Passage:
    """A run of whole sentences in a document: ``document.text[start:end] == text``.

    Attributes:
        id: The document's id with a running number: ``notes.md#0001``.
        document_id: Id of its document.
        text: Its text.
        start: Start in the document's text.
        end: End in the document's text, exclusive.
        headings: Headings above it, the outermost first, without one that repeats the document's title.
        page_starts: (offset, page) of the first character on each of its pages, from page 1; the first offset is
            ``start``. Empty if the document has no pages.
    """

    id: str
    document_id: str
    text: str
    start: int
    end: int
    headings: tuple[str, ...] = ()
    page_starts: tuple[tuple[int, int], ...] = ()

    @property
    def page(self) -> int | None:
        """The page on which the passage begins, or None if the document has no pages."""
        return self.page_starts[0][1] if self.page_starts else None

    def page_at(self, offset: int) -> int | None:
        """Return the page of the character at ``offset`` of the document's text, or None."""
        return next((page for start, page in reversed(self.page_starts) if start <= offset), self.page)

    def context(self, title: str) -> str:
        """Return the document's title and the headings above the passage, which its text does not repeat."""
        return ". ".join([title, *self._headings_above()])

    def _headings_above(self) -> list[str]:
        first_line = self.text.partition("\n")[0].strip("#* ")
        return [heading for heading in self.headings if heading != first_line]

    def text_below_headings(self) -> str:
        """Return the headings above the passage, which its text does not repeat, and its text."""
        return ". ".join([*self._headings_above(), self.text])

    def indexed_text(self, title: str) -> str:
        """Return the text by which the passage is found: its title, the headings above it, and its own text."""
        return f"{self.context(title)}. {self.text}"


@dataclass(frozen=True, slots=True)
class Entity:
    """A node of the graph.

    Attributes:
        id: Normalised name (`kgrag.text.normalize_name`).
        name: Most frequent spelling, for display.
        type: Entity type, for example ``"PERSON"``.
        aliases: Other spellings, sorted.
    """

    id: str
    name: str
    type: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mention:
    """A span of a passage that names an entity.

    ``start`` and ``end`` are offsets into the document's text; ``surface`` is the text between them.
    """

    entity_id: str
    passage_id: str
    start: int
    end: int
    type: str = "MISC"
    surface: str = ""


@dataclass(frozen=True, slots=True)
class Triple:
    """A fact with the sentence that states it.

    The predicate ``mentions`` only means that the subject's document names the object in that sentence.

    Attributes:
        subject: Entity id of the subject.
        predicate: Name of the relation.
        object: Entity id of the object.
        passage_id: Passage that contains the sentence.
        start: Start of the sentence in the document's text.
        end: End of the sentence, exclusive.
        confidence: Confidence in (0, 1].
        found_by: Extractor: `STRUCTURE`, `PATTERN`, `CLASSIFIER`, `LLM`, or several joined by ``+``, in this order.
    """

    subject: str
    predicate: str
    object: str
    passage_id: str
    start: int
    end: int
    confidence: float
    found_by: str = PATTERN


@dataclass(frozen=True, slots=True)
class Path:
    """A path through the graph: ``triples[i]`` joins ``nodes[i]`` and ``nodes[i + 1]``, in either direction.

    ``names`` are the display names of ``nodes``; ``len(nodes) == len(names) == len(triples) + 1``.
    """

    nodes: tuple[str, ...]
    names: tuple[str, ...]
    triples: tuple[Triple, ...]


@dataclass(frozen=True, slots=True)
class Hit:
    """A retrieved passage with its score and rank.

    ``component_scores`` holds the score or rank that each retriever gives the passage, by name. ``paths`` are the graph
    paths that lead to it. ``copies`` are the ids of the other passages with the same text, which are not retrieved.
    """

    passage: Passage
    title: str
    source: str
    score: float
    rank: int
    paths: tuple[Path, ...] = ()
    component_scores: Mapping[str, float] = field(default_factory=dict)
    copies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Citation:
    """The sentence that supports a statement.

    ``start`` and ``end`` are offsets into the document's text; ``quote`` is the text between them. ``page`` is the page
    on which it begins, if the document has pages.
    """

    passage_id: str
    start: int
    end: int
    quote: str = ""
    page: int | None = None


@dataclass(frozen=True, slots=True)
class DraftStatement:
    """A statement of an answer that is still being written, as the citation check found it.

    Attributes:
        text: the statement as the model wrote it, with its citation marks.
        is_supported: whether sentences of the passages support it; the answer will be without it otherwise.
        citations: these sentences; none for a line that introduces a list.
        reason: why it is not supported, if that is known.
    """

    text: str
    is_supported: bool
    citations: tuple[Citation, ...] = ()
    reason: str = ""


class DiagnosticCode(StrEnum):
    """Kind of a diagnostic of an answer."""

    EVIDENCE_OMITTED = "evidence_omitted"
    """Sentences were left out of the prompt because of its token budget."""
    INJECTED_TEXT = "injected_text"
    """Sentences were left out of the prompt because they command an answer instead of stating something."""
    NO_EVIDENCE = "no_evidence"
    """No retrieved passage was likely enough to hold the answer."""
    CITATION_REFUSED = "citation_refused"
    """A citation was dropped: no sentence of its passage supports the statement."""
    STATEMENT_DROPPED = "statement_dropped"
    """A statement was dropped: no passage in the prompt supports it."""
    ANSWER_REPLACED = "answer_replaced"
    """The reasoning steps, or a sentence of the evidence, gave another answer than the model."""
    ANSWER_WITHDRAWN = "answer_withdrawn"
    """The answer contradicted its own reasoning steps, repeated the question, or lacked a stated relation."""
    COMPARISON_INCOMPLETE = "comparison_incomplete"
    """A value is missing for one of two compared entities."""
    NAME_AMBIGUOUS = "name_ambiguous"
    """Several documents state different values: the name may mean more than one."""
    LOOKUP_FAILED = "lookup_failed"
    """A fact that the graph lacks was not found in the text, or the limit of lookups was reached."""
    LOOKUP_UNCERTAIN = "lookup_uncertain"
    """The sentence of a looked-up fact only implies it."""
    PART_UNANSWERED = "part_unanswered"
    """The question with a known part replaced by its answer had no answer."""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A remark on how an answer was produced: a code for programs and a sentence for readers."""

    code: DiagnosticCode
    message: str


@dataclass(frozen=True, slots=True)
class StageResult:
    """Record of a stage or a guard of the answer pipeline that ran.

    Attributes:
        name: its name (`kgrag.answering.profiles`).
        outcome: ``"passed"``, ``"replaced"`` (the draft), ``"answered"`` or ``"abstained"``.
        seconds: time taken.
    """

    name: str
    outcome: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with its evidence, citations and the record of how it was produced.

    Attributes:
        question: The question as asked.
        text: The answer; in case of an abstention, the sentence that says so.
        evidence: Passages that the reader was given.
        citations: Sentences that support the answer.
        paths: Graph paths that support the answer.
        grounded: Whether the answer is based on retrieved evidence.
        abstained: Whether the answer says that it has none.
        diagnostics: Remarks on evidence left out of the prompt and statements dropped by verification.
        model: Name of the language model. For the ``"graph"`` reader: the model that looked up missing facts, or "".
        reader: ``"graph"``, ``"table"``, ``"collection"``, ``"quote"`` or ``"llm"``.
        seconds: Total time taken.
        steps: Reasoning lines that the model wrote before its answer and that passed verification
            (`kgrag.answering.reasoning_steps`).
        trace: The stages and guards that ran, in order.
        shown: Sentences of the evidence that the language model was shown, in the order of the prompt.
    """

    question: str
    text: str
    evidence: tuple[Hit, ...] = ()
    citations: tuple[Citation, ...] = ()
    paths: tuple[Path, ...] = ()
    grounded: bool = True
    abstained: bool = False
    diagnostics: tuple[Diagnostic, ...] = ()
    model: str = ""
    reader: str = "llm"
    seconds: float = 0.0
    steps: tuple[str, ...] = ()
    trace: tuple[StageResult, ...] = ()
    shown: tuple[Citation, ...] = ()

    @property
    def non_empty_paths(self) -> tuple[Path, ...]:
        """Return the distinct paths that have at least one step."""
        return tuple(dict.fromkeys(path for path in self.paths if path.triples))


@dataclass(frozen=True, slots=True)
class Question:
    """A test question.

    Attributes:
        id: Identifier, unique in its set.
        text: The question.
        answers: Accepted answers; may be empty.
        gold: Ids of the documents that hold the answer; may be empty.
        lang: ``"en"`` or ``"zh"``.
        type: Category in its dataset; may be empty.
        hops: Number of reasoning steps; 0 if unknown.
    """

    id: str
    text: str
    answers: tuple[str, ...] = ()
    gold: tuple[str, ...] = ()
    lang: str = "en"
    type: str = ""
    hops: int = 0


@dataclass(frozen=True, slots=True)
class Extraction:
    """Everything extracted from one document; stored in one transaction.

    Attributes:
        document: The document.
        passages: Its passages, in order.
        names: Declared names of its subject and of others, as ``(entity_id, name, type)``; the title first.
        mentions: Entity mentions in all passages.
        triples: Facts in all passages.
        extractor: Extractor of the facts: `RULES`, `LLM` or `BOTH`.
    """

    document: Document
    passages: tuple[Passage, ...]
    names: tuple[tuple[str, str, str], ...]
    mentions: tuple[Mention, ...]
    triples: tuple[Triple, ...]
    extractor: str = RULES


@dataclass(frozen=True, slots=True)
class Interval:
    """A measured value with its 95 % confidence interval."""

    value: float
    low: float
    high: float


class Verdict(StrEnum):
    """Relation of evidence to a claim."""

    SUPPORTED = "supported"
    REFUTED = "refuted"
    NOT_ENOUGH_INFO = "not enough info"


@dataclass(frozen=True, slots=True)
class ClaimVerdict:
    """A judge's verdict on a claim.

    Attributes:
        verdict: The verdict.
        support: Probability in [0, 1] that the evidence supports the claim; NaN if the judge gives none.
        component_scores: Scores of the judge's components, by name.
    """

    verdict: Verdict
    support: float
    component_scores: Mapping[str, float] = field(default_factory=dict)
