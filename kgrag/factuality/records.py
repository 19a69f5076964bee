"""Types and file format of the records: one record per question, condition and arm.

``records.jsonl`` has one record per line, ordered by question, condition and arm. Every later figure follows from the
records, so runs are compared, labelled and drawn from this file alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypedDict, cast

from kgrag.errors import ReadError, UsageError

RECORDS_FILE = "records.jsonl"


class TripleRecord(TypedDict):
    """A fact of a path, with entity ids and the span of the sentence that states it."""

    subject: str
    predicate: str
    object: str
    passage_id: str
    start: int
    end: int
    confidence: float
    found_by: str


class PathRecord(TypedDict):
    """A path through the graph: display names, entity ids, and one fact per step."""

    names: list[str]
    nodes: list[str]
    triples: list[TripleRecord]


class JudgementRecord(TypedDict):
    """A judgement of a claim."""

    verdict: str
    """supported, contradicted or unverifiable"""
    support: float | None
    """the judge's probability that the claim is supported; null if the judge gives none"""
    parts: dict[str, float]
    """component scores of the judge"""


class GraphRecord(JudgementRecord):
    """The judgement of an answer by typed facts."""

    expected: str
    """the answer that the facts give"""
    paths: list[PathRecord]


class CitationRecord(TypedDict):
    """A sentence that supports the answer; offsets count in the document's text."""

    passage_id: str
    document: str
    title: str
    start: int
    end: int
    quote: str


class RetrievedRecord(TypedDict):
    """A passage that was retrieved for a claim."""

    passage_id: str
    document: str
    title: str
    text: str
    start: int
    end: int


class EvidenceRecord(TypedDict):
    """A passage that an arm retrieved for the question."""

    rank: int
    """from 1"""
    passage_id: str
    document: str
    """document id"""
    title: str
    """document title"""
    heading: str
    """title and headings, as in the prompt; reports of earlier versions have none"""
    source: str
    """the file that the document came from"""
    text: str
    """the whole passage, after the edit"""
    start: int
    """start in the document's text; in an edited passage, offsets count in its edited text from there"""
    end: int
    """end in the document's text"""
    score: float
    """score of the arm's retriever"""
    gold: bool
    """whether its document is gold"""
    number: int | None
    """its number in the prompt; null if no part of it was shown"""
    spans: list[list[int]]
    """the sentences shown, as [start, end] in the document's text"""
    cited: bool
    """whether the answer cites it"""
    paths: list[PathRecord]
    """paths from the question to the passage"""


class ClaimRecord(TypedDict):
    """A claim of an answer, with the judgement of each source."""

    statement: str
    """the claim in the words of the answer"""
    text: str
    """the claim in words that need no question"""
    verdict: str
    """supported, contradicted or unverifiable, by the first of known, gold, retrieved and graph that decides"""
    support: float | None
    """the judge's probability that the claim is supported, or null"""
    source: str
    """known, gold, retrieved or graph, whichever decided; empty if none did"""
    checks: dict[str, JudgementRecord]
    """judgements by source: known, gold, retrieved, graph and shown, as far as each was asked"""
    cited: list[int]
    """indices into the record's citations: those that support the claim alone"""
    cited_together: bool | None
    """whether all citations together support the claim; null without citations"""
    found: list[RetrievedRecord]
    """passages retrieved for the claim"""


class EditRecord(TypedDict):
    """A replacement in the evidence."""

    old: list[str]
    """spellings that were replaced"""
    new: str


class TokenRecord(TypedDict):
    """Names and numbers of an answer that its question lacks, and those of them that no shown passage has."""

    names: list[str]
    names_missing: list[str]
    numbers: list[str]
    numbers_missing: list[str]


class RetrievalRecord(TypedDict):
    """Coverage of the question's gold documents and accepted answers by the evidence."""

    gold_retrieved: float | None
    """share of the gold documents that were retrieved"""
    gold_shown: float | None
    """share of the gold documents that were shown"""
    answer_shown: bool | None
    """whether the shown evidence states an accepted answer; null if that is unknown"""
    passages: int
    """passages retrieved"""
    shown: int
    """passages shown"""
    sufficient: bool
    """whether the shown evidence is enough to answer"""


