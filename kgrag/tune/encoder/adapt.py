"""Adapt a store's sentence encoder to its documents, measure the gain, and install it if recall improves."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from kgrag.errors import KgragError, UsageError
from kgrag.graphqa.question_templates import load_templates
from kgrag.models.fingerprint import weights_sha256
from kgrag.protocols import Embedder, Matrix
from kgrag.serialize import JsonObject
from kgrag.storage.atomic import atomic_write
from kgrag.store.changes import refresh_derived
from kgrag.store.embedder_switch import switch_embedder
from kgrag.store.reindex import passage_texts
from kgrag.store.store import Store
from kgrag.tune.adapters.card import AdapterCard, TrainingDataInfo, save_card
from kgrag.tune.data.store_questions import generate_from_store
from kgrag.tune.encoder import DEFAULT_QUESTIONS
from kgrag.tune.encoder.pairs import (
    RetrievalQuestion,
    TrainingPair,
    build_training_pairs,
    questions_from_facts,
    questions_from_file,
    questions_from_sentences,
)
from kgrag.tune.encoder.recall_gain import (
    MIN_HELDOUT_QUESTIONS,
    RECALL_DEPTH,
    RecallGain,
    compare_recall,
    recall_values,
    should_keep,
)
from kgrag.tune.encoder.trainer import EncoderTrainingConfig, EncoderTrainingResult
from kgrag.types import Passage

if TYPE_CHECKING:
    from graphs.sqlite.store import SQLiteGraph
    from kgrag.models.registry import ModelEntry
    from kgrag.retrieve.candidates import IndexSet

MAX_MEASURED_QUESTIONS = 400
"""Maximum number of held-out questions that are measured."""
WORK_FOLDER = "tuning-embedder"
"""Folder of an interrupted training, in the store's folder."""
EncoderProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class EncoderTuningResult:
    """Result of a tuning: ``folder`` is the new encoder's, None if the old one is kept; ``reason`` is a sentence."""

    is_kept: bool
    reason: str
    dense: RecallGain
    hybrid: RecallGain
    trained: EncoderTrainingResult
    pairs: int
    folder: Path | None

    def to_json(self) -> JsonObject:
        """Return the result as JSON."""
        return {
            "kept": self.is_kept,
            "why": self.reason,
            "folder": str(self.folder) if self.folder else None,
            "dense": self.dense.json(),
            "hybrid": self.hybrid.json(),
            "steps": self.trained.steps,
            "seconds": round(self.trained.seconds, 1),
            "loss": {"first": self.trained.first_loss, "last": self.trained.last_loss},
            "pairs": self.pairs,
        }


