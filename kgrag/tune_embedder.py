"""The sentence encoder adapted to a store's corpus, measured, and kept where it finds more."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgrag.app import App
from kgrag.errors import KgragError, UsageError
from kgrag.files import replaced
from kgrag.models.fingerprint import weights_sha256
from kgrag.protocols import Embedder, Matrix
from kgrag.reader.wording import wording
from kgrag.tune.adapters.card import Card, Data, save_card
from kgrag.tune.encoder.fit import Settings, Trained
from kgrag.tune.encoder.gain import FEWEST, Gain, K, gain, recalls, verdict
from kgrag.tune.encoder.retrieving import Asked, Pair, from_facts, from_questions, from_sentences, pairs
from kgrag.tune.questions.own import own_questions
from kgrag.types import Passage

if TYPE_CHECKING:
    from kgrag.models.registry import Model
    from kgrag.retrieve.candidates import Indices

NUMBER = 2000
"""Questions made from a corpus, if nobody says otherwise."""
MEASURED = 400
"""Held-out questions that are measured, at most."""
WORK = "tuning-embedder"
"""In a store's folder: a training that was stopped."""
Tick = Callable[[int, int], None]


@dataclass(frozen=True)
class Outcome:
    """What came of a tuning: ``folder`` is the new encoder's, None where the old one stays; ``why`` is a sentence."""

    kept: bool
    why: str
    dense: Gain
    hybrid: Gain
    trained: Trained
    pairs: int
    folder: Path | None

    def json(self) -> dict[str, Any]:
        """All of it, for programs."""
        return {
            "kept": self.kept,
            "why": self.why,
            "folder": str(self.folder) if self.folder else None,
            "dense": self.dense.json(),
            "hybrid": self.hybrid.json(),
            "steps": self.trained.steps,
            "seconds": round(self.trained.seconds, 1),
            "loss": {"first": self.trained.first, "last": self.trained.last},
            "pairs": self.pairs,
        }


def tune(
    opened: App,
    questions: Path | None = None,
    *,
    number: int = NUMBER,
    negatives: int = 1,
    settings: Settings | None = None,
    tick: Callable[[str], Tick] = lambda what: lambda done, total: None,
    notice: Callable[[str], None] = lambda said: None,
) -> Outcome:
    """Adapt the embedder of a store to its corpus, and use it there from now on if it finds more.

    Raises:
        KeyboardInterrupt: it was stopped; what was learned is kept for the next run, and the store is as it was.
        UsageError: the store is a server's.
        KgragError: there is too little to learn from or to measure, or the store changed meanwhile.
    """
    from kgrag.embed import load_embedder
    from kgrag.models.convert import folder_of, pull, ready, transformers_folder
    from kgrag.models.registry import find
    from kgrag.tune.encoder.fit import train

    graph = _file(opened)
    settings = settings or Settings()
    old, generation = opened.embedder, graph.generation
    asked, what = _asked(opened, questions, number, old.languages, settings.seed)
    held = [one for one in asked if one.held][:MEASURED]
    if len(held) < FEWEST:
        raise KgragError(
            f"Expected {FEWEST} held-out questions at least, found {len(held)}: the corpus states too few facts that can "
            "be asked about; give questions with --questions."
        )
    texts = dict(_texts(opened))
    learned = pairs(asked, texts, [_words(opened.indices, list(texts)), _dense(opened.indices, old)], negatives, settings.seed)  # fmt: skip
    if len(learned) < settings.batch:
        raise KgragError(f"Expected {settings.batch} pairs to learn from at least, found {len(learned)}.")
    notice(f"{len(learned):,} pairs to learn from, {len(held):,} held-out questions: {what}.")
    model = find(opened.embedder_folder(graph.meta("embedder") or opened.config.embedder))
    base = transformers_folder(model, model.local or ready(model, any_precision=True) or pull(model.name))
    work, name = opened.store / WORK, f"embedder-{digest_of(model.name, learned, settings)}"
    out = opened.store / name
    trained = train(base, learned, out, work, settings, tick("steps"))
    converted = folder_of(find(str(out)))
    try:
        new = load_embedder(str(out), opened.progress)
        vectors = embed_all(new, list(texts.values()), tick("passages"))
        with_new = _with_vectors(opened.indices, vectors)
        dense = gain(recalls(held, _dense(opened.indices, old)), recalls(held, _dense(with_new, new)))
        hybrid = gain(
            recalls(held, _hybrid(opened, opened.indices, old)), recalls(held, _hybrid(opened, with_new, new))
        )
        kept, why = verdict(dense, hybrid)
        if kept:
            data = Data(what, len(learned), pairs_sha256(learned))
            _card(out, name, model, data, trained, settings, dense, hybrid)
            _use(opened, out, list(texts), vectors, generation)
    finally:  # where it was stopped, its last checkpoint is in `work`
        if graph.meta("embedder") != name:
            shutil.rmtree(out, ignore_errors=True)
            shutil.rmtree(converted, ignore_errors=True)
    shutil.rmtree(work, ignore_errors=True)
    return Outcome(kept, why, dense, hybrid, trained, len(learned), out if kept else None)


