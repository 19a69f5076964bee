"""Two names of a sentence, and what the words around them say of what joins them: features for `ingest.relate`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise
from typing import NamedTuple
from zlib import crc32

from ingest.marks import Mark
from ingest.patterns import POSSESSIVE, SUBJECT
from kgrag.text import key

FAR = 24
"""Words that may stand between the two."""
MOST = 24
"""Names of a sentence that are paired; one with more is a list."""
BUCKETS = 1 << 16
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*|\d[\d,.]*|[^\w\s]")


class End(NamedTuple):
    """One of the two: its span in the sentence, its entity and its type (``SELF`` for the document's own subject)."""

    start: int
    end: int
    entity: str
    kind: str


class Pair(NamedTuple):
    """Two ends in the order of the sentence, and the hashed features of their pair, each in [0, `BUCKETS`)."""

    left: End
    right: End
    features: tuple[int, ...]


def ends(sentence: str, marks: Sequence[Mark], spans: Sequence[tuple[int, int]], title_id: str) -> list[End]:
    """What can be the end of a fact, ordered, not overlapping: the ``spans`` (see `ingest.spans`), and the
    document's own subject where it is in none of them. Names that the spans leave out are left out: with them the
    pairs of WebNLG have an F1 of 58.7 and not 61.9."""
    found = []
    for start, end in spans:
        over = [m for m in marks if m.start < end and start < m.end]
        same = next((m for m in over if (m.start, m.end) == (start, end)), None)
        if any(m.char in (SUBJECT, POSSESSIVE) and start <= m.start and m.end <= end for m in over):
            found.append(End(start, end, title_id, "SELF"))
        elif same is not None:
            found.append(End(start, end, same.entity, same.kind))
        else:
            kind = max((m.kind for m in over), default="TERM") or "TERM"
            kind = "NUMBER" if sentence[start].isdigit() and kind == "TERM" else kind
            found.append(End(start, end, key(sentence[start:end]), kind))
    taken = {i for end in found for i in range(end.start, end.end)}
    for mark in marks:
        own = mark.char in (SUBJECT, POSSESSIVE) and mark.end > mark.start
        if own and taken.isdisjoint(range(mark.start, mark.end)):
            found.append(End(mark.start, mark.end, title_id, "SELF"))
    return sorted(end for end in found if end.entity)


def pairs(sentence: str, here: Sequence[End]) -> Iterator[Pair]:
    """Every two of the `ends` that stand near each other and are not one thing.

    Features are hashed into buckets (Weinberger et al. 2009).
    """
    here = here[:MOST]
    words = [(m.start(), m.group()) for m in _WORD.finditer(sentence)]
    if len(here) < 2:
        return
    line = _Line(sentence, words, here)
    for a, b in combinations(range(len(here)), 2):
        left, right = here[a], here[b]
        if left.entity != right.entity and left.end <= right.start and line.between(a, b) <= FAR:
            yield Pair(left, right, line.features(a, b))


class _Line:
    """A sentence as words, names replaced by their types."""

    def __init__(self, sentence: str, words: Sequence[tuple[int, str]], here: Sequence[End]) -> None:
        self.ends = here
        self.words: list[str] = []
        self.at: list[int] = []
        self.heads = [sentence[e.start : e.end].split()[-1].lower() for e in here]
        self.firsts = [sentence[e.start : e.end].split()[0].lower() for e in here]
        place = 0
        for number, end in enumerate(here):
            while place < len(words) and words[place][0] < end.start:
                self.words.append(words[place][1].lower())
                place += 1
            while place < len(words) and words[place][0] < end.end:
                place += 1
            self.at.append(len(self.words))
            self.words.append(f"<{here[number].kind}>")
        self.words += [word.lower() for _, word in words[place:]]

    def between(self, a: int, b: int) -> int:
        return self.at[b] - self.at[a] - 1

    def features(self, a: int, b: int) -> tuple[int, ...]:
        i, j = self.at[a], self.at[b]
        both = f"{self.ends[a].kind}|{self.ends[b].kind}"
        mid = self.words[i + 1 : j]
        before = ["^^^", "^^", "^", *self.words[max(0, i - 3) : i]][-3:]
        after = [*self.words[j + 1 : j + 4], "$", "$$", "$$$"][:3]
        names = b - a - 1
        said = [
            both,
            f"n{min(names, 6)}",
            f"d{min(len(mid), 4) if len(mid) < 5 else 5 + min(len(mid), 24) // 4}|{both}",
            f"h{self.heads[a]}",
            f"H{self.heads[b]}",
            f"g{self.firsts[a]}",
            f"G{self.firsts[b]}",
            f"h{self.heads[a]}|{self.ends[b].kind}",
            f"H{self.heads[b]}|{self.ends[a].kind}",
            f"b{before[2]}|{both}",
            f"b{before[1]} {before[2]}|{self.ends[a].kind}",
            f"B{before[0]} {before[1]} {before[2]}",
            f"a{after[0]}|{both}",
            f"a{after[0]} {after[1]}|{self.ends[b].kind}",
            f"A{after[0]} {after[1]} {after[2]}",
            f"o{' '.join(self.words[:3])}",
        ]
        if len(mid) <= 8:
            said.append(f"m{' '.join(mid)}")
            said.append(f"m{' '.join(mid)}|{both}")
        if mid:
            said += [f"f{mid[0]}|{both}", f"l{mid[-1]}|{both}", f"f{' '.join(mid[:2])}", f"l{' '.join(mid[-2:])}"]
            said += [f"l{' '.join(mid[-3:])}|{both}", f"f{' '.join(mid[:3])}|{both}"]
        if names == 0:
            said.append(f"0{both}")
        for word in dict.fromkeys(mid):
            said += [f"w{word}", f"w{word}|{both}"]
        for one, two in pairwise(mid):
            said.append(f"v{one} {two}")
        for word in self.words[max(0, i - 6) : i]:
            said.append(f"p{word}|{both}")
        for word in self.words[j + 1 : j + 6]:
            said.append(f"q{word}|{both}")
        return tuple({crc32(feature.encode()) % BUCKETS: None for feature in said})
