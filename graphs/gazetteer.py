"""Find all known names in texts: runs of tokens, looked up by hash in a memory-mapped table, longest first.

A name is its tokens joined by spaces (`kgrag.text.normalize_name`). A text contains a name where a run of its tokens
equals the name's tokens. The table has the hash of every prefix of every name. A run grows token by token while some
name has it as a prefix, for all positions of all texts at once. An Aho-Corasick automaton finds the same matches and
takes a hundred times the memory.
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

from kgrag.text import STOPWORDS, Token, casefold_text, has_cjk, tokenize

_COMMON_NOUNS = "film song album book play band show series city country company war king queen day one two first"
COMMON_WORDS = STOPWORDS | frozenset(_COMMON_NOUNS.split())
_COMPANY_SUFFIX = re.compile(r",?\s+(?:A?\.?F\.?C\.?|Inc\.?|Ltd\.?|Co\.?|Corp\.?|plc|LLC|S\.A\.|GmbH|AG|Jr\.?|Sr\.?)$")
_HASH_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # odd, so that multiplication loses no bit of the running hash
NAMES_PER_CHUNK = 65536

Hashes = NDArray[np.uint64]
Numbers = NDArray[np.int32]


class NameMatch(NamedTuple):
    """A known name (its position in the gazetteer's list) and its span in the text."""

    name: int
    start: int
    end: int


@dataclass(frozen=True)
class PrefixTable:
    """The hashes of all prefixes of names.

    ``beginnings``: (n,) distinct hashes of the first tokens of names, ascending. ``numbers``: (n,) the name that
    consists of exactly these tokens, or -1. With ten million names the chance that any two share a hash is about one in
    400,000; the second of them would then not be found.
    """

    beginnings: Hashes
    numbers: Numbers

    @staticmethod
    def of(names: Sequence[str]) -> PrefixTable:
        """Build the table of distinct normalised names, without unfindable ones."""
        hashes: list[Hashes] = [np.zeros(0, np.uint64)]
        numbers: list[Numbers] = [np.zeros(0, np.int32)]
        for start in range(0, len(names), NAMES_PER_CHUNK):
            chunk = names[start : start + NAMES_PER_CHUNK]
            numbered_names = [(start + n, name) for n, name in enumerate(chunk) if _is_findable(name)]
            if numbered_names:
                prefixes = _prefix_hashes(
                    [name for _, name in numbered_names], np.array([number for number, _ in numbered_names], np.int32)
                )
                hashes.append(prefixes[0])
                numbers.append(prefixes[1])
        return PrefixTable(*_unique_hashes(np.concatenate(hashes), np.concatenate(numbers)))

    def look_up(self, hashes: Hashes) -> tuple[NDArray[np.bool_], Numbers]:
        """Return whether each hash is a prefix, and the name it completes, or -1."""
        if not len(self.beginnings):
            return np.zeros(len(hashes), bool), np.full(len(hashes), -1, np.int32)
        positions = np.minimum(np.searchsorted(self.beginnings, hashes), len(self.beginnings) - 1)
        is_prefix = self.beginnings[positions] == hashes
        return is_prefix, np.where(is_prefix, self.numbers[positions], np.int32(-1))


def _is_findable(name: str) -> bool:
    return len(name) > 1 and name not in COMMON_WORDS and not name.replace(" ", "").isdigit()


def _prefix_hashes(names: Sequence[str], numbers: Numbers) -> tuple[Hashes, Numbers]:
    lengths = np.fromiter((name.count(" ") + 1 for name in names), np.int64, len(names))
    words = _hashes(" ".join(names).split(" "))
    first = np.cumsum(lengths) - lengths
    running_hashes = np.zeros(len(names), np.uint64)
    remaining = np.arange(len(names))
    hash_parts: list[Hashes] = []
    number_parts: list[Numbers] = []
    for size in range(1, int(lengths.max()) + 1):
        running_hashes = (running_hashes * _HASH_MULTIPLIER) ^ words[first[remaining] + size - 1]
        is_complete = lengths[remaining] == size
        hash_parts.append(running_hashes)
        number_parts.append(np.where(is_complete, numbers[remaining], np.int32(-1)))
        running_hashes, remaining = running_hashes[~is_complete], remaining[~is_complete]
    return _unique_hashes(np.concatenate(hash_parts), np.concatenate(number_parts))


def _unique_hashes(hashes: Hashes, numbers: Numbers) -> tuple[Hashes, Numbers]:
    """Return the distinct hashes, ascending, each with its greatest number: a name rather than -1."""
    order = np.lexsort((numbers, hashes))
    hashes, numbers = hashes[order], numbers[order]
    is_last = np.append(hashes[1:] != hashes[:-1], True) if len(hashes) else np.zeros(0, bool)
    return hashes[is_last], numbers[is_last]


def _hashes(words: Sequence[str]) -> Hashes:
    return np.fromiter(map(_hash, words), np.uint64, len(words))


@lru_cache(maxsize=1 << 18)
def _hash(word: str) -> int:
    # not Python's own hash, which differs between processes
    return int.from_bytes(blake2b(word.encode(), digest_size=8).digest(), "little")


class Gazetteer:
    """Finds the names of a list in texts.

    Args:
        names: distinct normalised names (`kgrag.text.normalize_name`). The list may contain names of one letter, one
            stop word or only digits, but these are never found.
        table: the prefix table of these names, if it was built before.
        titles: (names,), whether a name is also found inside a longer name: "Sultan Bayezid II" contains Bayezid II,
            the subject of a document. It is not found inside another title.
    """

    def __init__(
        self, names: Sequence[str], table: PrefixTable | None = None, titles: NDArray[np.bool_] | None = None
    ) -> None:
        self.names = names
        self.table = table or PrefixTable.of(names)
        self._titles = titles

    def find(self, text: str, *, any_case: bool = False) -> list[NameMatch]:
        """Return the names in ``text``, ordered by position.

        Of overlapping names the longest is kept, with the titles inside it. A name of one word of letters must be
        capitalised in ``text``, unless ``any_case``. Otherwise the film "Friends" would match the word friends.
        """
        return self.find_all([text], any_case=any_case)[0]

    def find_all(self, texts: Sequence[str], *, any_case: bool = False) -> list[list[NameMatch]]:
        """Return the result of `find` for each text; a hundred texts together take far less time than one by one."""
        if not texts:
            return []
        token_lists = [tokenize(text) for text in texts]
        runs: list[list[tuple[int, int, int, int]]] = [[] for _ in texts]
        for text, first, last, number in self._runs(token_lists):
            if first == last and not any_case:
                word = token_lists[text][first]
                if texts[text][word.start].islower() and not has_cjk(word.text):
                    continue
            runs[text].append((first - last, first, last, number))
        titles = self._titles
        return [
            _select_matches(text_runs, words, titles) if text_runs else []
            for text_runs, words in zip(runs, token_lists, strict=True)
        ]

    def _runs(self, token_lists: Sequence[Sequence[Token]]) -> Iterator[tuple[int, int, int, int]]:
        """Yield (text, first token, last token, name) for every run of tokens that is a name."""
        words: list[str] = []
        text_of, token_of = [], []
        for number, text_tokens in enumerate(token_lists):
            token_texts = [token.text for token in text_tokens]
            places = np.arange(len(token_texts) + 1)
            split_texts = " ".join(token_texts).split(" ")
            if len(split_texts) > len(token_texts) > 0:  # a character that stands for several words (\ufdfa)
                places = np.repeat(places, [*(text.count(" ") + 1 for text in token_texts), 1])
                token_texts = split_texts
            words += token_texts
            words.append("")  # no name spans two texts
            text_of.append(np.full(len(places), number))
            token_of.append(places)
        hashes = _hashes(words)
        texts, places = np.concatenate(text_of), np.concatenate(token_of)
        is_token_end = np.append((np.diff(places) != 0) | (np.diff(texts) != 0), True)
        is_token_start = np.append(True, is_token_end[:-1])
        starts = np.flatnonzero(is_token_start)
        running_hashes = np.zeros(len(starts), np.uint64)
        size = 0
        while len(starts):
            ends = starts + size
            running_hashes = (running_hashes * _HASH_MULTIPLIER) ^ hashes[ends]
            is_prefix, names = self.table.look_up(running_hashes)
            match_positions = np.flatnonzero((names >= 0) & is_token_end[ends])
            first, last = starts[match_positions], ends[match_positions]
            columns = (texts[first], places[first], places[last], names[match_positions], first, last + 1)
            for text, first_token, last_token, number, start, stop in zip(
                *(column.tolist() for column in columns), strict=True
            ):
                if self.names[number] == " ".join(words[start:stop]):  # rules out a hash collision
                    yield text, first_token, last_token, number
            starts, running_hashes = starts[is_prefix], running_hashes[is_prefix]
            size += 1


def _select_matches(
    runs: list[tuple[int, int, int, int]], words: Sequence[Token], titles: NDArray[np.bool_] | None
) -> list[NameMatch]:
    """Select the longest, then earliest, non-overlapping runs (-length, first, last, name), ordered by position.

    Titles inside a selected run that is not itself a title are selected in the same way.
    """
    runs.sort()
    selected, occupied = _select_longest(runs, set())
    if titles is not None and len(selected) < len(runs):
        free_positions = {
            place for _, first, last, name in selected if not titles[name] for place in range(first, last + 1)
        }
        run_at = {place: number for number, run in enumerate(selected) for place in range(run[1], run[2] + 1)}
        selected_set = set(selected)
        inner_titles = [
            run
            for run in runs
            if run not in selected_set
            and titles[run[3]]
            and run[1] in free_positions
            and run_at[run[1]] == run_at.get(run[2])
        ]
        selected += _select_longest(inner_titles, occupied - free_positions)[0]
    spans = [(words[first].start, words[last].end, name) for _, first, last, name in selected]
    return [NameMatch(name, start, end) for start, end, name in sorted(spans)]


def _select_longest(
    runs: Sequence[tuple[int, int, int, int]], occupied: set[int]
) -> tuple[list[tuple[int, int, int, int]], set[int]]:
    """Select sorted runs that do not overlap ``occupied`` positions or each other.

    Also return all positions that are then occupied.
    """
    selected, occupied = [], set(occupied)
    for run in runs:
        span = range(run[1], run[2] + 1)
        if occupied.isdisjoint(span):
            occupied.update(span)
            selected.append(run)
    return selected, occupied


def without_bracket(title: str) -> str:
    """Remove a bracketed suffix: ``"Labyrinth (1984 video game)"`` -> ``"Labyrinth"``; keep an all-bracket title."""
    for opening in "(（":
        head = title.split(opening)[0].strip()
        if head and head != title:
            return head
    return title


def short_forms(title: str) -> list[str]:
    """Return a title and the shorter forms that texts use for it.

    These are the title without a bracket, without the part after a comma, and without a legal form of a company or club
    at its end ("Arsenal F.C.").
    """
    forms = [title, without_bracket(title)]
    head = forms[-1].split(",")[0].strip()
    if "," in forms[-1] and len(casefold_text(head)) > 3:
        forms.append(head)
    without_company = _COMPANY_SUFFIX.sub("", forms[1])
    if without_company != forms[1] and len(casefold_text(without_company)) > 3:
        forms.append(without_company)
    return list(dict.fromkeys(forms))