class UncertaintyRecord(TypedDict):
    """Uncertainty of the model about its answer; null if a value is not measured or not defined."""

    logprob: float | None
    """mean log-probability of the answer's tokens, in nats"""
    chance: float | None
    """exponential of ``logprob``"""
    surprise: float | None
    """negative of ``logprob``"""
    samples: list[str]
    """other answers of the model, drawn at random"""
    cluster_of: list[int]
    """for each sample the number of its meaning"""
    clusters: int | None
    """number of different meanings"""
    entropy: float | None
    """semantic entropy, in nats"""
    weighted_entropy: float | None
    """semantic entropy with answers weighted by their probabilities, in nats"""
    disagreement: float | None
    """share of the samples that do not mean the same as the answer"""


class RunRecord(TypedDict):
    """The answer of one arm to one question under one condition, with its scores."""

    id: str
    """the question's id"""
    condition: str
    """answerable, unanswerable or counterfactual"""
    made: bool
    """whether the experiment created the condition (it hid or edited evidence); false if the question file has it"""
    arm: str
    """closed-book, grounded, vector, graph, gold, placebo or system; ends in +adapter if the adapter was on"""
    question: str
    """text of the question"""
    answers: list[str]
    """accepted answers of the question file; empty if the question is unanswerable as it is"""
    accepted: list[str]
    """correct answers under the condition"""
    gold: list[str]
    """ids of the documents that hold the answer"""
    lang: str
    """en or zh"""
    hops: int
    """steps that the question file gives, or the number of gold documents; 0 if unknown"""
    type: str
    """question type of the file, or empty"""
    cluster: str
    """questions of one cluster share documents; the bootstrap draws them together"""
    hidden: list[str]
    """documents that were hidden"""
    edit: EditRecord | None
    """replacement in the evidence, or null"""
    altered: bool
    """whether the edit changed any retrieved passage; if it changed none, the record counts in no rate"""
    donor: str
    """placebo only: id of the question whose passages were shown"""
    answer: str
    """the model's text; after reasoning steps, the answer that follows from them (`kgrag.answering.guards.comparison`)"""
    steps: list[str]
    """lines that the model wrote before its answer; for the arm system, the verified ones"""
    outcome: str
    """correct, wrong, abstained or empty"""
    from_memory: bool
    """hidden evidence only: a wrong answer that equals the file's answer, so the model knew or guessed it"""
    f1: float | None
    """token F1 with the closest accepted answer; null without one"""
    claims: list[ClaimRecord]
    facts: list[str]
    """lines of typed facts shown beside the passages"""
    citations: list[CitationRecord]
    """sentences that support the answer"""
    paths: list[PathRecord]
    """paths through the graph to the cited passages, and typed facts that answer"""
    graph: GraphRecord | None
    """judgement of the answer by typed facts, or null"""
    standing: TokenRecord | None
    """names and numbers of the answer; null in arms without evidence"""
    retrieval: RetrievalRecord | None
    """coverage of the evidence; null in arms without evidence"""
    measures: dict[str, float | None]
    """metrics of the claims (`kgrag.factuality.scoring.claim_verification.claim_metrics`), null if undefined"""
    evidence: list[EvidenceRecord]
    """retrieved passages in rank order"""
    uncertainty: UncertaintyRecord | None
    blame: str
    """evidence missing, evidence ignored, noise, over-abstention, or empty"""
    dropped: list[str]
    """sentences about evidence left out of the prompt and citations that were dropped"""
    model: str
    """name of the language model"""
    reader: str
    """llm; graph if the arm system read the answer off typed facts, some of which the model may have looked up"""
    seconds: float
    """time the language model took for this answer when it was first generated"""


def record_line(record: RunRecord | Mapping[str, object]) -> str:
    """Return a record as its line of ``records.jsonl``."""
    return json.dumps(record, ensure_ascii=False, allow_nan=False)


def records_digest(records: Iterable[RunRecord]) -> str:
    """Return the sha256 of the records without their times; equal runs have equal digests."""
    content = "\n".join(record_line({k: v for k, v in r.items() if k != "seconds"}) for r in records)
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


def load_records(folder: Path) -> list[RunRecord]:
    """Load the records of a finished run.

    Raises:
        UsageError: ``folder`` has no ``records.jsonl``.
        ReadError: the file is damaged.
    """
    path = folder / RECORDS_FILE
    if not path.is_file():
        raise UsageError(
            f"Expected a finished run of `kgrag eval` in {folder} ({RECORDS_FILE}), found none: pass its folder."
        )
    try:
        return [cast(RunRecord, json.loads(row)) for row in path.read_text("utf-8").splitlines()]
    except (ValueError, OSError) as error:
        raise ReadError(
            f"{path} cannot be read ({error}): run `kgrag eval` again; finished answers are cached."
        ) from error
