"""One record a question, condition and arm: all that a report is made of. `KEYS` says what each key is.

``records.jsonl`` has them one a line, ordered by question, condition and arm. Every later figure follows from them, so a
run is compared, labelled and drawn from this file alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from kgrag.answering.stages.evidence_selection import SelectedPassage
from kgrag.errors import ReadError, UsageError
from kgrag.factuality.scoring.claim_verification import VerifiedClaim, judgement_json
from kgrag.serialize import path_json
from kgrag.types import Citation, Hit

RunRecord = dict[str, Any]
RECORDS_FILE = "records.jsonl"
RECORD_KEYS = {
    "id": "the question's id",
    "condition": "answerable, unanswerable or counterfactual",
    "made": "whether the condition was made here (evidence hidden or edited), not found in the file of questions",
    "arm": "closed-book, grounded, vector, graph, gold, placebo or system; with +adapter at its end where it ran with the adapter",
    "question": "its text",
    "answers": "accepted answers of the file; empty where it is unanswerable as it is",
    "accepted": "what is right under the condition",
    "gold": "ids of the documents that hold the answer",
    "lang": "en or zh",
    "hops": "steps the file says, or how many gold documents there are; 0 where nobody knows",
    "type": "the file's type of question, or empty",
    "cluster": "questions of one cluster share documents; drawn together by the bootstrap",
    "hidden": "documents that were out of view",
    "edit": "null, or {old: [spellings], new}: what was replaced in the evidence",
    "altered": "whether the edit changed anything of what was retrieved; where it did not, the case counts in no rate",
    "donor": "of the placebo: the question whose passages were shown",
    "answer": "the model's text, as it came; of one that shows its steps, what follows from them (dates are reckoned: `kgrag.answering.guards.comparison`)",
    "steps": "lines that the model wrote before its answer; of the arm system, those that stand",
    "outcome": "correct, wrong, abstained or empty",
    "from_memory": "on the made unanswerable: a wrong answer that is nevertheless the file's, so known or guessed",
    "f1": "token F1 with the closest accepted answer; null where there is none",
    "claims": "list of claims, see CLAIM_KEYS",
    "evidence": "passages in their order, see EVIDENCE_KEYS",
    "facts": "lines of typed facts that were shown beside the passages",
    "citations": "list of {passage_id, document, title, start, end, quote}: sentences that the answer rests on (offsets into the document's text)",
    "paths": "list of {names, nodes, triples}: what leads through the graph to the cited passages, and typed facts that answer",
    "graph": "null, or {verdict, support, expected, paths}: what typed facts say of the answer",
    "standing": "names and numbers of the answer that its question lacks, and those of them that no shown passage has; null in arms without evidence",
    "retrieval": "{gold_retrieved, gold_shown: shares; answer_shown; passages; shown; sufficient}; null in arms without evidence",
    "measures": "measures of the claims, null where undefined; see kgrag.factuality.scoring.claim_verification.measures",
    "uncertainty": "null, or see kgrag.factuality.scoring.uncertainty.doubt",
    "blame": "evidence missing, evidence ignored, noise, over-abstention, or empty",
    "dropped": "in words: sentences left out of the prompt, citations that were refused",
    "model": "the language model's name",
    "reader": "llm; graph where the arm system read the answer off typed facts, of which the model may have looked up some",
    "seconds": "what the language model took for this answer when it was first asked",
}
"""What each key of a record is."""
CLAIM_KEYS = {
    "statement": "as it was said",
    "text": "the same, to be understood without the question",
    "verdict": "supported, contradicted or unverifiable, by the first of known, gold, retrieved and graph that decides",
    "support": "the judge's probability that it is borne out, or null",
    "source": "known, gold, retrieved or graph, whichever decided; empty where none did",
    "checks": "by gold, retrieved, graph and shown (those that were asked): {verdict, support, parts}",
    "cited": "places in the record's citations that bear it out alone",
    "cited_together": "whether all citations bear it out; null without any",
    "found": "what was retrieved for it: list of {passage_id, document, title, text, start, end}",
}
EVIDENCE_KEYS = {
    "rank": "from 1",
    "passage_id": "",
    "document": "its id",
    "title": "of the document",
    "source": "the file it came from",
    "text": "the whole passage, as edited",
    "start": "where it begins in the document's text; of an edited passage offsets count in its edited text from there",
    "end": "where it ends",
    "score": "what the arm's retriever gave it",
    "gold": "whether its document is gold",
    "number": "its number in the prompt; null where nothing of it was shown",
    "spans": "the sentences shown, as [start, end] in the document's text",
    "cited": "whether the answer rests on it",
    "paths": "list of {names, nodes, triples}: what leads from the question to it",
}


def claim_json(verified: VerifiedClaim) -> dict[str, Any]:
    """A checked claim under `CLAIM_KEYS`."""
    judgement = judgement_json(verified.reference_judgement)
    return {
        "statement": verified.claim.statement,
        "text": verified.claim.text,
        "verdict": verified.verdict,
        "support": judgement["support"],
        "source": verified.source,
        "checks": {name: judgement_json(j) for name, j in verified.checks.items()},
        "cited": list(verified.supporting_citations),
        "cited_together": verified.is_cited_together,
        "found": [
            {
                k: v
                for k, v in _passage_json(hit).items()
                if k in ("passage_id", "document", "title", "text", "start", "end")
            }
            for hit in verified.retrieved
        ],
    }


def _passage_json(hit: Hit) -> dict[str, Any]:
    passage = hit.passage
    return {
        "rank": hit.rank,
        "passage_id": passage.id,
        "document": passage.document_id,
        "title": hit.title,
        "source": hit.source,
        "text": passage.text,
        "start": passage.start,
        "end": passage.end,
        "score": round(hit.score, 6),
    }


def evidence_json(
    hits: Sequence[Hit], shown: Sequence[SelectedPassage], citations: Sequence[Citation], gold: Sequence[str]
) -> list[dict[str, Any]]:
    """Passages under `EVIDENCE_KEYS`."""
    by_id = {s.hit.passage.id: s for s in shown}
    cited = {c.passage_id for c in citations}
    rows = []
    for hit in hits:
        s = by_id.get(hit.passage.id)
        rows.append(
            _passage_json(hit)
            | {
                "gold": hit.passage.document_id in gold,
                "number": s.number if s else None,
                "spans": [list(span) for span in s.spans] if s else [],
                "cited": hit.passage.id in cited,
                "paths": [path_json(path) for path in hit.paths],
            }
        )
    return rows


def record_line(record: RunRecord) -> str:
    """A record as its line of the file."""
    return json.dumps(record, ensure_ascii=False, allow_nan=False)


def records_digest(records: Iterable[RunRecord]) -> str:
    """The sha256 of all that was said and found, times left out: equal for equal runs."""
    content = "\n".join(record_line({k: v for k, v in r.items() if k != "seconds"}) for r in records)
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


def load_records(folder: Path) -> list[RunRecord]:
    """The records of a finished run.

    Raises:
        UsageError: there is none in ``folder``.
        ReadError: the file is damaged.
    """
    path = folder / RECORDS_FILE
    if not path.is_file():
        raise UsageError(
            f"Expected a finished run of `kgrag eval` in {folder} ({RECORDS_FILE}), found none: name its folder."
        )
    try:
        return [json.loads(row) for row in path.read_text("utf-8").splitlines()]
    except (ValueError, OSError) as error:
        raise ReadError(f"{path} cannot be read ({error}): run `kgrag eval` again, which costs little.") from error
