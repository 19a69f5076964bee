"""Answer questions and score the answers by their nuggets; a stopped run continues with its answers so far."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import graphs
import indices
import kgrag
from kgrag.answering.pipeline import AnswerPipeline, ReaderMode
from kgrag.chat.coreference import Turn
from kgrag.chat.query_rewriter import FollowUpRewriter
from kgrag.dev.benchmarks.ablated_pipeline import ablated_pipeline
from kgrag.dev.benchmarks.manuals.figures import Figures, grouped_figures
from kgrag.dev.benchmarks.manuals.gold_passages import find_gold_passages, find_missing_files
from kgrag.dev.benchmarks.manuals.questions import ManualQuestion
from kgrag.dev.benchmarks.plain_rag import PlainRAG
from kgrag.factuality.experiment.response_cache import ResponseCache
from kgrag.factuality.experiment.runner import model_metadata
from kgrag.serialize import JsonObject, answer_json, nan_to_none
from kgrag.store.store import Store
from kgrag.text.citation_marks import strip_citation_marks
from kgrag.types import Answer, Hit


def measure_manual_answers(
    store: Store,
    questions: Sequence[ManualQuestion],
    *,
    reader: ReaderMode = "auto",
    arm: str = "grounded",
    without: Sequence[str] = (),
    out: Path | None = None,
    tick: Callable[[], None] = lambda: None,
) -> tuple[Figures, list[JsonObject]]:
    """Answer every question, and return the figures with the answers.

    Args:
        store: the opened store.
        questions: to answer; earlier turns of a follow-up are used as `kgrag chat` uses them.
        reader: of the grounded arm.
        arm: ``grounded``, ``closed-book``, ``gold`` for the best passage of each gold quote, or ``plain`` for `PlainRAG`.
        without: stages and guards that the pipeline leaves out (`kgrag.answering.profiles`).
        out: file that every answer is appended to. An answer in it is reused if question, code, store, configuration and
            model are the same.
        tick: called once a question.

    Returns:
        `answer_values` with intervals, by group too, "missing_files" and "model"; the answers as `answer_json` with "id"
        and "asked", the standalone form of the question.

    Raises:
        UsageError: there is no such stage or guard.
        ReadError: ``out`` is damaged.
        ModelError: the language model is needed and cannot be used.
    """
    asker = _Asker(store, questions, reader, arm, without)
    state = asker.state() if out else []
    rows: list[JsonObject] = []
    with ResponseCache(out) if out else nullcontext() as cache:
        for question in questions:
            if cache is None:
                rows.append(asker.ask(question))
            else:
                key = [*state, asdict(question)]
                rows.append(cache.get_or_compute(key, lambda question=question: asker.ask(question)))  # type: ignore[misc]
            tick()
    report = grouped_figures(questions, answer_values(questions, rows))
    report["missing_files"] = find_missing_files(store.graph_store, questions)
    report["model"] = next((row["model"] for row in rows if row["model"]), "")
    return report, rows


class _Asker:
    """Asks questions of a store in one arm."""

    def __init__(
        self, store: Store, questions: Sequence[ManualQuestion], reader: ReaderMode, arm: str, without: Sequence[str]
    ) -> None:
        self._store, self._reader, self._arm, self._without = store, reader, arm, without
        self._needs_model = not (arm == "grounded" and reader in ("graph", "quote"))
        self._rewriter, self._plain = FollowUpRewriter(store), PlainRAG(store)
        self._holders = find_gold_passages(store.graph_store, questions).holders if arm == "gold" else {}

    def state(self) -> list[Any]:
        """Return everything that an answer depends on besides its question, JSON-ready."""
        store = self._store
        graph = store.graph_store
        model = model_metadata(store, store.config.adapter) if self._needs_model else None
        config = store.config.model_dump(mode="json")
        return [
            self._reader,
            self._arm,
            sorted(self._without),
            code_digest(),
            graph.meta("made"),
            graph.generation,
            config,
            model,
        ]

    @cached_property
    def _loaded_store(self) -> Store:
        """The store with its models loaded, which would count as time of the first answer."""
        if self._needs_model:
            _ = self._store.llm
        self._store.retriever.embed_question("warm-up")
        return self._store

    def ask(self, question: ManualQuestion) -> JsonObject:
        """Return the answer as JSON; its seconds include the rewriting of a follow-up."""
        store = self._loaded_store
        start = time.perf_counter()
        asked = question.text
        if question.history:
            turns = [Turn(earlier, answer) for earlier, answer in question.history]
            asked = self._rewriter.standalone_question(question.text, turns)
        row = answer_json(self._answer(ablated_pipeline(store, self._without), question, asked))
        seconds = round(time.perf_counter() - start, 3)
        kept: JsonObject = nan_to_none({**row, "id": question.id, "asked": asked, "seconds": seconds})
        return kept

    def _answer(self, pipeline: AnswerPipeline, question: ManualQuestion, asked: str) -> Answer:
        if self._arm == "closed-book":
            return pipeline.answer_closed_book(asked)
        if self._arm == "plain":
            return self._plain.answer(asked, self._store.llm)
        if self._arm == "gold":
            return pipeline.answer_from_passages(asked, self._gold_hits(question))
        return pipeline.answer(asked, self._store.config.k, reader=self._reader)

    def _gold_hits(self, question: ManualQuestion) -> list[Hit]:
        passages = {held.best.id: held.best for held in self._holders[question.id] if held.best}
        headers = self._store.graph_store.document_headers({p.document_id for p in passages.values()})
        return [
            Hit(passage, headers[passage.document_id].title, headers[passage.document_id].source, 1.0, rank)
            for rank, passage in enumerate(passages.values(), 1)
        ]


def answer_values(questions: Sequence[ManualQuestion], rows: Sequence[JsonObject]) -> dict[str, list[float]]:
    """Return the measures of each answer, NaN where a measure is not defined.

    - ``nugget_recall``: share of the nuggets in the answer; 0 for an abstention. Of answerable questions.
    - ``right``: all nuggets and no wrong form; for an unanswerable question, an abstention.
    - ``wrong``: any answer that is not right and no abstention.
    - ``abstained``, ``abstained_unanswerable``: of the answerable and of the unanswerable questions.
    - ``seconds``: the time of the answer.
    """
    values: dict[str, list[float]] = {
        name: [] for name in ("nugget_recall", "right", "wrong", "abstained", "abstained_unanswerable", "seconds")
    }
    for question, row in zip(questions, rows, strict=True):
        has_abstained = bool(row["abstained"])
        recall = 0.0 if has_abstained else nugget_recall(row["text"], question)
        is_right = has_abstained
        if question.is_answerable:
            is_right = recall == 1 and not contains_form(row["text"], question.wrong)
        values["nugget_recall"].append(recall if question.is_answerable else math.nan)
        values["right"].append(float(is_right))
        values["wrong"].append(float(not is_right and not has_abstained))
        values["abstained"].append(float(has_abstained) if question.is_answerable else math.nan)
        values["abstained_unanswerable"].append(math.nan if question.is_answerable else float(has_abstained))
        values["seconds"].append(float(row["seconds"]))
    return values


def nugget_recall(answer: str, question: ManualQuestion) -> float:
    """Return the share of a question's nuggets that an answer contains in any form; NaN without nuggets."""
    if not question.nuggets:
        return math.nan
    return sum(contains_form(answer, forms) for forms in question.nuggets) / len(question.nuggets)


def contains_form(answer: str, forms: Sequence[str]) -> bool:
    """Whether an answer contains one of ``forms``, with letter case and white space folded."""
    # a citation mark may stand between a word and its comma, and code may look like a citation mark
    texts = [_fold(answer), _fold(strip_citation_marks(answer, strip_space=True))]
    return any(_fold(form) in text for form in forms for text in texts)


def _fold(text: str) -> str:
    return " ".join(text.casefold().split())


def code_digest() -> str:
    """Return a digest of all source code and data that an answer may depend on."""
    folders = [Path(str(package.__file__)).parent for package in (kgrag, graphs, indices)]
    digest = hashlib.sha256()
    for folder in folders:
        for file in sorted(folder.rglob("*")):
            parts = file.relative_to(folder).parts
            if file.suffix in (".py", ".toml", ".json") and parts[0] not in ("dev", "cli", "terminal"):
                digest.update(json.dumps(parts).encode() + file.read_bytes())
    return digest.hexdigest()
