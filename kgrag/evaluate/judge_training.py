"""Making what the judge learned (`kgrag.judge.model`) from claims that people judged and from made ones, and saying what
it is worth: on texts that it never saw, and on sets that it never saw.

Data: the dev files of BEGIN (Dziri et al. 2022), WiCE (Kamoi et al. 2023), QAGS on CNN/DM (Wang et al. 2020) and HaluEval's
questions (Li et al. 2023); SNLI (Bowman et al. 2015); and claims made by `kgrag.evaluate.corruption` from documents. What
is made of them is trees and a few weights, no text.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgrag.errors import ReadError, UsageError
from kgrag.evaluate.corruption import Made, make, sources
from kgrag.evaluate.judge_sets import Row, load_rows
from kgrag.judge.details import checked
from kgrag.judge.features import NAMES, features
from kgrag.judge.reading import read
from kgrag.judge.tiers import scored

SETS = {"begin": "begin.dev", "wice": "wice.dev", "qags-cnndm": "qags-cnndm", "halueval-qa": "halueval-qa.dev"}
"""Sets that people judged, all English, and their files in ``support``; each is reported on."""
CORPORA = ("2wiki", "hotpot", "musique")
DOCUMENTS = 700
"""From each of the corpora."""
SNLI = "snli.train"
WEIGHTS = {"made": 0.3, "snli": 0.3}
"""Of a set beside the judged ones, which weigh 1 each."""
FOLDS = 5
Floats = NDArray[np.float64]
Tick = Callable[[], None]


@dataclass(frozen=True)
class Part:
    """A set as it is learned from: ``rows`` (claims, features), ``scores`` (claims, 2) of overlap and details, ``labels``,
    and ``folds``, each claim's in [0, `FOLDS`), equal for claims that share a sentence of evidence or are the same."""

    name: str
    lang: str
    rows: NDArray[np.float32]
    scores: Floats
    labels: NDArray[np.bool_]
    folds: NDArray[np.int64]

    @property
    def weights(self) -> Floats:
        """Of each claim: both labels weigh the same, so that log-odds of 0 are where errors of either kind are alike."""
        yes = self.labels.sum()
        each = np.where(self.labels, 0.5 / max(1, yes), 0.5 / max(1, len(self.labels) - yes))
        return np.asarray(each * WEIGHTS.get(self.name, 1.0), np.float64)


def load_sets(data: Path) -> dict[str, list[Row]]:
    """Every set that is learned from, by name: `SETS`, ``snli``, ``made`` (English) and ``made-zh``.

    Args:
        data: the folder that holds ``support``, ``reader`` and `CORPORA`.

    Raises:
        UsageError: a file is missing.
        ReadError: one cannot be read.
    """
    sets = {name: list(load_rows(data / "support" / f"{file}.jsonl.gz").rows) for name, file in SETS.items()}
    lines = list(_json(data / "support" / f"{SNLI}.jsonl.gz"))
    sets["snli"] = [Row(row["claim"], (row["evidence"],), row["label"] == "entailment") for row in lines]
    sets["made"] = [_row(one) for one in made_english(data)]
    sets["made-zh"] = [_row(one) for one in made_chinese(data)]
    return sets


def made_english(data: Path) -> Iterator[Made]:
    """Claims made from documents of the corpora, and from the questions of ``reader/train.en.jsonl.gz``."""
    texts: list[str] = []
    asked: list[list[tuple[str, str]]] = []
    rng = random.Random(0)
    for corpus in CORPORA:
        long = [d for d in _json(data / corpus / "corpus.jsonl.gz") if len(d["text"]) >= 200]
        for document in rng.sample(long, min(DOCUMENTS, len(long))):
            texts.append(f"{document['title']}. {document['text']}")
            asked.append([])
    for question in _json(data / "reader" / "train.en.jsonl.gz"):
        texts.append("\n".join(f"{p['title']}. {p['text']}" for p in question["passages"] if p["gold"]))
        asked.append([(question["text"], answer) for answer in question["answers"][:1]])
    return make(sources(texts, "en", asked), "en", 0, 2)


def made_chinese(data: Path) -> Iterator[Made]:
    """Claims made from the passages and questions of ``reader/train.zh.jsonl.gz``."""
    asked: dict[str, list[tuple[str, str]]] = {}
    for question in _json(data / "reader" / "train.zh.jsonl.gz"):
        for passage in question["passages"]:
            held = asked.setdefault(passage["text"], [])
            held += [(question["text"], a) for a in question["answers"][:1] if passage["gold"] and a in passage["text"]]
    return make(sources(list(asked), "zh", list(asked.values())), "zh", 0, 4)


def made_cmrc(folder: Path, seed: int) -> Iterator[Made]:
    """Claims made from a folder with ``corpus.jsonl.gz`` and ``questions.dev.jsonl``: a Chinese set to measure a judge on."""
    asked: dict[str, list[tuple[str, str]]] = {d["_id"]: [] for d in _json(folder / "corpus.jsonl.gz")}
    texts = {d["_id"]: d["text"] for d in _json(folder / "corpus.jsonl.gz")}
    for question in _json(folder / "questions.dev.jsonl"):
        for document in question["gold"]:
            if document in texts:
                asked[document] += [(question["text"], a) for a in question["answers"][:1] if a in texts[document]]
    return make(sources(list(texts.values()), "zh", list(asked.values())), "zh", seed, 2)


def _row(made: Made) -> Row:
    return Row(made.claim, (made.evidence,), made.supported)


def _json(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        raise UsageError(f"Expected {path.name} at {path.parent}, found none: name the folder that holds the sets.")
    opened = gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")  # noqa: SIM115 (the with below closes it)
    with opened as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield json.loads(line)
            except ValueError as error:
                raise ReadError(f"{path}, line {number}: expected a JSON object ({error}); mend that line.") from error


def prepare(name: str, rows: Sequence[Row], tick: Tick = lambda: None) -> Part:
    """A set's numbers; claims without words are left out."""
    found, scores, kept = [], [], []
    lang = "en"
    for row in rows:
        reading = read(row.claim, row.evidence)
        tick()
        if not reading.scored:
            continue
        lang = reading.lang if name.endswith("zh") else "en"
        against = checked(reading)
        found.append(features(reading, against))
        scores.append(list(scored(reading, against, 0.0).values())[:2])
        kept.append(row)
    labels = np.array([row.supported for row in kept])
    numbers = np.array(found, np.float32).reshape(-1, len(NAMES))
    return Part(name, lang, numbers, np.nan_to_num(np.array(scores)), labels, folds(kept))


def folds(rows: Sequence[Row]) -> NDArray[np.int64]:
    """(rows,), each in [0, `FOLDS`): claims that are the same, or whose texts share a long sentence, are in one fold."""
    parent = list(range(len(rows)))

    def root(n: int) -> int:
        while parent[n] != n:
            parent[n] = parent[parent[n]]
            n = parent[n]
        return n

    seen: dict[str, int] = {}
    for number, row in enumerate(rows):
        lines = [s.text for s in read("", row.evidence).evidence]
        for line in [row.claim, *(line for line in lines if len(line) > 40)]:
            parent[root(number)] = root(seen.setdefault(line, number))
    groups, sizes = np.unique([root(n) for n in range(len(rows))], return_counts=True)
    shuffled = np.random.default_rng(0).permutation(len(groups))
    filled, fold = [0] * FOLDS, dict[int, int]()
    for place in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        least = int(np.argmin(filled))
        fold[int(groups[place])] = least
        filled[least] += int(sizes[place])
    return np.array([fold[root(n)] for n in range(len(rows))], np.int64)
