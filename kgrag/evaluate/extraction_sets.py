"""Public sets of marked names, facts and clusters, read as they are published, as documents with what they hold.

Texts that a set has cut into words are put together again as they are written ("Wesley , who" becomes "Wesley, who"),
and what is marked by word becomes spans of that text. A sentence without a title gets none, and an id that no text
has, so that it is not taken for a subject.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kgrag.errors import ReadError, UsageError
from kgrag.types import Document

PRONOUNS = frozenset(
    [
        "he",
        "she",
        "it",
        "they",
        "him",
        "her",
        "them",
        "his",
        "hers",
        "its",
        "their",
        "theirs",
        "who",
        "which",
        "that",
        "i",
        "we",
        "you",
    ]
)
_BEFORE = frozenset(".,;:!?)]}%…、。，；：！？）】") | {"n't", "''", "..."}
_AFTER = frozenset("([{$#£€（【") | {"``"}


@dataclass(frozen=True, slots=True)
class Marked:
    """A name that a set marks: its span in `Document.text`, its type as the set calls it, and which thing it is.

    Two of a document with the same ``thing`` are one thing; -1 where the set does not say.
    """

    start: int
    end: int
    type: str
    text: str
    thing: int = -1


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact that a set states: all names of its two ends, as written, and its relation as the set calls it.

    ``places`` are the spans of the sentences that mention both ends; none where the set does not say.
    """

    subject: tuple[str, ...]
    relation: str
    object: tuple[str, ...]
    places: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """A text of a set, as the extraction is given it, with what the set says of it."""

    document: Document
    names: tuple[Marked, ...] = ()
    facts: tuple[Fact, ...] = ()


def read_text(path: Path) -> str:
    """A file's text, unpacked if it is gzip by its first bytes.

    Raises:
        UsageError: there is no such file.
        ReadError: it cannot be read, unpacked, or is not UTF-8.
    """
    if not path.is_file():
        raise UsageError(f"Expected a file of a public set at {path} and found none: check the path.")
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8-sig")
    except (OSError, EOFError, ValueError) as error:
        raise ReadError(f"{path} could not be read as UTF-8 text ({error}): download it again.") from error


def load(name: str, path: Path, limit: int | None = None) -> list[Item]:
    """The first ``limit`` items of a file in one of `FORMATS`.

    Raises:
        UsageError: there is no such file.
        ReadError: it is of another format; the message says what was expected and what was found.
    """
    form, expected = FORMATS[name]
    text = read_text(path)
    items: list[Item] = []
    try:
        for number, item in enumerate(form(text)):
            if limit is not None and number >= limit:
                break
            items.append(item)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise ReadError(
            f"{path} is not of the format {name}: expected {expected}, found {' '.join(text[:200].split())[:60]!r} "
            f"({type(error).__name__}: {error}, at item {len(items) + 1}). Name the file's own format, one of "
            f"{', '.join(FORMATS)}, or 2wiki for its questions."
        ) from error
    if not items:
        raise ReadError(f"{path} holds nothing: expected {expected}.")
    return items


def document(name: str, number: int, text: str, lang: str, title: str = "") -> Document:
    """A text of a set as a document, with an id that no text has."""
    sha256 = hashlib.sha256(f"{title}\n{text}".encode()).hexdigest()
    return Document(f"{name}/{number:06d}", title, text, name, lang, sha256)


