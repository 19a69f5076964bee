"""All known names at once: an Aho-Corasick automaton over normalised text, longest match first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import ahocorasick

from kgrag.text import STOPWORDS, fold, is_cjk, tokens

_BARE = "film song album book play band show series city country company war king queen day one two first"
COMMON = STOPWORDS | frozenset(_BARE.split())


class Found(NamedTuple):
    """A known name (its position in the gazetteer's list) and its span in the text searched."""

    name: int
    start: int
    end: int


class Gazetteer:
    """Finds the names of a list in texts.

    Args:
        names: normalised names (`kgrag.text.key`), distinct. Names of one letter, of one stop word, or of digits
            alone are kept in the list but never found.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self._automaton = ahocorasick.Automaton()
        for number, name in enumerate(names):
            if len(name) > 1 and name not in COMMON and not name.replace(" ", "").isdigit():
                self._automaton.add_word(f" {name} ", number)
        if len(self._automaton):
            self._automaton.make_automaton()

    def find(self, text: str, *, any_case: bool = False) -> list[Found]:
        """The names in ``text``, ordered by place, longest first where they overlap.

        A name that is one word of letters must begin with a capital in ``text`` (or the film "Friends" would be
        found among friends), unless ``any_case``.
        """
        words = tokens(text)
        if not words or not len(self._automaton):
            return []
        starts, ends = {}, {}
        position = 1
        for number, word in enumerate(words):
            starts[position] = number
            position += len(word.text) + 1
            ends[position - 1] = number
        line = " " + " ".join(word.text for word in words) + " "
        candidates = []
        for end, number in self._automaton.iter(line):
            name = self.names[number]
            first, last = starts.get(end - len(name)), ends.get(end)
            if first is None or last is None:
                continue  # within a character that stands for several words (\ufdfa)
            if not any_case and first == last and not is_cjk(name):
                original = text[words[first].start]
                if original.islower():
                    continue
            candidates.append((first - last, first, last, number))
        taken: list[tuple[int, int, int]] = []
        used: set[int] = set()
        for _, first, last, number in sorted(candidates):
            if used.isdisjoint(span := range(first, last + 1)):
                used.update(span)
                taken.append((first, last, number))
        return [Found(number, words[first].start, words[last].end) for first, last, number in sorted(taken)]


def without_bracket(title: str) -> str:
    """``"Labyrinth (1984 video game)"`` -> ``"Labyrinth"``; a title that is all bracket stays."""
    for opening in "(（":
        head = title.split(opening)[0].strip()
        if head and head != title:
            return head
    return title


def spoken_forms(title: str) -> list[str]:
    """A title and the shorter forms that texts use for it: without a bracket, without what follows a comma."""
    forms = [title, without_bracket(title)]
    head = forms[-1].split(",")[0].strip()
    if "," in forms[-1] and len(fold(head)) > 3:
        forms.append(head)
    return list(dict.fromkeys(forms))
