"""The evidence of 2WikiMultihopQA's questions against what the extraction joins in their gold documents.

A question's evidence is triples such as (film, director, person); each stands in one of its gold documents, most often
in the first sentences. Nothing else of the corpus is read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from graphs.gather import make_facts
from graphs.vocabulary import Vocabulary
from ingest.patterns import vocabulary
from ingest.rows import make_document
from kgrag.errors import ReadError
from kgrag.evaluate.called import Stated, called, countries, stated, value
from kgrag.evaluate.counts import share
from kgrag.evaluate.extraction import Figures, read
from kgrag.evaluate.extraction_sets import read_text
from kgrag.evaluate.relation_names import agrees, predicates_of
from kgrag.types import Document, Extraction


@dataclass(frozen=True, slots=True)
class Evidence:
    """A question's gold documents, and the triples (subject, relation, object) that answer it."""

    id: str
    gold: tuple[str, ...]
    triples: tuple[tuple[str, str, str], ...]


def load_evidence(path: Path, limit: int | None = None) -> list[Evidence]:
    """The first ``limit`` questions, from JSON lines with ``gold`` and ``triples``.

    Raises:
        UsageError: there is no such file.
        ReadError: a line is no such row; the message has its number.
    """
    found: list[Evidence] = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if limit is not None and len(found) >= limit:
            break
        if line.strip():
            try:
                row = json.loads(line)
                triples = tuple((str(s), str(r), str(o)) for s, r, o in row["triples"])
                found.append(Evidence(str(row.get("_id", number)), tuple(map(str, row["gold"])), triples))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ReadError(
                    f'{path}, line {number}: expected a JSON object with "gold" and "triples": [[subject, relation, '
                    f"object], …], found another ({type(error).__name__}: {error}): name a file of questions of 2wiki."
                ) from error
    if not found:
        raise ReadError(f"{path} holds no questions: expected JSON lines with gold and triples.")
    return found


def load_documents(path: Path, wanted: set[str]) -> dict[str, Document]:
    """The documents of a corpus (JSON lines with ``_id``, ``title`` and ``text``) whose ids are ``wanted``.

    Raises:
        UsageError: there is no such file.
        ReadError: a line is no such row; the message has its number.
    """
    found: dict[str, Document] = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        try:
            if line.strip() and (id := str((row := json.loads(line))["_id"])) in wanted:
                found[id] = make_document(id, str(row["title"]), str(row["text"]), path.name)
        except (ValueError, KeyError, TypeError) as error:
            raise ReadError(
                f'{path}, line {number}: expected a JSON object with "_id", "title" and "text" '
                f"({type(error).__name__}: {error}): name a corpus such as corpus.jsonl.gz."
            ) from error
    return found


class Joined:
    """What the extraction of a question's documents joins, with one thing known by the names of all of them."""

    def __init__(self, extractions: Sequence[Extraction], known: Vocabulary) -> None:
        self._known = known
        self._extractions = extractions
        self.stated: list[Stated] = [one for e in extractions for one in stated(e, known)]
        titles = {e.names[0][0]: e.document.title for e in extractions}
        aliases = [(entity, name) for e in extractions for entity, name, _ in e.names if name]
        self._facts = make_facts([one.triple for one in self.stated], titles, {}, aliases)

    def way(self, one: Stated, subject: str, object: str) -> int:
        """1 if ``one`` goes from the first to the second, -1 if back, 0 if it joins others."""
        if self._same(one.triple.subject, one.subject, subject) and self._same(one.triple.object, one.object, object):
            return 1
        back = self._same(one.triple.subject, one.subject, object) and self._same(
            one.triple.object, one.object, subject
        )
        return -1 if back else 0

    def mentioned(self, subject: str, object: str) -> bool:
        """Whether a document about the first mentions the second, or a people of the country that the second is."""
        for extraction in self._extractions:
            names = called(extraction)
            title = extraction.names[0][0]
            if self._same(title, names.get(title, frozenset()), subject):
                for mention in extraction.mentions:
                    there = names[mention.entity_id]
                    if self._same(mention.entity_id, there | countries(there, self._known), object):
                        return True
        return False

    def _same(self, entity: str, names: frozenset[str], wanted: str) -> bool:
        if value(wanted) in names:
            return True
        ours = {entity, *self._facts.resolve(entity)}
        return not ours.isdisjoint(self._facts.resolve(wanted))


def edges(
    evidence: Sequence[Evidence],
    documents: Mapping[str, Document],
    size: int,
    tick: Callable[[], None] = lambda: None,
) -> tuple[Figures, int]:
    """How much of the evidence is joined, joined by the right predicate, and mentioned; and the documents not there.

    - ``edge_recall``: a triple of ours joins subject and object, in either direction;
    - ``predicate_recall``: and its predicate, or its inverse the other way round, is the right one;
    - ``mention_recall``: a document about the subject mentions the object at all;
    - ``edge_or_mention_recall``: either.

    Intervals draw questions. Evidence whose documents are not there counts as missed.
    """
    known, table = vocabulary(), predicates_of("2wiki")
    found = {e.document.id: e for e in read(documents.values(), size, tick)}
    results: list[list[tuple[bool, bool, bool]]] = []
    for question in evidence:
        joined = Joined([found[id] for id in question.gold if id in found], known)
        rows = []
        for subject, relation, object in dict.fromkeys(question.triples):
            ways = [(one, way) for one in joined.stated if (way := joined.way(one, subject, object))]
            right = any(agrees(relation, one.predicate, table, known, turned=way < 0) for one, way in ways)
            rows.append((bool(ways), right, joined.mentioned(subject, object)))
        results.append(rows)

    def figure(name: str, kept: Callable[[tuple[bool, bool, bool]], bool]) -> Figures:
        return share(name, [(sum(map(kept, rows)), len(rows)) for rows in results])

    figures = {
        **figure("edge_recall", lambda row: row[0]),
        **figure("predicate_recall", lambda row: row[1]),
        **figure("mention_recall", lambda row: row[2]),
        **figure("edge_or_mention_recall", lambda row: row[0] or row[2]),
    }
    return figures, len({id for q in evidence for id in q.gold} - documents.keys())