def tune_encoder(
    store: Store,
    questions: Path | None = None,
    *,
    number: int = DEFAULT_QUESTIONS,
    negatives: int = 1,
    settings: EncoderTrainingConfig | None = None,
    tick: Callable[[str], EncoderProgress] = lambda data_description: lambda done, total: None,
    notice: Callable[[str], None] = lambda message: None,
) -> EncoderTuningResult:
    """Adapt the encoder of a store to its documents, and install it if recall improves.

    Raises:
        KeyboardInterrupt: the user stopped it; the next run resumes the training, and the store is unchanged.
        UsageError: the store is a server's.
        KgragError: there are too few questions to train on or to measure, or the store changed in the meantime.
    """
    from kgrag.embedders import load_embedder
    from kgrag.models.convert import local_folder, model_folder, pull_model, transformers_folder
    from kgrag.models.registry import find_model
    from kgrag.tune.encoder.trainer import train_encoder

    graph = _require_sqlite_graph(store)
    settings = settings or EncoderTrainingConfig()
    old_embedder, generation = store.embedder, graph.generation
    training_questions, what = _training_questions(store, questions, number, old_embedder.languages, settings.seed)
    held_out_questions = [question for question in training_questions if question.is_heldout][:MAX_MEASURED_QUESTIONS]
    if len(held_out_questions) < MIN_HELDOUT_QUESTIONS:
        raise KgragError(
            f"Expected at least {MIN_HELDOUT_QUESTIONS} held-out questions, found {len(held_out_questions)}: the documents "
            "state too few facts to generate questions; pass questions with --questions."
        )
    texts = dict(passage_texts(store.graph_store))
    training_pairs = build_training_pairs(training_questions, texts, [_bm25_search(store.indices, list(texts)), _vector_search(store.indices, old_embedder)], negatives, settings.seed)  # fmt: skip
    if len(training_pairs) < settings.batch:
        raise KgragError(
            f"Expected at least {settings.batch} training pairs, found {len(training_pairs)}: ingest more documents, or "
            "pass more questions with --questions."
        )
    notice(f"{len(training_pairs):,} training pairs, {len(held_out_questions):,} held-out questions: {what}.")
    model = find_model(store.embedder_folder(graph.meta("embedder") or store.config.embedder))
    base = transformers_folder(
        model, model.local_path or local_folder(model, any_precision=True) or pull_model(model.name)
    )
    work, name = store.folder / WORK_FOLDER, f"embedder-{encoder_fingerprint(model.name, training_pairs, settings)}"
    out = store.folder / name
    prefixed_pairs = [add_prefixes(pair, model) for pair in training_pairs]
    trained = train_encoder(base, prefixed_pairs, out, work, settings, tick("steps"))
    record_usage(out, model)
    converted = model_folder(find_model(str(out)))
    try:
        new_embedder = load_embedder(str(out), store.progress)
        vectors = embed_all(new_embedder, list(texts.values()), tick("passages"))
        new_indices = _with_vectors(store.indices, vectors)
        dense = compare_recall(
            recall_values(held_out_questions, _vector_search(store.indices, old_embedder)),
            recall_values(held_out_questions, _vector_search(new_indices, new_embedder)),
        )
        hybrid = compare_recall(
            recall_values(held_out_questions, _hybrid_search(store, store.indices, old_embedder)),
            recall_values(held_out_questions, _hybrid_search(store, new_indices, new_embedder)),
        )
        is_kept, reason = should_keep(dense, hybrid)
        if is_kept:
            data = TrainingDataInfo(what, len(training_pairs), pairs_sha256(training_pairs))
            _write_card(out, name, model, data, trained, settings, dense, hybrid)
            _install_encoder(store, out, list(texts), vectors, generation)
    finally:  # an interrupted training keeps its last checkpoint in `work`
        if graph.meta("embedder") != name:
            shutil.rmtree(out, ignore_errors=True)
            shutil.rmtree(converted, ignore_errors=True)
    shutil.rmtree(work, ignore_errors=True)
    return EncoderTuningResult(is_kept, reason, dense, hybrid, trained, len(training_pairs), out if is_kept else None)


def add_prefixes(pair: TrainingPair, model: ModelEntry) -> TrainingPair:
    """Return a pair as the encoder reads it: with the prefixes of questions and of passages."""
    return replace(
        pair,
        query=model.query_prefix + pair.query,
        positive=model.passage_prefix + pair.positive,
        negatives=tuple(model.passage_prefix + text for text in pair.negatives),
    )


def record_usage(out: Path, model: ModelEntry) -> None:
    """Record how the base reads texts in a new encoder's folder, where `find_model` looks for it."""
    prompts = {"query": model.query_prefix, "document": model.passage_prefix}
    for name, values in (
        ("config_sentence_transformers.json", {"prompts": prompts}),
        ("config.json", {"languages": sorted(model.languages), "text_tokens": model.context}),
    ):
        content = json.loads((out / name).read_text("utf-8"))
        with atomic_write(out / name) as temporary:
            temporary.write_text(json.dumps({**content, **values}, indent=2) + "\n", "utf-8")


def _write_card(
    out: Path,
    name: str,
    model: ModelEntry,
    data: TrainingDataInfo,
    trained: EncoderTrainingResult,
    settings: EncoderTrainingConfig,
    dense: RecallGain,
    hybrid: RecallGain,
) -> None:
    hybrid_metric = f"recall@{RECALL_DEPTH} of the whole retriever"
    before = {f"recall@{RECALL_DEPTH}": dense.before, hybrid_metric: hybrid.before, "n": float(dense.questions)}
    after = {f"recall@{RECALL_DEPTH}": dense.after, hybrid_metric: hybrid.after, "n": float(dense.questions)}
    card = AdapterCard(
        name,
        Path(model.name).name,
        weights_sha256(model),
        "embedder",
        data=data,
        steps=trained.steps,
        seconds=round(trained.seconds, 1),
        seed=settings.seed,
        made=datetime.now(UTC).date().isoformat(),
        before=before,
        after=after,
    )
    save_card(card, out)


