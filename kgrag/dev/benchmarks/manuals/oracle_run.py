"""Ask one question of the pipeline with a perfect model: its reference answer, and alterations of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kgrag.answering.pipeline import ReaderMode
from kgrag.chat.coreference import Turn
from kgrag.chat.query_rewriter import FollowUpRewriter
from kgrag.dev.benchmarks.ablated_pipeline import ablated_pipeline
from kgrag.dev.benchmarks.manuals.altered_answers import Alteration
from kgrag.dev.benchmarks.manuals.answers import contains_form, nugget_recall
from kgrag.dev.benchmarks.manuals.gold_passages import QuoteMatcher
from kgrag.dev.benchmarks.manuals.oracle import OracleModel
from kgrag.dev.benchmarks.manuals.questions import ManualQuestion
from kgrag.dev.benchmarks.manuals.retrieval import retrieval_text
from kgrag.dev.benchmarks.plain_rag import PlainRAG
from kgrag.prompts import ABSTENTION_TEXT
from kgrag.protocols import Retriever
from kgrag.serialize import JsonObject
from kgrag.store.store import Store
from kgrag.text import detect_language
from kgrag.types import Answer, DiagnosticCode, Hit

_NO_REPORT = frozenset({DiagnosticCode.CITATION_REFUSED, DiagnosticCode.EVIDENCE_OMITTED})
"""Diagnostics that leave the statement as it is."""


class OracleRun:
    """Asks one question with a given reply of the model, as often as needed, over hits that are retrieved once."""

    def __init__(
        self, store: Store, question: ManualQuestion, reader: ReaderMode, arm: str, without: Sequence[str] = ()
    ) -> None:
        self._store, self._question, self._reader, self._arm, self._without = store, question, reader, arm, without
        self._quotes = QuoteMatcher(question.gold)
        self._retriever = RecordingRetriever(store.retriever)
        self._plain = PlainRAG(store)
        self._asked = self._standalone_question()

    def _standalone_question(self) -> str:
        """Return a follow-up as `kgrag chat` rewrites it; where that takes a model, both questions in a row."""
        question = self._question
        if not question.history:
            return question.text
        self._store.use(llm=OracleModel(question.text, retrieval_text(question), self._quotes))
        turns = [Turn(earlier, answer) for earlier, answer in question.history]
        return FollowUpRewriter(self._store).standalone_question(question.text, turns)

    def row(self, alterations: Sequence[Alteration]) -> JsonObject:
        """Return what became of the reference answer and of its alterations, JSON-ready."""
        question = self._question
        abstention = ABSTENTION_TEXT[detect_language(question.text)]
        answer, model = self._answer(question.answer if question.is_answerable else abstention)
        hits = self._plain.hits(self._asked) if self._arm == "plain" else self._retriever.hits
        recall = 0.0 if answer.abstained else nugget_recall(answer.text, question)
        row: JsonObject = {
            "id": question.id,
            "asked": self._asked,
            "gold_in_prompt": any(model.gold_numbers),
            "gold_retrieved": any(model.gold_numbers) or any(self._quotes.is_held_by(h.passage.text) for h in hits),
            "model_asked": bool(model.gold_numbers),
            "abstained": answer.abstained,
            "nugget_recall": recall if question.is_answerable else None,
            "whole": question.is_answerable and recall == 1 and not contains_form(answer.text, question.wrong),
            "text": answer.text,
            "reader": answer.reader,
            "diagnostics": [f"{diagnostic.code}: {diagnostic.message}" for diagnostic in answer.diagnostics],
        }
        row["reason"] = self._reason(row)
        row["altered"] = [self._altered_row(answer, row["whole"], alteration) for alteration in alterations]
        return row

    def _altered_row(self, answer: Answer, is_whole: bool, alteration: Alteration) -> JsonObject:
        # a part of the answer that the pipeline leaves out anyway shows nothing
        counts = is_whole and contains_form(answer.text, [alteration.original_words])
        row: JsonObject = {
            "kind": alteration.kind,
            "original": alteration.original_words,
            "altered": alteration.altered_words,
            "counts": counts,
        }
        if counts:
            altered_answer, _ = self._answer(alteration.text)
            row["caught"] = is_caught(altered_answer, alteration)
            row["text"] = altered_answer.text
            row["diagnostics"] = [f"{each.code}: {each.message}" for each in altered_answer.diagnostics]
        return row

    def _answer(self, reply: str) -> tuple[Answer, OracleModel]:
        model = OracleModel(self._asked, reply, self._quotes)
        self._store.use(llm=model)
        if self._arm == "plain":
            return self._plain.answer(self._asked, model), model
        # a quotation would keep the model from being asked
        ablated = ablated_pipeline(self._store, [*self._without, "quotation"])
        pipeline = replace(ablated, retriever=lambda: self._retriever)
        return pipeline.answer(self._asked, self._store.config.k, reader=self._reader), model

    def _reason(self, row: JsonObject) -> str:
        """Return why an answer is not whole, with the pipeline's own words; "" if it is right."""
        question = self._question
        if row["whole"] or (row["abstained"] and not question.is_answerable):
            return ""
        said = "; ".join(message for message in row["diagnostics"] if not message.startswith("evidence_omitted"))
        if not row["gold_retrieved"]:
            reason = "not retrieved"
        elif not row["model_asked"]:
            reason = "silenced before the model" if row["abstained"] else f"answered by {row['reader']}"
        elif not row["gold_in_prompt"]:
            reason = "not in the prompt"
        else:
            reason = "withdrawn" if row["abstained"] else "cut"
        if not row["abstained"] and question.is_answerable:
            missing = [forms[0] for forms in question.nuggets if not contains_form(row["text"], forms)]
            reason += f", lacks {missing}" if missing else ", has a wrong form"
        return f"{reason}: {said}" if said else reason


def is_caught(answer: Answer, alteration: Alteration) -> bool:
    """Whether the pipeline stopped an altered statement, or reports it."""
    if answer.abstained or not contains_form(answer.text, [alteration.altered_words]):
        return True
    return any(
        contains_form(diagnostic.message, [alteration.altered_words]) and diagnostic.code not in _NO_REPORT
        for diagnostic in answer.diagnostics
    )


class RecordingRetriever:
    """Retrieves for each question once, and keeps all hits."""

    def __init__(self, retriever: Retriever) -> None:
        self._retriever = retriever
        self._hits_by_call: dict[tuple[str, int], list[Hit]] = {}

    def retrieve(self, question: str, k: int) -> list[Hit]:
        if (question, k) not in self._hits_by_call:
            self._hits_by_call[question, k] = self._retriever.retrieve(question, k)
        return list(self._hits_by_call[question, k])

    @property
    def hits(self) -> list[Hit]:
        """The hits of all questions so far."""
        return [hit for hits in self._hits_by_call.values() for hit in hits]
