"""Typed facts where a pattern is sure: regular expressions over sentences whose names are marks.

No parser and no language model: in each sentence the names become single characters (`ingest.marks`), every way of
saying the document's own subject becomes another (`ingest.subjects`), and the patterns of ``patterns.toml``
(`ingest.patterns`) run over what is left. A fact carries the span of its sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple

from graphs.gazetteer import without_bracket
from ingest.amounts import amount
from ingest.marks import Mark, find_marks, marked
from ingest.names import Name
from ingest.patterns import MARK, POSSESSIVE, SUBJECT, alternatives, patterns, vocabulary, word_pattern, word_set
from ingest.relate import relate
from ingest.states import States
from ingest.subjects import GENERIC, find_subject
from kgrag.text import is_cjk, key, sentences, tokens
from kgrag.types import CLASSIFIER, PATTERN, Passage, Triple

_FEMALE, _MALE = (re.compile(rf"\b(?:{alternatives(w)})\b", re.IGNORECASE) for w in ("female", "male"))
_AWARD, _BODY, _BODY_ZH = (word_pattern(w) for w in ("award", "body", "body_zh"))
_PERSON_NOUN, _SCHOOL = (word_pattern(w) for w in ("person", "school"))
_NOT_PERSONS, _NEVER_COUNTRIES = (word_set(w) for w in ("not_person", "never_countries"))
_KIN = frozenset(["father", "mother", "spouse", "child", "sibling"])
_PRIZE = re.compile(r"\b(?:prize|award|medal)\b", re.IGNORECASE)
_PLACE = re.compile(
    rf"{SUBJECT}(?:,? \([^()]*\))*(?:,[^.;]{{0,60}}?,)? (?:is|was|are|were|lies) (?:an?|the|one of the)\b"
    rf"[^.;]{{0,60}}?\b(?:{alternatives('place')})\b"
)
_OBLIQUE = re.compile(r"\b(?:of|in|at|from|to|by|with|and|for|on|as|than)(?: the)? ?$", re.IGNORECASE)
_ALSO_ZH = re.compile("(?:简称|又称|原名|本名|英文名|译作|又名|（|即|，字|，号)[为作是]?$")
_NAME = "[\ue800-\uebff]"
_WITHIN = re.compile(
    rf"(?:^|\b(?:in|at|of|from|near|to|outside) (?:the )?|\()({_NAME}(?:, {_NAME}){{1,2}})(?!,? (?:and|or|&)\b|, {_NAME})"
)
"""Places set one after the other: "in Toronto, Ontario, Canada"; but not a list of places."""
_HEAD = re.compile(
    r"(?:[ /-]*[\ue400-\ue7ff])*(?:[ -]+(?!of\b|in\b|from\b|for\b|who\b|that\b|which\b|directed\b|written\b|by\b|and\b|with\b|at\b|on\b|known\b"
    r"|starring\b|based\b|produced\b|released\b|set\b|to\b|as\b|best\b|whose\b|is\b|was\b|recorded\b|currently\b|featuring\b|made\b)"
    r"(?:[\ue000-\uebff]|([\w'/-]+)))+"
)


def find_triples(
    passage: Passage,
    names: Sequence[Name],
    ids: Sequence[str],
    *,
    title: str,
    title_id: str,
    lang: str,
    states: States | None = None,
    extra: str = "",
) -> list[Triple]:
    """The typed facts of a passage, ordered by sentence; the most confident pattern for a fact counts.

    Args:
        names: the names in the passage, with offsets into ``passage.text``; ``ids`` are their entities, in parallel.
        title: the document's title, as written; ``title_id`` is its entity.
        lang: ``"en"`` or ``"zh"``.
        states: of the words of the passage; without them only patterns find facts.
        extra: predicates and patterns of the user's (`ingest.patterns`).
    """
    best: dict[tuple[int, str, str, str], Triple] = {}
    for line in read_lines(passage, names, ids, title, lang):
        start, end = line.start, line.start + len(line.text)
        facts = [(*fact, PATTERN) for fact in _facts(line, title, title_id, lang, extra)]
        if states is not None:
            joined = {frozenset((s, o)) for s, _, o, _, _ in facts}
            guessed = relate(line.text, line.marks, title_id, partial(states.of, line.start))
            facts += [(*fact, CLASSIFIER) for fact in guessed if frozenset((fact[0], fact[2])) not in joined]
        for subject, predicate, value, confidence, found_by in facts:
            place = (start, subject, predicate, value)
            if place not in best or best[place].confidence < confidence:
                span = (passage.start + start, passage.start + end)
                best[place] = Triple(subject, predicate, value, passage.id, *span, confidence, found_by)
    return list(best.values())


class Line(NamedTuple):
    """A sentence with its marks: where it begins in its passage, its text, and the spans that are its subject's."""

    start: int
    text: str
    marks: list[Mark]
    own: list[tuple[int, int, str]]
    opening: bool


def read_lines(passage: Passage, names: Sequence[Name], ids: Sequence[str], title: str, lang: str) -> Iterator[Line]:
    """The sentences of a passage as facts are looked for in them; headings are left out."""
    opening = passage.start == 0
    for start, end in sentences(passage.text):
        sentence = passage.text[start:end]
        if sentence.startswith("#") or key(sentence) == key(title):
            continue
        inside = [
            (n._replace(start=n.start - start, end=n.end - start), i)
            for n, i in zip(names, ids, strict=True)
            if start <= n.start and n.end <= end
        ]
        own = find_subject(sentence, inside, title, lang=lang, opening=opening)
        yield Line(start, sentence, find_marks(sentence, inside, own, lang, opening), own, opening)
        opening = False


