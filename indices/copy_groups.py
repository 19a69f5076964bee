"""Group rows whose texts are copies: the same text, or the same sentences with a few more at one end.

Copies are found when the index is built, so a question pays almost nothing for them. Texts are compared after folding:
white space, letter case, compatibility forms and marks of emphasis do not count, every other character does. Texts that
differ within a sentence are no copies, because one word, one number or one cell may be the answer.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from kgrag.storage.arrays import Arrays
from kgrag.text import CJK, has_cjk

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
MAX_EXTRA_SHARE = 0.1
"""Maximum share of a text's characters in sentences at its ends that its copy lacks."""
MAX_EXTRA_SENTENCES = 3
"""Maximum number of sentences that may be left out at each end."""
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？；])\s*|\n\s*\n|\n(?=\s*(?:[-*+#|>•]|\d+[.)]\s))")
_EMPHASIS = re.compile(r"^\s*#+\s+|(?<![\w)])(?:\*\*|__)|(?:\*\*|__)(?![\w(])|`", re.MULTILINE)
_MARKS = re.compile(r"[#`]|\*\*|__")
_SPACE_BESIDE_CJK = re.compile(f"(?<=[{CJK}])\\s+|\\s+(?=[{CJK}])")
_INFORMATION = re.compile(  # numbers, cells, identifiers, and words that deny or restrict
    r"[\d|_=/\\<>@#$%*+]|\w-\w|--|[a-z][A-Z]|[一二三四五六七八九十百千万两零不没无非未别勿莫禁]|n['’]t\b"
    r"|\b(?i:no|not|never|none|nothing|nobody|neither|nor|cannot|without|except|unless|only|must|may|might|shall)\b"
)


class CopyGroups:
    """The groups of rows that are copies of each other. The arrays may be memory-mapped.

    Args:
        group: (rows,), the group of each row, -1 for a row without copies.
        begin: (groups + 1,), offset of each group in ``members``.
        members: the rows of each group, ascending.
    """

    def __init__(self, group: Ints, begin: Longs, members: Ints) -> None:
        self.group, self._begin, self._members = group, begin, members

    @staticmethod
    def from_leaders(leaders: Ints) -> CopyGroups:
        """Group the rows by their leader, the first row of the group; a row without copies leads itself."""
        has_copies = np.bincount(leaders, minlength=len(leaders))[leaders] > 1
        rows = np.flatnonzero(has_copies)
        group = np.full(len(leaders), -1, np.int32)
        group[rows] = np.unique(leaders[rows], return_inverse=True)[1]
        members = rows[np.argsort(group[rows], kind="stable")].astype(np.int32)
        return CopyGroups(group, np.concatenate([[0], np.cumsum(np.bincount(group[rows]))]).astype(np.int64), members)

    def members(self, row: int) -> Ints:
        """Return the rows of a row's group, ascending and with the row itself; empty for a row without copies."""
        group = int(self.group[row])
        return self._members[self._begin[group] : self._begin[group + 1]] if group >= 0 else self._members[:0]

    def arrays(self) -> Arrays:
        """Return the arrays to save."""
        return {"copy_group": self.group, "copy_begin": self._begin, "copy_members": self._members}

    @staticmethod
    def from_arrays(arrays: Arrays) -> CopyGroups:
        """Return the groups of saved arrays.

        Raises:
            KeyError: there are none.
        """
        return CopyGroups(arrays["copy_group"], arrays["copy_begin"], arrays["copy_members"])


class CopyFinder:
    """Finds copies among texts that are added in row order.

    Every text has a few digests: of the folded text, and of the text without the sentences at its ends that a copy may
    lack. Texts that share a digest are copies.
    """

    def __init__(self) -> None:
        self._digests, self._owners = array("q"), array("i")
        self._length = 0

    def add(self, text: str, title: str = "") -> None:
        """Add the text of the next row; a first line that repeats the document's title does not count."""
        first_line, _, rest = text.lstrip().partition("\n")
        is_title = bool(title) and fold_text(first_line) == fold_text(title)
        digests = {hash(form) for form in _copy_forms(rest if is_title and rest.strip() else text)}
        self._digests.extend(digests)
        self._owners.extend([self._length] * len(digests))
        self._length += 1

    def groups(self) -> CopyGroups:
        """Return the groups of all added rows."""
        owners = np.array(self._owners, np.int32)
        _, first, numbers = np.unique(np.array(self._digests, np.int64), return_index=True, return_inverse=True)
        leaders = np.arange(self._length, dtype=np.int32)
        while True:
            # the first row of each digest leads all rows that have it
            by_digest = np.full(len(first), self._length, np.int32)
            np.minimum.at(by_digest, numbers, leaders[owners])
            joined = leaders.copy()
            np.minimum.at(joined, owners, by_digest[numbers])
            if np.array_equal(joined, leaders):
                return CopyGroups.from_leaders(leaders)
            leaders = joined


def fold_text(text: str) -> str:
    """Return a text without the differences that copies may have."""
    plain = _EMPHASIS.sub("", text) if _MARKS.search(text) else text
    if not plain.isascii():
        plain = unicodedata.normalize("NFKC", plain)
        if has_cjk(plain):
            plain = _SPACE_BESIDE_CJK.sub("", plain)
    return " ".join(plain.casefold().split())


def _copy_forms(text: str) -> Iterator[str]:
    """Yield the folded text, and the folded text without sentences at its ends that a copy may lack."""
    folded = fold_text(text)
    if not folded:
        return
    yield folded
    limit = int(MAX_EXTRA_SHARE * len(text))
    heads = [text[: match.end()] for match in islice(_SENTENCE_END.finditer(text, 0, limit), MAX_EXTRA_SENTENCES)]
    tails = [text[match.end() :] for match in _SENTENCE_END.finditer(text, len(text) - limit)][-MAX_EXTRA_SENTENCES:]
    for head in ["", *heads]:
        for tail in [*tails, ""]:
            if (head or tail) and len(head) + len(tail) <= limit and not _is_informative(head, tail):
                yield folded[len(fold_text(head)) : len(folded) - len(fold_text(tail))].strip()


def _is_informative(*extras: str) -> bool:
    """Whether sentences hold information that makes a passage another one: a number, a name, a denial."""
    return any(
        _INFORMATION.search(sentence) or any(word.lstrip("(\"'“‘[")[:1].isupper() for word in sentence.split()[1:])
        for extra in extras
        for sentence in _SENTENCE_END.split(_EMPHASIS.sub("", extra))
    )
