"""The words of the house: frozen values that pass between the rooms.

Conventions, everywhere: ranks start at 1; scores are higher-is-better; offsets are Python character offsets
into ``Document.text`` with the end exclusive; an undefined score is NaN and is counted, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

VALUE_TYPES = frozenset(["DATE", "QUANTITY"])
"""Types of mentions that are values: kept for facts, never walked through (a year would join half of all documents)."""
PATTERN, CLASSIFIER, LLM = "pattern", "classifier", "llm"
RULES, BOTH = "rules", "both"


@dataclass(frozen=True, slots=True)
class Document:
    """One readable thing: a file, or a row of a table or of a jsonl file.

    ``id`` names it for people (a path, or the row's ``_id``); ``source`` is the file it came from;
    ``lang`` is ``"en"`` or ``"zh"``; ``sha256`` (hex) covers title and text, so equal means unchanged.
    """

    id: str
    title: str
    text: str
    source: str
    lang: str
    sha256: str


@dataclass(frozen=True, slots=True)
class DocumentHeader:
    """What is said of a document above its text: the entity that its title names, the title, the file it came from."""

    entity_id: str
    title: str
    source: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A run of whole sentences: ``document.text[start:end] == text``."""

    id: str
    document_id: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Entity:
    """One thing: ``id`` is its normalised name, ``name`` its commonest spelling, ``aliases`` the others (sorted)."""

    id: str
    name: str
    type: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mention:
    """A place in a passage where an entity is named; offsets into the document's text."""

    entity_id: str
    passage_id: str
    start: int
    end: int
    type: str = "MISC"
    surface: str = ""


@dataclass(frozen=True, slots=True)
class Triple:
    """A fact and the sentence that states it. ``subject`` and ``object`` are entity ids; ``confidence`` is in (0, 1].

    ``found_by`` is who read it: `PATTERN`, `CLASSIFIER`, `LLM`, or several joined by ``+``, in this order. The predicate ``mentions`` means only: the subject's document names the object there.
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
    """A walk through the graph: ``nodes[i]`` and ``nodes[i + 1]`` are joined by ``triples[i]``, in either direction.

    ``names`` are the display names of ``nodes``; ``len(nodes) == len(names) == len(triples) + 1``.
    """

    nodes: tuple[str, ...]
    names: tuple[str, ...]
    triples: tuple[Triple, ...]


@dataclass(frozen=True, slots=True)
class Hit:
    """A retrieved passage. ``parts`` says what each retriever gave it (scores and ranks by name)."""

    passage: Passage
    title: str
    source: str
    score: float
    rank: int
    paths: tuple[Path, ...] = ()
    component_scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Citation:
    """The sentence that a statement rests on; offsets into the document's text; ``quote`` is that text."""

    passage_id: str
    start: int
    end: int
    quote: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said, what it rests on, and what did not survive checking.

    ``evidence`` is what the reader was shown; ``dropped`` lists, in words, what was left out of the prompt and
    which citations were refused; ``reader`` is ``"graph"`` (of which ``model`` looked up what the facts lacked, if it is
    named) or ``"llm"``; ``seconds`` is the whole time taken; ``steps`` are
    the lines that the model wrote before its answer and that stand (`kgrag.answering.reasoning_steps`).
    """

    question: str
    text: str
    evidence: tuple[Hit, ...] = ()
    citations: tuple[Citation, ...] = ()
    paths: tuple[Path, ...] = ()
    grounded: bool = True
    abstained: bool = False
    diagnostics: tuple[str, ...] = ()
    model: str = ""
    reader: str = "llm"
    seconds: float = 0.0
    steps: tuple[str, ...] = ()

    @property
    def non_empty_paths(self) -> tuple[Path, ...]:
        """The distinct paths that have at least one step."""
        return tuple(dict.fromkeys(path for path in self.paths if path.triples))


@dataclass(frozen=True, slots=True)
class Question:
    """A question of a test set: accepted ``answers`` and the ids of the ``gold`` documents (both may be empty); ``hops``
    are the steps that it takes, 0 where nobody says."""

    id: str
    text: str
    answers: tuple[str, ...] = ()
    gold: tuple[str, ...] = ()
    lang: str = "en"
    type: str = ""
    hops: int = 0


@dataclass(frozen=True, slots=True)
class Extraction:
    """All that reading one document gives, and all that is stored for it, in one transaction.

    ``names`` are the names a document goes by (its title, aliases it declares) as ``(entity_id, name, type)``;
    ``read_by`` is who looked for facts: `RULES`, `LLM` or `BOTH`.
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
    """Whether evidence bears out a claim."""

    SUPPORTED = "supported"
    REFUTED = "refuted"
    NOT_ENOUGH_INFO = "not enough info"


@dataclass(frozen=True, slots=True)
class ClaimVerdict:
    """What a judge says of a claim: its ``verdict``, and ``support``, the probability in [0, 1] that the evidence bears
    the claim out (NaN: the judge gives none); ``parts`` has what its tiers gave, by name."""

    verdict: Verdict
    support: float
    component_scores: Mapping[str, float] = field(default_factory=dict)