def _require_sqlite_graph(store: Store) -> SQLiteGraph:
    from graphs.sqlite.store import SQLiteGraph

    if not isinstance(store.graph_store, SQLiteGraph):
        raise UsageError(
            "Expected a store in a folder, found a server's: copy it with `kgrag copy`, and tune the copy."
        )
    return store.graph_store


def _training_questions(
    store: Store, questions: Path | None, number: int, languages: frozenset[str], seed: int
) -> tuple[list[RetrievalQuestion], str]:
    """Return the questions and their description."""
    graph = store.graph_store
    if questions is not None:
        from kgrag.question_sets import load_questions

        by_document: defaultdict[str, list[Passage]] = defaultdict(list)
        for passage in graph.passages():
            by_document[passage.document_id].append(passage)
        training_questions = questions_from_file(load_questions(questions), by_document, languages, seed)
        return training_questions[:number], f"the questions of {questions.name}"
    generated_questions = generate_from_store(
        store.merged_graph, store.facts, store.predicates, load_templates(store.predicates), seed, Counter()
    )
    training_questions = questions_from_facts(generated_questions, languages, number, seed)
    data_description = "questions of typed facts"
    if len(training_questions) < number:
        extra_questions = questions_from_sentences(graph.passages(), languages, number - len(training_questions), seed)
        training_questions, data_description = (
            training_questions + extra_questions,
            data_description + (" and sentences of passages" if extra_questions else ""),
        )
    return training_questions, data_description


def embed_all(embedder: Embedder, texts: Sequence[str], tick: EncoderProgress, group: int = 256) -> Matrix:
    """Return the vectors of all texts, (texts, dimensions), in order."""
    import numpy as np

    vectors = np.zeros((len(texts), embedder.dimensions), np.float32)
    for start in range(0, len(texts), group):
        vectors[start : start + group] = embedder.embed(texts[start : start + group])
        tick(min(start + group, len(texts)), len(texts))
    return vectors


def _bm25_search(indices: IndexSet, ids: Sequence[str]) -> Callable[[str, int], list[str]]:
    return lambda text, k: [ids[int(row)] for row in indices.words.search(text, k)[0]]


def _vector_search(indices: IndexSet, embedder: Embedder) -> Callable[[str, int], list[str]]:
    def search(text: str, k: int) -> list[str]:
        rows, _ = indices.vectors.search(embedder.embed_query(text), k)
        return [indices.rows[int(row)].passage_id for row in rows]

    return search


def _hybrid_search(store: Store, indices: IndexSet, embedder: Embedder) -> Callable[[str, int], list[str]]:
    from kgrag.retrieve.boosted_trees import TreeEnsemble
    from kgrag.retrieve.explanations import PathExplainer
    from kgrag.retrieve.hybrid import HybridRetriever

    explainer = PathExplainer(indices.graph, store.graph_store.triples_in)
    retriever = HybridRetriever(store.graph_store, indices, embedder, TreeEnsemble.load, explainer)
    return lambda text, k: [hit.passage.id for hit in retriever.retrieve(text, k)]


def _with_vectors(indices: IndexSet, vectors: Matrix) -> IndexSet:
    from indices.vector_index import VectorIndex

    return replace(indices, vectors=VectorIndex.build(vectors))


def _install_encoder(store: Store, out: Path, ids: Sequence[str], vectors: Matrix, generation: int) -> None:
    """Replace the store's vectors and its encoder's name in one transaction."""
    with store.write_lock():
        if store.graph_store.generation != generation:
            raise KgragError("The store changed in the meantime, so its vectors are kept: run the same command again.")
        switch_embedder(store.graph_store, store.folder, out.name, zip(ids, vectors, strict=True), generation)
        store.use_stored_embedder()
        refresh_derived(store)


def pairs_sha256(training_pairs: Sequence[TrainingPair]) -> str:
    """Return the sha256 of the training pairs, in their order."""
    digest = hashlib.sha256()
    for pair in training_pairs:
        digest.update(repr(pair).encode())
    return digest.hexdigest()


def encoder_fingerprint(base: str, training_pairs: Sequence[TrainingPair], settings: EncoderTrainingConfig) -> str:
    """Return a digest that identifies a tuned encoder of a store: base, training pairs and settings."""
    return hashlib.sha256(f"{base} {pairs_sha256(training_pairs)} {settings}".encode()).hexdigest()[:8]
