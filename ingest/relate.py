"""What joins two names where no pattern says: linear models over hashed features of the words around them.

The first model says which spans of a sentence facts are about (`ingest.spans`), the second how likely a sentence
states any relation between two of them (`ingest.pairs`), the third which, and which way. Made by
`kgrag.evaluate.relate_training` with the command `make relations`; the data and their licences are named there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ingest.marks import Mark
from ingest.pairs import End, Pair, ends, pairs
from ingest.patterns import POSSESSIVE, SUBJECT, vocabulary
from ingest.spans import decode, features, words
from kgrag.errors import ModelError
from kgrag.files import replaced
from kgrag.text import STOPWORDS

FILE: Final = Path(__file__).parent / "relate.npz"
SURE = 0.25
"""The least probability that two names are joined, for a fact; the best F1 over the training sets, cross-validated."""
TRUST = 0.7
"""What a certain guess counts beside the patterns, most of which have 0.8 and more."""
NAMED = 0.3
"""The least probability of a predicate; with less, a fact keeps the words that stand between its names."""
OTHER: Final = "related_to"
_ARTICLES = re.compile(r"^(?:(?:is|was|are|were|has|had|been|being|also)\b ?)+|\b(?:an?|the|its|his|her|their)\b ?")
_FEW = re.compile(r"[a-z-]{2,}(?: [a-z-]{2,}){0,3}")
_DATED = frozenset(["start", "end", "date"])
_NO_PERSONS = frozenset(["PLACE", "ORGANISATION", "GROUP", "WORK", "EVENT"])
_OF_PERSONS = frozenset(
    [
        "date_of_birth",
        "date_of_death",
        "place_of_birth",
        "place_of_death",
        "place_of_burial",
        "nationality",
        "father",
        "mother",
        "spouse",
        "child",
        "sibling",
        "educated_at",
        "employer",
        "residence",
        "position",
        "student_of",
    ]
)
Weights = NDArray[np.float32]


@dataclass(frozen=True)
class Model:
    """Weights of hashed features; a class is a predicate, with ``^`` before it where the right name is the subject.

    Shapes: ``spans`` (`ingest.spans.BUCKETS`, 3), ``joined`` (`ingest.pairs.BUCKETS`,), ``which`` (narrower buckets,
    classes), ``biases`` (classes,).
    """

    classes: tuple[str, ...]
    spans: Weights
    joined: Weights
    which: Weights
    bias: float
    biases: Weights

    def ends(self, sentence: str, marks: Sequence[Mark], title_id: str) -> list[End]:
        """The ends of possible facts in a sentence."""
        return ends(
            sentence, marks, decode(self.spans, heard := words(sentence), features(heard, named(marks))), title_id
        )

    def odds(self, found: Sequence[Pair]) -> Weights:
        """(pairs,): log-odds that the two are joined."""
        return np.array([self.bias + self.joined[np.array(pair.features)].sum() for pair in found], np.float32)

    def name(self, pair: Pair) -> str:
        """The likeliest class of a pair that is joined, of those that its types allow; "" if none is likely."""
        odds = self.biases + self.which[np.array(pair.features) % len(self.which)].sum(0)
        chances = np.exp(odds - odds.max())
        chances /= chances.sum()
        for place in np.argsort(-chances, kind="stable"):
            name = self.classes[place]
            if _allowed(name, pair):
                return name if chances[place] >= NAMED else ""
        return ""


def _allowed(name: str, pair: Pair) -> bool:
    """Whether the types of a pair's ends are ones that a class may join."""
    subject, value = (pair.right, pair.left) if name.startswith("^") else (pair.left, pair.right)
    predicate = name.removeprefix("^")
    known = vocabulary().predicates.get(predicate)
    kind = "DATE" if predicate in _DATED else known.value if known is not None else ""
    if subject.kind in ("DATE", "NUMBER") or (predicate in _OF_PERSONS and subject.kind in _NO_PERSONS):
        return False
    if kind == "DATE":
        return value.kind == "DATE"
    if kind == "COUNTRY":
        return value.kind == "GROUP" or value.entity in vocabulary().countries
    return not kind or value.kind not in ("DATE", "NUMBER")


def own_words(between: str) -> str:
    """A predicate of the words that stand between two names, if these are few, small, and not
    stop words alone: "is the manager of" -> "manager_of"; else ""."""
    plain = _ARTICLES.sub("", between.strip(" ,'\"“”")).strip()
    said = plain.split()
    return "_".join(said) if _FEW.fullmatch(plain) and not STOPWORDS.issuperset(said) else ""


def named(marks: Sequence[Mark]) -> list[tuple[int, int, str]]:
    """Marks as `ingest.spans.features` is given them: the document's own subject is of the type ``SELF``."""
    return [(m.start, m.end, "SELF" if m.char in (SUBJECT, POSSESSIVE) else m.kind) for m in marks if m.end > m.start]


@lru_cache(maxsize=1)
def model() -> Model:
    """The shipped model.

    Raises:
        ModelError: its file is not there, or is no such model.
    """
    try:
        with np.load(FILE, allow_pickle=False) as data:
            spans, joined, which = (data[name].astype(np.float32) * float(data[f"{name}_scale"]) for name in _PARTS)
            classes = tuple(str(c) for c in data["classes"])
            return Model(classes, spans, joined, which, float(data["bias"]), data["biases"])
    except (OSError, EOFError, KeyError, ValueError) as error:
        raise ModelError(
            f"{FILE} is not the model of relations ({type(error).__name__}): install kgrag again, or remake it with "
            "`make relations DATA=DIR`."
        ) from error


_PARTS = ("spans", "joined", "which")


def save(made: Model, path: Path) -> None:
    """Write a model, whole or not at all, its weights as whole numbers of one byte each."""
    data: dict[str, NDArray[np.generic]] = {}
    for name in _PARTS:
        weights: Weights = getattr(made, name)
        scale = float(np.abs(weights).max()) / 127 or 1.0
        data |= {name: np.round(weights / scale).astype(np.int8), f"{name}_scale": np.array(scale)}
    rest = {"classes": np.array(made.classes), "bias": np.array(made.bias), "biases": made.biases}
    # an open file: by a name that does not end in .npz, numpy would write another
    with replaced(path) as beside, beside.open("wb") as file:
        np.savez_compressed(file, **(data | rest))  # type: ignore[arg-type, unused-ignore]


def relate(sentence: str, marks: Sequence[Mark], title_id: str) -> Iterator[tuple[str, str, str, float]]:
    """Facts between any two names of a sentence, as (subject, predicate, object, confidence)."""
    known = model()
    found = list(pairs(sentence, known.ends(sentence, marks, title_id)))
    for pair, odds in zip(found, known.odds(found), strict=True):
        sure = 1 / (1 + float(np.exp(-odds)))
        if sure >= SURE:
            name = known.name(pair)
            if name.removeprefix("^") in ("", OTHER):
                name = own_words(sentence[pair.left.end : pair.right.start]) or name or OTHER
            both = (pair.left.entity, pair.right.entity)
            subject, value = both[::-1] if name.startswith("^") else both
            yield subject, name.removeprefix("^"), value, round(TRUST * sure, 3)
