"""A sentence as the patterns read it: each name is one character, and names that belong together are one name."""

from __future__ import annotations

import re
from typing import NamedTuple

from ingest.names import Name
from ingest.patterns import DATES, GROUPS, NAMES, POSSESSIVE, PRIVATE, ROOM, SUBJECT, alternatives, vocabulary
from kgrag.quantities import UNIT
from kgrag.text import key

_RANK = alternatives("rank")
_TITLED = re.compile(rf"\s*,\s*(?:{_RANK})\b")
_TAIL = re.compile(rf"\s*,\s*(?:{_RANK})\s+(?:Palatine\s+)?of\s+")
_ORDINAL = re.compile(r"\s*,\s*(?:the )?(?:\d+(?:st|nd|rd|th) )?")
_JOINS = re.compile(r"\s*(?:,\s*)?(?:of|de|von|van)(?:\s+the)?\s*")
_OWN_DATE = re.compile(
    rf"(?<![\w.,$£€¥-])(?<!opulation of )(?:1?\d{{3}}|20\d\d)(?![\w%]|,\d|\.\d)(?:(?<=[Ii]n \d{{4}})|(?![ -]?{UNIT}))"
)
_BEFORE_DOTTED = re.compile(".*(?:是|为|与|和|由|叫|对|向|的|跟|了|师|家|子|给)(?=[^·・]{1,6}[·・])")


class Mark(NamedTuple):
    """A span of a sentence, the character that stands for it, and the entity and type of its name."""

    start: int
    end: int
    char: str
    entity: str
    kind: str = ""


def find_marks(
    sentence: str, names: list[tuple[Name, str]], own: list[tuple[int, int, str]], lang: str, opening: bool
) -> list[Mark]:
    """Markers for everything in a sentence that can be the end of a fact, ordered, not overlapping."""
    known = vocabulary()
    peoples = known.peoples
    ends: list[Mark] = []
    for name, entity in sorted(names, key=lambda pair: pair[0].start):
        if any(name.start < end and name.end > start for start, end, _ in own):
            continue
        mark = Mark(name.start, name.end, "", entity, name.type)
        first = re.split(r"[\s-]", name.text)[0]
        if lang == "zh" and name.type == "MISC" and (cut := _BEFORE_DOTTED.match(name.text)):
            mark = mark._replace(start=name.start + cut.end(), entity=key(name.text[cut.end() :]))
        elif first != name.text and first.lower() in peoples and name.type != "ORGANISATION" and opening:
            mark = Mark(name.start, name.start + len(first), "", key(first), "GROUP")
        elif name.text.lower() in peoples:
            mark = mark._replace(kind="GROUP")
        if ends and _one(sentence, ends[-1], mark, lang):
            whole = sentence[ends[-1].start : mark.end]
            ends[-1] = ends[-1]._replace(end=mark.end, entity=key(whole))
        else:
            ends.append(mark)
    if lang == "en":
        taken = {i for m in ends for i in range(m.start, m.end)} | {
            i for start, end, _ in own for i in range(start, end)
        }
        more = [(m, "DATE") for m in _OWN_DATE.finditer(sentence)]
        more += [(m, "GROUP") for m in re.finditer(r"[A-Z]\w+(?=[ -])", sentence) if m.group().lower() in peoples]
        ends += [Mark(*m.span(), "", known.entity(m.group(), kind), kind) for m, kind in more if m.start() not in taken]
    bases = {"DATE": DATES, "GROUP": GROUPS}
    marks = [Mark(start, end, char, "") for start, end, char in own]
    for number, mark in enumerate(sorted(ends)[:ROOM]):
        marks.append(mark._replace(char=chr(bases.get(mark.kind, NAMES) + number)))
    return sorted(marks)


def _one(sentence: str, left: Mark, right: Mark, lang: str) -> bool:
    """Whether two names that follow each other are one."""
    if {left.kind, right.kind} & {"DATE", "GROUP"}:
        return False
    between = sentence[left.end : right.start]
    if lang == "zh":
        return not between and left.kind == right.kind == "PLACE"
    if sentence[: left.start].endswith((" in ", " at ", "In ", " from ")):
        return False
    return _belongs(between, sentence[left.end : right.end], left.kind)


def _belongs(between: str, tail: str, kind: str) -> bool:
    """Whether two names are one person's: "Philip" + "Duke of Parma", "Heraclius II" of "Georgia"."""
    if kind == "PLACE":
        return False
    if _TITLED.match(tail) and (_ORDINAL.fullmatch(between) or _TAIL.fullmatch(between)):
        return True
    return _JOINS.fullmatch(between) is not None


def marked(sentence: str, marks: list[Mark], lang: str) -> str:
    """The sentence with marks for names, and with even spacing, quotes and brackets."""
    # a document's own private-use characters must not be taken for marks
    sentence = PRIVATE.sub(" ", sentence)
    pieces, place = [], 0
    for mark in marks:
        pieces += [sentence[place : mark.start], mark.char]
        place = mark.end
    line = "".join([*pieces, sentence[place:]])
    line = re.sub('["“”]', "", line.replace("’", "'"))
    if lang == "zh":
        return re.sub(r"\s+", "", line).replace("(", "（").replace(")", "）").replace(",", "，")
    line = re.sub(r"\s*\(\s*", " (", re.sub(r"\s+\)", ")", line))
    line = re.sub(r"\s+(?=[,;'])", "", re.sub(r"\s+", " ", line)).strip()
    line = re.sub(rf"{SUBJECT}'s?(?=[\s,])", POSSESSIVE, line)
    return re.sub(rf"(?<=[{POSSESSIVE[0]}])(?=\w)", " ", line)