def joined(words: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """Words put together as they are written, and the span of each: no space before a comma or in brackets."""
    text = ""
    spans = []
    quoted = glued = False
    for place, word in enumerate(words):
        close = word == '"' and quoted
        around = words[place - 1][-1:], "".join(words[place + 1 : place + 2])[:1]
        hyphen = word == "-" and place > 0 and all(map(str.isalpha, around))
        tight = not text or glued or close or hyphen or word in _BEFORE or (word[:1] in "'’" and len(word) < 4)
        text += "" if tight else " "
        spans.append((len(text), len(text) + len(word)))
        text += word
        glued = word in _AFTER or hyphen or (word == '"' and not quoted)
        quoted ^= word == '"'
    return text, spans


def _rows(text: str) -> list[Any]:
    rows = json.loads(text)
    if not isinstance(rows, list):
        raise TypeError(f"a JSON {type(rows).__name__} and not an array")
    return rows


def _webnlg(text: str) -> Iterable[Item]:
    for number, row in enumerate(_rows(text)):
        written, _ = joined(row["text"].split())
        facts = [Fact((s,), relation, (o,)) for s, relation, o in row["triple_list"]]
        yield Item(document("webnlg", number, written, "en"), facts=tuple(facts))


def _conll04(text: str) -> Iterable[Item]:
    for number, row in enumerate(_rows(text)):
        written, spans = joined(row["tokens"])
        names = []
        for thing, entity in enumerate(row["entities"]):
            at = spans[entity["start"]][0], spans[entity["end"] - 1][1]
            names.append(Marked(*at, entity["type"], written[slice(*at)], thing))
        facts = [Fact((names[r["head"]].text,), r["type"], (names[r["tail"]].text,)) for r in row["relations"]]
        yield Item(document("conll04", number, written, "en"), tuple(names), tuple(facts))


def _redocred(text: str) -> Iterable[Item]:
    for number, row in enumerate(_rows(text)):
        written = ""
        places: list[list[tuple[int, int]]] = []
        bounds: list[tuple[int, int]] = []
        for words in row["sents"]:
            written += " " if written else ""
            piece, spans = joined(words)
            places.append([(s + len(written), e + len(written)) for s, e in spans])
            bounds.append((len(written), len(written) + len(piece)))
            written += piece
        names: list[Marked] = []
        calls: list[tuple[str, ...]] = []
        homes: list[set[int]] = []
        for thing, mentions in enumerate(row["vertexSet"]):
            mine = [m for m in mentions if m["name"].lower() not in PRONOUNS]
            for m in mine:
                start, end = places[m["sent_id"]][m["pos"][0]][0], places[m["sent_id"]][m["pos"][1] - 1][1]
                names.append(Marked(start, end, m["type"], written[start:end], thing))
            calls.append(tuple(dict.fromkeys(m["name"] for m in mine)))
            homes.append({m["sent_id"] for m in mine})
        facts = []
        for label in row["labels"]:
            both = sorted(homes[label["h"]] & homes[label["t"]])
            facts.append(Fact(calls[label["h"]], label["r"], calls[label["t"]], tuple(bounds[s] for s in both)))
        yield Item(document("redocred", number, written, "en", row["title"]), tuple(names), tuple(facts))


def _peoples_daily(text: str) -> Iterable[Item]:
    number = 0
    letters: list[str] = []
    tags: list[str] = []
    for line in [*text.splitlines(), ""]:
        if line.strip():
            letter, tag = line.rsplit(maxsplit=1)
            if tag != "O" and tag[:2] not in ("B-", "I-"):
                raise ValueError(f"{tag!r} is no tag of this format")
            letters.append(letter)
            tags.append(tag)
        elif letters:
            written = "".join(letters)
            yield Item(document("peoples-daily", number, written, "zh"), tuple(_tagged(letters, tags, written)))
            number += 1
            letters, tags = [], []


def _tagged(letters: Sequence[str], tags: Sequence[str], written: str) -> Iterable[Marked]:
    start, kind, at = -1, "", 0
    for letter, tag in [*zip(letters, tags, strict=True), ("", "O")]:
        if start >= 0 and (not tag.startswith("I-") or tag[2:] != kind):
            yield Marked(start, at, kind, written[start:at])
            start = -1
        if tag != "O" and start < 0:
            start, kind = at, tag[2:]
        at += len(letter)


def _cluener(text: str) -> Iterable[Item]:
    for number, line in enumerate(text.splitlines()):
        if line.strip():
            row = json.loads(line)
            names = []
            for kind, called in row["label"].items():
                for spans in called.values():
                    names += [Marked(s, e + 1, kind, row["text"][s : e + 1]) for s, e in spans]
            yield Item(document("cluener", number, row["text"], "zh"), tuple(sorted(names, key=lambda n: n.start)))


FORMATS: dict[str, tuple[Callable[[str], Iterable[Item]], str]] = {
    "webnlg": (_webnlg, 'a JSON array of {"text", "triple_list": [[subject, property, object], …]}'),
    "conll04": (_conll04, 'a JSON array of {"tokens", "entities", "relations"}'),
    "redocred": (_redocred, 'a JSON array of {"title", "sents", "vertexSet", "labels"}'),
    "peoples-daily": (_peoples_daily, "lines of a character and its tag (O, B-PER, …), an empty line between texts"),
    "cluener": (_cluener, 'JSON lines of {"text", "label": {type: {name: [[first, last], …]}}}'),
}
"""How to read each format, and what a file of it holds, in words."""
