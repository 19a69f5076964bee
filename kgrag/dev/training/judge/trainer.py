"""Training data of the claim judge (`kgrag.judge.model`): human labels and perturbed claims.

The dev files of BEGIN (Dziri et al. 2022), WiCE (Kamoi et al. 2023), QAGS on CNN/DM (Wang et al. 2020) and HaluEval's
questions (Li et al. 2023); SNLI (Bowman et al. 2015); and claims that `kgrag.dev.training.judge.claim_perturbation`
makes from documents. The trained judge is trees and a few weights, without any text.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kgrag.dev.benchmarks.judge.datasets import JudgedClaim, load_claims
from kgrag.dev.training.judge.claim_perturbation import PerturbedClaim, build_sources, perturb_claims
from kgrag.errors import ReadError, UsageError
from kgrag.judge.ensemble import member_scores
from kgrag.judge.features import FEATURE_NAMES, claim_features
from kgrag.judge.literal_checks import run_literal_checks
from kgrag.judge.tokenization import tokenize_pair
from kgrag.serialize import JsonObject
from kgrag.storage.text_files import open_text_file

HUMAN_SETS = {"begin": "begin.dev", "wice": "wice.dev", "qags-cnndm": "qags-cnndm", "halueval-qa": "halueval-qa.dev"}
"""Sets with human labels, all English, and their files in ``support``; each has its figures."""
CORPORA = ("2wiki", "hotpot", "musique")
DOCUMENTS_PER_CORPUS = 700
"""Documents drawn from each of the corpora."""
SNLI_FILE = "snli.train"
SET_WEIGHTS = {"made": 0.3, "snli": 0.3}
"""Weights of the sets without human labels; the others weigh 1 each."""
FOLDS = 5
Floats = NDArray[np.float64]
Tick = Callable[[], None]


@dataclass(frozen=True)
class ClaimSet:
    """A training set of claims.

    ``feature_rows`` is (claims, features); ``scores`` is (claims, 2), of overlap and details. ``folds`` is each claim's
    fold in [0, `FOLDS`), equal for claims that share a sentence of evidence or are the same.
    """

    name: str
    lang: str
    feature_rows: NDArray[np.float32]
    scores: Floats
    labels: NDArray[np.bool_]
    folds: NDArray[np.int64]

    @property
    def weights(self) -> Floats:
        """The weight of each claim.

        Both labels weigh the same, so that log-odds of 0 are the point of equal errors of both kinds.
        """
        yes = self.labels.sum()
        each = np.where(self.labels, 0.5 / max(1, yes), 0.5 / max(1, len(self.labels) - yes))
        return np.asarray(each * SET_WEIGHTS.get(self.name, 1.0), np.float64)


def load_claim_sets(data: Path) -> dict[str, list[JudgedClaim]]:
    """Load every training set, by name: `HUMAN_SETS`, ``snli``, ``made`` (English) and ``made-zh``.

    Args:
        data: the folder that contains ``support``, ``reader`` and `CORPORA`.

    Raises:
        UsageError: a file is missing.
        ReadError: a file cannot be read.
    """
    sets = {name: list(load_claims(data / "support" / f"{file}.jsonl.gz").claims) for name, file in HUMAN_SETS.items()}
    lines = list(_read_json_lines(data / "support" / f"{SNLI_FILE}.jsonl.gz"))
    sets["snli"] = [JudgedClaim(row["claim"], (row["evidence"],), row["label"] == "entailment") for row in lines]
    sets["made"] = [_as_judged_claim(claim) for claim in perturbed_english(data)]
    sets["made-zh"] = [_as_judged_claim(claim) for claim in perturbed_chinese(data)]
    return sets


def perturbed_english(data: Path) -> Iterator[PerturbedClaim]:
    """Perturb claims from documents of the corpora, and from the questions of ``reader/train.en.jsonl.gz``."""
    texts: list[str] = []
    questions_by_text: list[list[tuple[str, str]]] = []
    rng = random.Random(0)
    for corpus in CORPORA:
        long_documents = [d for d in _read_json_lines(data / corpus / "corpus.jsonl.gz") if len(d["text"]) >= 200]
        for document in rng.sample(long_documents, min(DOCUMENTS_PER_CORPUS, len(long_documents))):
            texts.append(f"{document['title']}. {document['text']}")
            questions_by_text.append([])
    for question in _read_json_lines(data / "reader" / "train.en.jsonl.gz"):
        texts.append("\n".join(f"{p['title']}. {p['text']}" for p in question["passages"] if p["gold"]))
        questions_by_text.append([(question["text"], answer) for answer in question["answers"][:1]])
    return perturb_claims(build_sources(texts, "en", questions_by_text), "en", 0, 2)


def perturbed_chinese(data: Path) -> Iterator[PerturbedClaim]:
    """Perturb claims from the passages and questions of ``reader/train.zh.jsonl.gz``."""
    questions_by_text: dict[str, list[tuple[str, str]]] = {}
    for question in _read_json_lines(data / "reader" / "train.zh.jsonl.gz"):
        for passage in question["passages"]:
            passage_questions = questions_by_text.setdefault(passage["text"], [])
            passage_questions += [
                (question["text"], a) for a in question["answers"][:1] if passage["gold"] and a in passage["text"]
            ]
    return perturb_claims(build_sources(list(questions_by_text), "zh", list(questions_by_text.values())), "zh", 0, 4)


def perturbed_cmrc(folder: Path, seed: int) -> Iterator[PerturbedClaim]:
    """Perturb claims from ``corpus.jsonl.gz`` and ``questions.dev.jsonl`` of a folder, for a Chinese test set."""
    questions_by_document: dict[str, list[tuple[str, str]]] = {
        d["_id"]: [] for d in _read_json_lines(folder / "corpus.jsonl.gz")
    }
    texts = {d["_id"]: d["text"] for d in _read_json_lines(folder / "corpus.jsonl.gz")}
    for question in _read_json_lines(folder / "questions.dev.jsonl"):
        for document in question["gold"]:
            if document in texts:
                questions_by_document[document] += [
                    (question["text"], a) for a in question["answers"][:1] if a in texts[document]
                ]
    return perturb_claims(
        build_sources(list(texts.values()), "zh", list(questions_by_document.values())), "zh", seed, 2
    )


def _as_judged_claim(claim: PerturbedClaim) -> JudgedClaim:
    return JudgedClaim(claim.claim, (claim.evidence,), claim.supported)


def _read_json_lines(path: Path) -> Iterator[JsonObject]:
    if not path.is_file():
        raise UsageError(f"Expected {path.name} in {path.parent}, found none: pass the folder that contains the sets.")
    with open_text_file(path) as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield json.loads(line)
            except ValueError as error:
                raise ReadError(f"{path}, line {number}: expected a JSON object ({error}): fix that line.") from error


def prepare_claims(name: str, rows: Sequence[JudgedClaim], tick: Tick = lambda: None) -> ClaimSet:
    """Compute a set's features, scores, labels and folds; claims without words are left out."""
    feature_lists, scores, scored_claims = [], [], []
    lang = "en"
    for row in rows:
        reading = tokenize_pair(row.claim, row.evidence)
        tick()
        if not reading.is_scorable:
            continue
        lang = reading.lang if name.endswith("zh") else "en"
        literal_checks = run_literal_checks(reading)
        feature_lists.append(claim_features(reading, literal_checks))
        scores.append(list(member_scores(reading, literal_checks, 0.0).values())[:2])
        scored_claims.append(row)
    labels = np.array([row.supported for row in scored_claims])
    feature_rows = np.array(feature_lists, np.float32).reshape(-1, len(FEATURE_NAMES))
    return ClaimSet(name, lang, feature_rows, np.nan_to_num(np.array(scores)), labels, assign_folds(scored_claims))


def assign_folds(rows: Sequence[JudgedClaim]) -> NDArray[np.int64]:
    """Return (rows,), the fold of each claim in [0, `FOLDS`).

    Equal claims, and claims whose texts share a long sentence, share a fold.
    """
    parent = list(range(len(rows)))

    def root(n: int) -> int:
        while parent[n] != n:
            parent[n] = parent[parent[n]]
            n = parent[n]
        return n

    number_by_line: dict[str, int] = {}
    for number, row in enumerate(rows):
        lines = [s.text for s in tokenize_pair("", row.evidence).evidence]
        for line in [row.claim, *(line for line in lines if len(line) > 40)]:
            parent[root(number)] = root(number_by_line.setdefault(line, number))
    groups, sizes = np.unique([root(n) for n in range(len(rows))], return_counts=True)
    shuffled = np.random.default_rng(0).permutation(len(groups))
    fold_sizes, fold_by_group = [0] * FOLDS, dict[int, int]()
    for group_index in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        smallest_fold = int(np.argmin(fold_sizes))
        fold_by_group[int(groups[group_index])] = smallest_fold
        fold_sizes[smallest_fold] += int(sizes[group_index])
    return np.array([fold_by_group[root(n)] for n in range(len(rows))], np.int64)