def _card(
    out: Path, name: str, model: Model, data: Data, trained: Trained, settings: Settings, dense: Gain, hybrid: Gain
) -> None:
    whole = f"recall@{K} of the whole retriever"
    before = {f"recall@{K}": dense.before, whole: hybrid.before, "n": float(dense.questions)}
    after = {f"recall@{K}": dense.after, whole: hybrid.after, "n": float(dense.questions)}
    card = Card(
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


def _file(opened: App) -> Any:
    from graphs.sqlite import SQLiteGraph

    if not isinstance(opened.graph, SQLiteGraph):
        raise UsageError(
            "Expected a store in a folder, found a server's: tune on a copy (`kgrag copy`), and ingest with it there."
        )
    return opened.graph


def _asked(
    opened: App, questions: Path | None, number: int, languages: frozenset[str], seed: int
) -> tuple[list[Asked], str]:
    """The questions, and what they are in words."""
    graph = opened.graph
    if questions is not None:
        from kgrag.evaluate.questions import load_questions

        by_document: defaultdict[str, list[Passage]] = defaultdict(list)
        for passage in graph.passages():
            by_document[passage.document_id].append(passage)
        asked = from_questions(load_questions(questions), by_document, languages, seed)
        return asked[:number], f"the questions of {questions.name}"
    made = own_questions(opened.merged, opened.facts, opened.vocabulary, wording(opened.vocabulary), seed, Counter())
    asked = from_facts(made, languages, number, seed)
    what = "questions of typed facts"
    if len(asked) < number:
        more = from_sentences(graph.passages(), languages, number - len(asked), seed)
        asked, what = asked + more, what + (" and sentences of passages" if more else "")
    return asked, what


def _texts(opened: App) -> Iterator[tuple[str, str]]:
    """(passage id, what is embedded of it), in the order of the indices' rows: as `ingest.pipeline` does."""
    titles = {document: title for document, (_, title) in opened.graph.titles().items()}
    for passage in opened.graph.passages():
        yield passage.id, f"{titles[passage.document_id]}. {passage.text}"


def embed_all(embedder: Embedder, texts: Sequence[str], tick: Tick, group: int = 256) -> Matrix:
    """(texts, dimensions) of all texts, in order."""
    import numpy as np

    vectors = np.zeros((len(texts), embedder.dimensions), np.float32)
    for start in range(0, len(texts), group):
        vectors[start : start + group] = embedder.embed(texts[start : start + group])
        tick(min(start + group, len(texts)), len(texts))
    return vectors


def _words(indices: Indices, ids: Sequence[str]) -> Callable[[str, int], list[str]]:
    return lambda text, k: [ids[int(row)] for row in indices.words.search(text, k)[0]]


def _dense(indices: Indices, embedder: Embedder) -> Callable[[str, int], list[str]]:
    def search(text: str, k: int) -> list[str]:
        rows, _ = indices.vectors.search(embedder.embed_query(text), k)
        return [indices.rows[int(row)].passage_id for row in rows]

    return search


def _hybrid(opened: App, indices: Indices, embedder: Embedder) -> Callable[[str, int], list[str]]:
    from kgrag.retrieve.hybrid import HybridRetriever
    from kgrag.retrieve.paths import Explainer
    from kgrag.retrieve.ranker import Ranker

    explainer = Explainer(indices.graph, opened.graph.triples_in)
    retriever = HybridRetriever(opened.graph, indices, embedder, Ranker.load, explainer)
    return lambda text, k: [hit.passage.id for hit in retriever.retrieve(text, k)]


def _with_vectors(indices: Indices, vectors: Matrix) -> Indices:
    from indices.vectors import VectorIndex

    return replace(indices, vectors=VectorIndex.build(vectors))


def _use(opened: App, out: Path, ids: Sequence[str], vectors: Matrix, generation: int) -> None:
    """The store's vectors from the encoder in ``out``, beside it: all of them and its name in one transaction."""
    graph = _file(opened)
    with opened.writing():
        if graph.generation != generation:
            raise KgragError("The store was written to meanwhile, so its vectors stay: run the same command again.")
        graph.embed_again(out.name, zip(ids, vectors, strict=True))
        name_embedder(opened.store / "kgrag.toml", out.name)
        opened.config = opened.config.model_copy(update={"embedder": out.name})
        opened.__dict__.pop("embedder", None)
        opened._changed()


def name_embedder(path: Path, name: str) -> None:
    """Where a kgrag.toml names an embedder, have it name this one; one that does not goes by what the store says."""
    if not path.is_file():
        return
    before = path.read_text("utf-8")
    after = re.sub(r"(?m)^(\s*embedder\s*=\s*)(\"[^\"]*\"|'[^']*')", lambda found: f'{found[1]}"{name}"', before)
    if after != before:
        with replaced(path) as temporary:
            temporary.write_text(after, "utf-8")


def pairs_sha256(learned: Sequence[Pair]) -> str:
    """Of what was learned from, in its order."""
    digest = hashlib.sha256()
    for pair in learned:
        digest.update(repr(pair).encode())
    return digest.hexdigest()


def digest_of(base: str, learned: Sequence[Pair], settings: Settings) -> str:
    """What tells a tuned encoder from others of the same store: its base, what it learned from, and how."""
    return hashlib.sha256(f"{base} {pairs_sha256(learned)} {settings}".encode()).hexdigest()[:8]
