"""All known names at once: runs of tokens, looked up by hash in a table that can stay on disk; longest first.

A name is its tokens joined by spaces (`kgrag.text.key`), so a text has it exactly where a run of tokens equals it. The
table has the hash of every beginning of every name: a run grows token by token as long as some name begins like it,
for all places of all texts at once. An Aho-Corasick automaton finds the same and takes a hundred times the memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kgrag.text import STOPWORDS, Token, fold, is_cjk, tokens

_BARE = "film song album book play band show series city country company war king queen day one two first"
COMMON = STOPWORDS | frozenset(_BARE.split())
_COMPANY = re.compile(r",?\s+(?:A?\.?F\.?C\.?|Inc\.?|Ltd\.?|Co\.?|Corp\.?|plc|LLC|S\.A\.|GmbH|AG|Jr\.?|Sr\.?)$")
_TURN = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no bit of what came before is lost
CHUNK = 65536

Hashes = NDArray[np.uint64]
Numbers = NDArray[np.int32]


class Found(NamedTuple):
    """A known name (its position in the gazetteer's list) and its span in the text searched."""

    name: int
    start: int
    end: int


@dataclass(frozen=True)
class Table:
    """``beginnings``: (n,) distinct hashes of the first tokens of names, ascending; ``numbers``: (n,) the name that
    has these tokens and no more, -1 where there is none. With ten million names the chance that any two share a
    hash is about one in 400,000; the second of them would then not be found."""

    beginnings: Hashes
    numbers: Numbers

    @staticmethod
    def of(names: Sequence[str]) -> Table:
        """The table of distinct normalised names, without those that are never found."""
        hashes: list[Hashes] = [np.zeros(0, np.uint64)]
        numbers: list[Numbers] = [np.zeros(0, np.int32)]
        for start in range(0, len(names), CHUNK):
            chunk = names[start : start + CHUNK]
            kept = [(start + n, name) for n, name in enumerate(chunk) if _findable(name)]
            if kept:
                found = _beginnings([name for _, name in kept], np.array([number for number, _ in kept], np.int32))
                hashes.append(found[0])
                numbers.append(found[1])
        return Table(*_distinct(np.concatenate(hashes), np.concatenate(numbers)))

    def look_up(self, hashes: Hashes) -> tuple[NDArray[np.bool_], Numbers]:
        """Whether each hash is a beginning, and the name that it is in full, -1 for none."""
        if not len(self.beginnings):
            return np.zeros(len(hashes), bool), np.full(len(hashes), -1, np.int32)
        place = np.minimum(np.searchsorted(self.beginnings, hashes), len(self.beginnings) - 1)
        known = self.beginnings[place] == hashes
        return known, np.where(known, self.numbers[place], np.int32(-1))


def _findable(name: str) -> bool:
    return len(name) > 1 and name not in COMMON and not name.replace(" ", "").isdigit()


def _beginnings(names: Sequence[str], numbers: Numbers) -> tuple[Hashes, Numbers]:
    lengths = np.fromiter((name.count(" ") + 1 for name in names), np.int64, len(names))
    words = _hashes(" ".join(names).split(" "))
    first = np.cumsum(lengths) - lengths
    grown = np.zeros(len(names), np.uint64)
    left = np.arange(len(names))
    found: list[Hashes] = []
    full: list[Numbers] = []
    for size in range(1, int(lengths.max()) + 1):
        grown = (grown * _TURN) ^ words[first[left] + size - 1]
        done = lengths[left] == size
        found.append(grown)
        full.append(np.where(done, numbers[left], np.int32(-1)))
        grown, left = grown[~done], left[~done]
    return _distinct(np.concatenate(found), np.concatenate(full))


def _distinct(hashes: Hashes, numbers: Numbers) -> tuple[Hashes, Numbers]:
    """Ascending, each hash once, with the greatest of its numbers: a name before none."""
    order = np.lexsort((numbers, hashes))
    hashes, numbers = hashes[order], numbers[order]
    last = np.append(hashes[1:] != hashes[:-1], True) if len(hashes) else np.zeros(0, bool)
    return hashes[last], numbers[last]


def _hashes(words: Sequence[str]) -> Hashes:
    return np.fromiter(map(_hash, words), np.uint64, len(words))


@lru_cache(maxsize=1 << 18)
def _hash(word: str) -> int:
    # not Python's own hash, which differs from one process to the next
    return int.from_bytes(blake2b(word.encode(), digest_size=8).digest(), "little")


class Gazetteer:
    """Finds the names of a list in texts.

    Args:
        names: normalised names (`kgrag.text.key`), distinct. Names of one letter, of one stop word, or of digits
            alone are kept in the list but never found.
        table: of these names, if it was made before.
        titles: (names,), those that are found inside a longer name too: "Sultan Bayezid II" is Bayezid II, about whom
            there is a document; but not inside another such name.
    """

    def __init__(
        self, names: Sequence[str], table: Table | None = None, titles: NDArray[np.bool_] | None = None
    ) -> None:
        self.names = names
        self.table = table or Table.of(names)
        self._titles = titles

    def find(self, text: str, *, any_case: bool = False) -> list[Found]:
        """The names in ``text``, ordered by place; where they overlap the longest, and the titles within it.

        A name that is one word of letters must begin with a capital in ``text`` (or the film "Friends" would be
        found among friends), unless ``any_case``.
        """
        return self.find_all([text], any_case=any_case)[0]

    def find_all(self, texts: Sequence[str], *, any_case: bool = False) -> list[list[Found]]:
        """`find` for each of ``texts``; for a hundred of them at once it takes far less time than one by one."""
        if not texts:
            return []
        every = [tokens(text) for text in texts]
        runs: list[list[tuple[int, int, int, int]]] = [[] for _ in texts]
        for text, first, last, number in self._runs(every):
            if first == last and not any_case:
                word = every[text][first]
                if texts[text][word.start].islower() and not is_cjk(word.text):
                    continue
            runs[text].append((first - last, first, last, number))
        titles = self._titles
        return [_apart(found, words, titles) if found else [] for found, words in zip(runs, every, strict=True)]

    def _runs(self, every: Sequence[Sequence[Token]]) -> Iterator[tuple[int, int, int, int]]:
        """(text, first token, last token, name) of every run of tokens that is a name."""
        words: list[str] = []
        text_of, token_of = [], []
        for number, found in enumerate(every):
            line = [token.text for token in found]
            places = np.arange(len(line) + 1)
            split = " ".join(line).split(" ")
            if len(split) > len(line) > 0:  # a character that stands for several words (\ufdfa)
                places = np.repeat(places, [*(text.count(" ") + 1 for text in line), 1])
                line = split
            words += line
            words.append("")  # no name goes on over the end of a text
            text_of.append(np.full(len(places), number))
            token_of.append(places)
        hashes = _hashes(words)
        texts, places = np.concatenate(text_of), np.concatenate(token_of)
        changes = np.append((np.diff(places) != 0) | (np.diff(texts) != 0), True)
        heads = np.append(True, changes[:-1])
        begin = np.flatnonzero(heads)
        grown = np.zeros(len(begin), np.uint64)
        size = 0
        while len(begin):
            end = begin + size
            grown = (grown * _TURN) ^ hashes[end]
            alive, names = self.table.look_up(grown)
            hits = np.flatnonzero((names >= 0) & changes[end])
            first, last = begin[hits], end[hits]
            columns = (texts[first], places[first], places[last], names[hits], first, last + 1)
            for text, one, other, number, start, stop in zip(*(each.tolist() for each in columns), strict=True):
                if self.names[number] == " ".join(words[start:stop]):  # and not only of its hash
                    yield text, one, other, number
            begin, grown = begin[alive], grown[alive]
            size += 1


def _apart(
    runs: list[tuple[int, int, int, int]], words: Sequence[Token], titles: NDArray[np.bool_] | None
) -> list[Found]:
    """Of runs (-length, first, last, name) the longest, then the first, that do not overlap, and in those that are no
    titles the same of ``titles``; ordered by place."""
    runs.sort()
    taken, used = _longest(runs, set())
    if titles is not None and len(taken) < len(runs):
        free = {place for _, first, last, name in taken if not titles[name] for place in range(first, last + 1)}
        owner = {place: number for number, run in enumerate(taken) for place in range(run[1], run[2] + 1)}
        known = set(taken)
        inner = [
            run
            for run in runs
            if run not in known and titles[run[3]] and run[1] in free and owner[run[1]] == owner.get(run[2])
        ]
        taken += _longest(inner, used - free)[0]
    found = [(words[first].start, words[last].end, name) for _, first, last, name in taken]
    return [Found(name, start, end) for start, end, name in sorted(found)]


def _longest(
    runs: Sequence[tuple[int, int, int, int]], used: set[int]
) -> tuple[list[tuple[int, int, int, int]], set[int]]:
    """Those of sorted runs that are apart from ``used`` and from one another, and the places that are then taken."""
    taken, used = [], set(used)
    for run in runs:
        span = range(run[1], run[2] + 1)
        if used.isdisjoint(span):
            used.update(span)
            taken.append(run)
    return taken, used


def without_bracket(title: str) -> str:
    """``"Labyrinth (1984 video game)"`` -> ``"Labyrinth"``; a title that is all bracket stays."""
    for opening in "(（":
        head = title.split(opening)[0].strip()
        if head and head != title:
            return head
    return title


def spoken_forms(title: str) -> list[str]:
    """A title and the shorter forms that texts use for it: without a bracket, without what follows a comma, without
    the kind of company or club at its end ("Arsenal F.C.")."""
    forms = [title, without_bracket(title)]
    head = forms[-1].split(",")[0].strip()
    if "," in forms[-1] and len(fold(head)) > 3:
        forms.append(head)
    plain = _COMPANY.sub("", forms[1])
    if plain != forms[1] and len(fold(plain)) > 3:
        forms.append(plain)
    return list(dict.fromkeys(forms))
