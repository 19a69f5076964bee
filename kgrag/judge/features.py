"""What a claim has in common with its evidence, as numbers: of words and their order, of details, of manner.

All are shares, or counts of the claim alone, so that they mean the same for short and for long evidence. Ideas: extractive fragments (Grusky et al. 2018), skip-bigrams (Lin 2004), and where the
words of one claim come from (a summary that joins two sentences wrongly has all its words and no sentence for them).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from kgrag.judge.details import Checked, Found, Kind, negated, opposed
from kgrag.judge.reading import Reading, Sentence

UNDEFINED = -1.0
REACH = 6
"""Words between which a pair counts as near in a sentence; in a claim two less."""
FIRST = frozenset(["i", "my", "me", "mine", "we", "our", "us", "i'm", "i've", "i'd", "i'll"])
SECOND = frozenset(["you", "your", "yours", "yourself"])
PRONOUNS = frozenset(["he", "she", "it", "they", "his", "her", "its", "their", "him", "them", "this", "these"])
NAMES = (
    "covered", "covered loosely", "covered plain", "covered by one", "covered by two", "covered by neighbours", "one of all", "missing",
    "missing rare", "missing run", "missing early", "missing late", "least clause", "least sentence", "copied 2", "copied 3", "copied 4",
    "longest copy", "copies", "density", "common 1", "common 2", "backwards", "near pairs", "pairs of one", "steps", "needed",
    "names", "names lacked", "names elsewhere", "amounts", "amounts lacked", "amounts against", "dates", "dates lacked",
    "dates against", "negated", "unlike", "opposed", "words", "sentences", "first person", "second person", "asks", "pronouns",
    "place", "evidence", "missing verbs", "missing loosely", "details lacked", "details against",
)  # fmt: skip
"""Of the numbers of `features`, in order."""
RISES = frozenset([
    "covered", "covered loosely", "covered plain", "covered by one", "covered by two", "covered by neighbours", "one of all",
    "least clause", "least sentence", "copied 2", "copied 3", "copied 4", "longest copy", "density", "common 1", "common 2",
    "near pairs", "pairs of one",
])  # fmt: skip
"""With more of these a claim is never less supported."""
FALLS = frozenset([
    "missing", "missing rare", "missing run", "missing early", "missing late", "missing verbs", "missing loosely", "copies",
    "backwards", "steps", "names lacked", "names elsewhere", "amounts lacked", "amounts against", "dates lacked", "dates against",
    "opposed", "details lacked", "details against", "first person", "second person",
])  # fmt: skip
"""With more of these it is never more supported."""
SIGNS = tuple((name in RISES) - (name in FALLS) for name in NAMES)
"""Of each number, 1, -1 or 0: so that no accident of a small set turns round what is known (monotone constraints)."""


def features(reading: Reading, against: Checked) -> NDArray[np.float32]:
    """(`NAMES`,): what the words, the details and the manner of a claim are beside its evidence; `UNDEFINED` where there
    is nothing to count.

    Args:
        reading: one that is ``scored``.
        against: what was checked of it.
    """
    best = reading.best or reading.evidence[0]
    values = [*_coverage(reading), *_order(reading, best), *_pairs(reading)]
    values += [*_details(reading, best, against.found), *_manner(reading, best)]
    lacked = sum(one.lacked for one in against.found.values())
    values += [float(lacked), sum(one.contradicted for one in against.found.values()) + float(against.turned)]
    assert len(values) == len(NAMES)
    return np.nan_to_num(np.array(values, np.float32), nan=UNDEFINED)


def _coverage(reading: Reading) -> Iterable[float]:
    claim, ranked, where = reading.claim, reading.ranked, reading.where
    count = len(reading.evidence)
    everything = range(len(reading.evidence))
    covered = reading.covered(everything)
    one = reading.covered(ranked[:1])
    starts = {max(0, place + step) for place in ranked[:3] for step in (-1, 0)}
    beside = max((reading.covered(range(n, min(n + 2, count))) for n in starts), default=0.0)
    total = sum(reading.weights.values())
    loosely = sum(reading.weights[s] for s in reading.alike) / total if total else math.nan
    yield from (
        covered,
        covered + loosely,
        reading.covered(everything, weighted=False),
        one,
        reading.covered(ranked[:2]),
        beside,
    )
    yield one / covered if covered else 0.0
    content = [w for w in claim.words if w.content]
    missing = [w.stem not in where for w in content]
    yield float(sum(missing))
    yield sum(len(w.folded) > 6 for w, gone in zip(content, missing, strict=True) if gone) / max(1, len(content))
    yield float(_longest_run(missing))
    third = max(1, len(content) // 3)
    yield sum(missing[:third]) / third
    yield sum(missing[-third:]) / third
    yield min(_clauses(reading, ",;，；、:()（）"), default=covered)
    yield min(_clauses(reading, ".!?。！？"), default=covered)


def _clauses(reading: Reading, marks: str) -> Iterable[float]:
    """The coverage of each stretch of the claim between some marks that has two words of content or more."""
    text, group = reading.claim.text, list[str]()
    end = 0
    for word in reading.claim.words:
        if any(c in marks for c in text[end : word.start]):
            if len(group) > 1:
                yield _share(group, reading)
            group = []
        if word.content:
            group.append(word.stem)
        end = word.end
    if len(group) > 1:
        yield _share(group, reading)


def _share(group: Sequence[str], reading: Reading) -> float:
    total = sum(reading.weights[s] for s in group)
    return sum(reading.weights[s] for s in group if s in reading.where) / total


def _order(reading: Reading, best: Sentence) -> Iterable[float]:
    mine = [w.stem for w in reading.claim.words]
    sentences = [[w.stem for w in s.words] for s in reading.evidence]
    for size in (2, 3, 4):
        held = {tuple(s[i : i + size]) for s in sentences for i in range(len(s) - size + 1)}
        own = [tuple(mine[i : i + size]) for i in range(len(mine) - size + 1)]
        yield sum(gram in held for gram in own) / len(own) if own else math.nan
    copies = _fragments(mine, sentences)
    yield max(copies, default=0) / len(mine)
    yield len(copies) / len(mine)
    yield sum(n * n for n in copies) / len(mine) ** 2
    first = [w.stem for w in best.words]
    second = [s for n in reading.ranked[:2] for s in sentences[n]] or first
    yield _common(mine, first) / len(mine)
    yield _common(mine, second) / len(mine)
    # how much of what the claim and its best sentence share stands in another order
    theirs = set(first)
    shared = [stem for stem in mine if stem in theirs]
    yield 1 - _common(shared, first) / len(shared) if shared else math.nan


def _pairs(reading: Reading) -> Iterable[float]:
    content = [w.stem for w in reading.claim.words if w.content]
    places: list[dict[str, list[int]]] = []
    for sentence in reading.evidence:
        at: dict[str, list[int]] = {}
        for number, word in enumerate(w for w in sentence.words if w.content):
            at.setdefault(word.stem, []).append(number)
        places.append(at)
    near = together = total = 0
    for i, one in enumerate(content):
        for other in content[i + 1 : i + REACH - 1]:
            if one == other:
                continue
            total += 1
            both = [p for p in places if one in p and other in p]
            together += bool(both)
            near += any(0 < b - a <= REACH for p in both for a in p[one] for b in p[other])
    yield near / total if total else math.nan
    yield together / total if total else math.nan
    where = reading.where
    known = [s for s in content if s in where]
    apart = [not set(where[a]) & set(where[b]) for a, b in pairwise(known)]
    yield sum(apart) / len(apart) if apart else math.nan
    yield float(len(reading.ranked))


def _details(reading: Reading, best: Sentence, found: Mapping[Kind, Found]) -> Iterable[float]:
    near = {w.stem for n in reading.ranked[:2] for w in reading.evidence[n].words}
    name, amount, date = (found[kind] for kind in (Kind.NAME, Kind.AMOUNT, Kind.DATE))
    text = reading.claim.text
    capital = [w.stem for w in reading.claim.words if w.content and text[w.start].isupper() and w.start]
    yield float(sum(name))
    yield name.lacked / sum(name) if sum(name) else 0.0
    yield sum(s not in near for s in capital) / len(capital) if capital else 0.0
    for one in (amount, date):
        yield float(sum(one))
        yield (one.lacked + one.contradicted) / sum(one) if sum(one) else 0.0
        yield float(one.contradicted)
    yield float(negated(reading.claim))
    yield float(negated(best)) - float(negated(reading.claim))
    yield float(opposed(reading.claim, best))


def _manner(reading: Reading, best: Sentence) -> Iterable[float]:
    folded = [w.folded for w in reading.claim.words]
    theirs = {w.folded for s in reading.evidence for w in s.words}
    yield math.log1p(len(folded))
    yield float(sum(reading.claim.text.count(c) for c in ".!?。！？"))
    yield sum(w in FIRST for w in folded if w not in theirs) / len(folded)
    yield sum(w in SECOND for w in folded if w not in theirs) / len(folded)
    yield float(any(c in reading.claim.text for c in "?？"))
    yield sum(w in PRONOUNS for w in folded) / len(folded)
    yield best.number / len(reading.evidence)
    yield math.log1p(sum(len(s.words) for s in reading.evidence))
    yield sum(
        w.folded.endswith(("ed", "ing")) and w.stem not in reading.where for w in reading.claim.words if w.content
    ) / len(folded)
    yield float(len(reading.claim.stems - reading.where.keys() - reading.alike))


def _longest_run(flags: Sequence[bool]) -> int:
    longest = run = 0
    for flag in flags:
        run = run + 1 if flag else 0
        longest = max(longest, run)
    return longest


def _fragments(mine: Sequence[str], sentences: Sequence[Sequence[str]]) -> list[int]:
    """The lengths of the runs that a claim copies from sentences, greedily from its beginning."""
    starts: dict[str, list[tuple[Sequence[str], int]]] = {}
    for sentence in sentences:
        for place, stem in enumerate(sentence):
            starts.setdefault(stem, []).append((sentence, place))
    found = []
    at = 0
    while at < len(mine):
        longest = 0
        for sentence, place in starts.get(mine[at], ()):
            length = 1
            while (
                at + length < len(mine)
                and place + length < len(sentence)
                and mine[at + length] == sentence[place + length]
            ):
                length += 1
            longest = max(longest, length)
        if longest:
            found.append(longest)
        at += max(1, longest)
    return found


def _common(a: Sequence[str], b: Sequence[str]) -> int:
    """The length of the longest common subsequence."""
    row = [0] * (len(b) + 1)
    for one in a:
        before = 0
        for place, other in enumerate(b, 1):
            kept = row[place]
            row[place] = before + 1 if one == other else max(kept, row[place - 1])
            before = kept
    return row[-1]
