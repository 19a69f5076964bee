"""What joins two names where no pattern says: a small network over words in their context, and linear models beside it.

The first question is which spans of a sentence facts are about (`ingest.spans`), the second how likely a sentence
states any relation between two of them (`ingest.pairs`), the third which, and which way. Each is answered by the sum of what
a network says (`ingest.network`), which reads the sentence encoder's states (`ingest.states`), and of weights of hashed
features. Made by `kgrag.evaluate.relate_training` with the command `make relations`; the data and their licences are named there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest.marks import Mark
from ingest.network import Asked, Numbers, Weights, asked, classified, decisions, judged, tags, trunk
from ingest.pairs import End, Pair, ends, pairs
from ingest.patterns import POSSESSIVE, SUBJECT, vocabulary
from ingest.spans import Word, decode, features, placed, words
from kgrag.errors import ModelError
from kgrag.files import replaced
from kgrag.text import STOPWORDS

FILE: Final = Path(__file__).parent / "relate.npz"
SURE = 0.3
"""The least probability that two names are joined, for a fact; the best F1 over the training sets, cross-validated."""
TRUST = 0.7
"""What a certain guess counts beside the patterns, most of which have 0.8 and more."""
NAMED = 0.3
"""The least probability of a predicate; with less, a fact keeps the words that stand between its names."""
NARROW: Final = 1 << 14
"""Buckets of the features that say by what a pair is joined."""
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
StatesOf = Callable[[Sequence[tuple[int, int]]], Weights]


@dataclass(frozen=True)
class Model:
    """A network over the states of words, and weights of hashed features; a class is a predicate, with ``^`` before it
    where the right name is the subject.

    ``weights``, by name: those of `ingest.network`, and ``spans`` (`ingest.spans.BUCKETS`, 3), ``joins``
    (`ingest.pairs.BUCKETS`, 1), ``names`` (`NARROW`, classes).
    """

    classes: tuple[str, ...]
    weights: Mapping[str, Weights]

    def read(self, sentence: str, marks: Sequence[Mark], title_id: str, states: StatesOf) -> Read:
        """The ends of possible facts in a sentence, and every two of them that may be joined."""
        heard = words(sentence)
        known = named(marks)
        seen = states([(start, end) for start, end, _ in heard])
        hidden = trunk(self.weights, seen, tags(len(heard), placed(heard, known)))
        hashed = self.weights["spans"]
        odds = decisions(self.weights, hidden) + hashed[np.array(features(heard, known)).reshape(len(heard), -1)].sum(1)
        here = ends(sentence, marks, decode(odds, hashed, heard), title_id)
        found = list(pairs(sentence, here))
        return Read(seen, hidden, *places(heard, here, found), found)

    def judge(self, read: Read) -> tuple[Weights, Weights]:
        """(pairs,): log-odds that the two are joined; (pairs, hidden): what `odds` wants."""
        joined, mixed = judged(self.weights, read.states, read.hidden, read.ends, read.asked)
        hashed = self.weights["joins"][:, 0]
        flat = np.concatenate([pair.features for pair in read.pairs])
        starts = np.cumsum([0, *(len(pair.features) for pair in read.pairs[:-1])])
        return joined + np.add.reduceat(hashed[flat], starts), mixed

    def odds(self, pair: Pair, mixed: Weights) -> Weights:
        """(classes,): log-odds by what a pair is joined, of its row of what `judge` gives."""
        hashed: Weights = self.weights["names"][np.array(pair.features) % NARROW].sum(0)
        return classified(self.weights, mixed) + hashed

    def name(self, pair: Pair, odds: Weights) -> str:
        """The likeliest class of a pair that is joined, of those that its types allow; "" if none is likely.

        Args:
            odds: (classes,), as `odds` gives them.
        """
        chances = np.exp(odds - odds.max())
        chances /= chances.sum()
        for place in np.argsort(-chances, kind="stable"):
            name = self.classes[place]
            if _allowed(name, pair):
                return name if chances[place] >= NAMED else ""
        return ""


class Read(NamedTuple):
    """A sentence as a model reads it: what is known of each word (words, width) and (words, hidden), the `tags` of the
    ends of possible facts, and pairs of them, as a network is asked and as they are."""

    states: Weights
    hidden: Weights
    ends: Numbers
    asked: Asked
    pairs: list[Pair]


def places(heard: Sequence[Word], here: Sequence[End], found: Sequence[Pair]) -> tuple[Numbers, Asked]:
    """Ends and pairs of them by words, as `ingest.network.judged` wants them."""
    spans = placed(heard, [(end.start, end.end, end.kind) for end in here])
    number = {end: place for place, end in enumerate(here)}
    return tags(len(heard), spans), asked(spans, [(number[pair.left], number[pair.right]) for pair in found])


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
            weights = {name: data[name].astype(np.float32) for name in data.files if name != "classes"}
            for name in _HASHED:
                weights[name] *= weights.pop(f"{name}_scale")
            return Model(tuple(str(c) for c in data["classes"]), weights)
    except (OSError, EOFError, KeyError, ValueError) as error:
        raise ModelError(
            f"{FILE} is not the model of relations ({type(error).__name__}): install kgrag again, or remake it with "
            "`make relations DATA=DIR`."
        ) from error


_HASHED = ("spans", "joins", "names")


def save(made: Model, path: Path) -> None:
    """Write a model, whole or not at all: numbers of two bytes, and for hashed features whole numbers of one."""
    data: dict[str, NDArray[np.generic]] = {"classes": np.array(made.classes)}
    for name, weights in made.weights.items():
        if name in _HASHED:
            scale = float(np.abs(weights).max()) / 127 or 1.0
            data |= {name: np.round(weights / scale).astype(np.int8), f"{name}_scale": np.array(scale)}
        else:
            data[name] = weights.astype(np.float16)
    # an open file: by a name that does not end in .npz, numpy would write another
    with replaced(path) as beside, beside.open("wb") as file:
        np.savez_compressed(file, **data)  # type: ignore[arg-type, unused-ignore]


def relate(
    sentence: str, marks: Sequence[Mark], title_id: str, states: StatesOf
) -> Iterator[tuple[str, str, str, float]]:
    """Facts between any two names of a sentence, as (subject, predicate, object, confidence).

    Args:
        states: gives the states (spans, width) of spans of the sentence (see `ingest.states`).
    """
    known = model()
    read = known.read(sentence, marks, title_id, states)
    if not read.pairs:
        return
    joined, mixed = known.judge(read)
    for pair, odds, row in zip(read.pairs, joined, mixed, strict=True):
        sure = 1 / (1 + float(np.exp(-odds)))
        if sure >= SURE:
            name = known.name(pair, known.odds(pair, row))
            if name.removeprefix("^") in ("", OTHER):
                name = own_words(sentence[pair.left.end : pair.right.start]) or name or OTHER
            both = (pair.left.entity, pair.right.entity)
            subject, value = both[::-1] if name.startswith("^") else both
            yield subject, name.removeprefix("^"), value, round(TRUST * sure, 3)