def _facts(read: Line, title: str, title_id: str, lang: str, extra: str) -> Iterator[tuple[str, str, str, float]]:
    _, sentence, marks, own, opening = read
    line = marked(sentence, marks, lang)
    about = SUBJECT in line or POSSESSIVE in line
    known = vocabulary(extra)
    entity = {m.char: m.entity for m in marks}
    surface = {m.char: sentence[m.start : m.end] for m in marks}
    kinds = {m.char: m.kind for m in marks}
    if opening and lang == "en" and own and own[0][0] == 0 and own[0][2] == SUBJECT:
        called = sentence[own[0][0] : own[0][1]].strip(" \"'“”,")
        if (
            not GENERIC.match(sentence)
            and 1 < len(tokens(called)) < 9
            and key(called).removeprefix("the ")
            not in (
                title_id.removeprefix("the "),
                key(without_bracket(title)).removeprefix("the "),
            )
        ):
            yield title_id, "also_known_as", key(called), 0.8
    if opening and lang == "en" and _PLACE.match(line):
        tails = [(m, vocabulary().countries.get(_last(surface[m.char]))) for m in marks if m.kind not in ("DATE", "")]
        lands = [(m, land) for m, land in tails if land and m.kind != "GROUP"]
        if lands:
            mark, land = lands[-1]
            yield title_id, "country", key(land), 0.88
    if lang == "en":
        for inner, outer in _within(line, surface, kinds):
            yield entity[inner], "located_in", entity[outer], 0.8
    for pattern in patterns(extra):
        if pattern.lang != lang:
            continue
        for match in pattern.find.finditer(line):
            groups = match.groupdict()
            said = groups.pop("s", None)
            if not about and said is None:
                continue
            if said in kinds and said != SUBJECT:
                if _ALSO_ZH.search(line[: match.start("s")]):
                    said = None
                elif (
                    kinds[said] == "PLACE"
                    or _OBLIQUE.search(line[: match.start("s")])
                    or (lang == "zh" and kinds[said] not in ("PERSON", "MISC", "WORK"))
                ):
                    continue
            subject = title_id if said is None or said == SUBJECT else entity[said]
            for name, held in groups.items():
                said_of = known.predicates.get(name)
                if held and said_of is not None and said_of.value == "QUANTITY":
                    if value := amount(held, said_of.unit):
                        yield subject, name, value, pattern.confidence
                    continue
                for mark in MARK.findall(held or ""):
                    at = line.index(mark)
                    predicate = _sharpened(name, line[:at], surface[mark], kinds[mark], line[at + 1 :])
                    value = entity[mark]
                    if value == subject or not predicate:
                        continue
                    if predicate.endswith("_of") and predicate not in known.predicates:
                        yield value, predicate[:-3], subject, pattern.confidence
                    else:
                        yield subject, predicate, value, pattern.confidence


def _within(line: str, surface: dict[str, str], kinds: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Marks of a place and of the place that it lies in."""
    lands = vocabulary().countries
    for match in _WITHIN.finditer(line):
        places = match.group(1).split(", ")
        known = [surface[mark].lower() in lands for mark in places]
        # two countries side by side are a list, and so are three places without one at the end
        if all(kinds[mark] == "PLACE" for mark in places) and not any(known[:-1]) and (len(places) == 2 or known[-1]):
            yield from pairwise(places)


def _sharpened(predicate: str, before: str, surface: str, kind: str, after: str) -> str:
    """The predicate that the words about a value make sure of; the pattern's guess where none tells; "" for none."""
    if predicate in ("father", "mother"):
        near = re.split(r"[,\ue000-\uf8ff]|\b(?:and|of|to|by|with)\b", before)[-1] + " " + surface
        if _FEMALE.search(near):
            return "mother"
        if _MALE.search(near):
            return "father"
    known = surface.lower() in vocabulary().countries
    if predicate in ("nationality", "country") and kind == "GROUP":
        head = _HEAD.match(after)
        word = (head.group(1) or "").lower() if head else ""
        return "nationality" if _PERSON_NOUN.fullmatch(word) and word not in _NOT_PERSONS else "country"
    if known and predicate.removesuffix("_of") in _NEVER_COUNTRIES | {"student"}:
        return ""
    if predicate == "award" and not _AWARD.search(surface) and not (is_cjk(surface) and after[:1] in tuple("奖章")):
        return ""
    if predicate == "educated_at" and not _SCHOOL.search(surface):
        return ""
    if predicate in _KIN and (kind == "EVENT" or _PRIZE.search(surface)):
        return ""
    if predicate in ("member_of", "employer") and kind == "PERSON" and not _BODY.search(surface):
        return ""
    if predicate == "employer" and not is_cjk(surface) and kind != "ORGANISATION" and not _BODY.search(surface):
        return ""
    if predicate == "country" and not known:
        return "located_in"
    if predicate == "nationality" and not known:
        return ""
    if predicate in ("creator", "developer") and is_cjk(surface):
        return "developer" if _BODY_ZH.search(surface) else "creator"
    return predicate


def _last(surface: str) -> str:
    """The part of a name that may be a country: "Andes of Peru" -> "peru"."""
    return re.split(r"\s+of\s+(?:the\s+)?|,\s*", surface)[-1].lower()
