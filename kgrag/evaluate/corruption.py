"""Claims that a passage bears out, and claims like them that it does not: made from its sentences, and from questions.

After Kryściński et al. 2020, whose classifier learned from swapped entities, numbers and pronouns and from negations. Here
too: relations turned round, things added, and a question's answer exchanged. Everything follows from a seed.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ingest.names import Name, find_names
from kgrag.dates import MONTH_NAMES
from kgrag.judge.reading import stated
from kgrag.judge.words import words
from kgrag.text import is_cjk, sentences

KINDS = ("entity", "number", "date", "relation", "negation", "addition")
_YEAR = re.compile(r"(?<!\d)(1[0-9]\d\d|20[0-2]\d)(?!\d)")
_NUMBER = re.compile(r"(?<![\d.,:-])\d{1,3}(?:,\d{3})+(?![\d,])|(?<![\d.,:-])\d+(?:\.\d+)?(?![\d,:-]|\.\d)")
_MONTH = re.compile(rf"\b(?:{'|'.join(MONTH_NAMES)})\b|(?<=年)\d{{1,2}}(?=月)")
_COPULA = re.compile(r"\b(is|are|was|were|has|had|can|will|would|could|did|does)\b(?! not| no |n't)")
_NOT = re.compile(r"\b(?:not|never) |n't\b")
_COPULA_ZH = re.compile(
    r"(?<![不没未还只也可要便就若但于])(?:是(?![否非])|(?<![所拥])有(?!关|限|效|些|时|名)|能够|可以|曾(?!经)|曾经|位于|属于)"
)
_BRACKETS = re.compile(r"\s?[(（][^()（）]*[)）]")
_CLAUSES = re.compile(r"[，,；;] ?")
_PRONOUN = re.compile(r"\b(he|she|his|her|He|She|His|Her|him)\b")
_TURNED = {"he": "she", "she": "he", "his": "her", "her": "his", "him": "her", "He": "She", "She": "He", "His": "Her", "Her": "His"}  # fmt: skip


@dataclass(frozen=True)
class Made:
    """A claim about ``evidence``; ``kind`` is one of `KINDS`, or how a supported one was made."""

    evidence: str
    claim: str
    supported: bool
    kind: str


@dataclass(frozen=True)
class Source:
    """A passage that claims are made of, with its names, and questions about it with an answer that it holds."""

    text: str
    names: tuple[Name, ...]
    asked: tuple[tuple[str, str], ...] = ()


def sources(texts: Sequence[str], lang: str, asked: Sequence[Sequence[tuple[str, str]]] = ()) -> list[Source]:
    """Passages with their names; ``asked`` has a passage's (question, answer) pairs, one sequence a passage."""
    found = find_names(texts, lang)
    given = asked or [()] * len(texts)
    return [Source(text, tuple(names), tuple(q)) for text, names, q in zip(texts, found, given, strict=True)]


def make(pool: Sequence[Source], lang: str, seed: int, each: int = 2) -> Iterator[Made]:
    """Claims about each passage: ``each`` that it bears out, and as many that it does not.

    Args:
        pool: passages; what is swapped in comes from the same passage where it can, else from another.
        lang: ``"en"`` or ``"zh"``, of all of them.
    """
    rng = random.Random(seed)
    so_far = Counter[str]()
    for source in pool:
        true = list(_true(source, lang, rng))
        rng.shuffle(true)
        true.sort(key=lambda one: one[1] != "question" or rng.random() < 0.5)
        for claim, kind, _ in true[:each]:
            yield Made(source.text, claim, True, kind)
        # a false claim is made of another true one, so that neither is told by the other
        for claim, _, names in true[each : 2 * each] or true[:each]:
            # few claims have a number: of the kinds that a claim can have, it gets the rarest so far
            for kind in sorted(rng.sample(KINDS, len(KINDS)), key=lambda kind: so_far[kind]):
                wrong = _CORRUPT[kind](claim, names, source, pool, lang, rng)
                if wrong and _bare(wrong) != _bare(claim) and _bare(wrong) not in _bare(source.text):
                    yield Made(source.text, wrong, False, kind)
                    so_far[kind] += 1
                    break


def _true(source: Source, lang: str, rng: random.Random) -> Iterator[tuple[str, str, tuple[Name, ...]]]:
    """Claims that a passage bears out, how each was made, and the names in it (offsets are of no use any more)."""
    for start, end in sentences(source.text):
        sentence = source.text[start:end]
        if not (12 if lang == "zh" else 30) <= len(sentence) <= (120 if lang == "zh" else 300):
            continue
        names = tuple(n for n in source.names if start <= n.start and n.end <= end)
        claim, kind = sentence, "sentence"
        if rng.random() < 0.6:
            claim, kind = _shortened(sentence, lang, rng), "shortened"
        yield claim, kind, tuple(n for n in names if n.text in claim)
    for question, answer in source.asked:
        if len(answer) <= (20 if lang == "zh" else 60) and (statement := stated(question, answer)):
            # what is exchanged there is the answer
            names = tuple(n for n in source.names if n.text in answer)
            yield statement, "question", names


def _shortened(sentence: str, lang: str, rng: random.Random) -> str:
    """A sentence without its brackets, and without one of its clauses where it has several and keeps its beginning."""
    short = _BRACKETS.sub("", sentence)
    pieces = _CLAUSES.split(short)
    least = 8 if lang == "zh" else 25
    if len(pieces) > 1 and rng.random() < 0.8:
        kept = pieces[: rng.randrange(1, len(pieces))]
        short = ("，" if lang == "zh" else ", ").join(kept)
        if len(short) < least:
            return sentence
        short = short.rstrip("。.") + ("。" if lang == "zh" else ".")
    return short


def _entity(
    claim: str, names: tuple[Name, ...], source: Source, pool: Sequence[Source], lang: str, rng: random.Random
) -> str:
    named = [n for n in names if n.type != "DATE" and n.text in claim]
    if not named:
        return ""
    one = rng.choice(named)
    beside = [
        n
        for n in named
        if n.type == one.type and n.text != one.text and n.text not in one.text and one.text not in n.text
    ]
    if beside and rng.random() < 0.35:  # exchanged: who did what to whom
        other = rng.choice(beside).text
        return claim.replace(one.text, "\0").replace(other, one.text).replace("\0", other)
    near = [n.text for n in source.names if n.type == one.type and n.text not in claim and one.text not in n.text]
    if not near or rng.random() < 0.25:
        far = [n.text for _ in range(40) for n in rng.choice(pool).names if n.type == one.type]
        near = [n for n in far if n not in source.text] or near
    return claim.replace(one.text, rng.choice(near)) if near else ""


def _number(
    claim: str, names: tuple[Name, ...], source: Source, pool: Sequence[Source], lang: str, rng: random.Random
) -> str:
    found = [m for m in _NUMBER.finditer(claim) if not _YEAR.fullmatch(m.group())]
    if not found:
        return ""
    match = rng.choice(found)
    old = match.group()
    digits = [i for i, c in enumerate(old) if c.isdigit()]
    place = rng.choice(digits[:2])
    new = rng.choice([d for d in "123456789" if d != old[place]])
    return claim[: match.start()] + old[:place] + new + old[place + 1 :] + claim[match.end() :]


def _date(
    claim: str, names: tuple[Name, ...], source: Source, pool: Sequence[Source], lang: str, rng: random.Random
) -> str:
    found = [*_YEAR.finditer(claim), *_MONTH.finditer(claim)]
    if not found:
        return ""
    match = rng.choice(found)
    old = match.group()
    others = [y for y in _YEAR.findall(source.text) if y not in claim]
    if old in MONTH_NAMES:
        new = rng.choice([m for m in MONTH_NAMES if m != old])
    elif len(old) < 3:
        new = str(rng.choice([m for m in range(1, 13) if m != int(old)]))
    elif others and rng.random() < 0.5:
        new = rng.choice(others)
    else:
        new = str(int(old) + rng.choice([-1, 1]) * rng.randrange(1, 25))
    return claim[: match.start()] + new + claim[match.end() :]


def _relation(
    claim: str, names: tuple[Name, ...], source: Source, pool: Sequence[Source], lang: str, rng: random.Random
) -> str:
    opposites = words().opposites
    if lang == "en" and rng.random() < 0.15 and (match := _PRONOUN.search(claim)):
        return claim[: match.start()] + _TURNED[match.group()] + claim[match.end() :]
    if lang == "zh":
        found = [(claim.find(w), w) for w in opposites if is_cjk(w) and len(w) > 1 and w in claim]
        found = [(at, w) for at, w in found if not any(n.text.find(w) >= 0 for n in names)]
    else:
        found = [(m.start(), m.group()) for m in re.finditer(r"\b[a-z]+\b", claim) if m.group() in opposites]
    if not found:
        return ""
    at, word = rng.choice(found)
    return claim[:at] + rng.choice(sorted(opposites[word])) + claim[at + len(word) :]


def _negation(
    claim: str, names: tuple[Name, ...], source: Source, pool: Sequence[Source], lang: str, rng: random.Random
) -> str:
    if lang == "zh":
        if not (match := _COPULA_ZH.search(claim)):
            return ""
        verb = match.group()
        turned = {
            "是": "不是",
            "有": "没有",
            "能够": "不能",
            "可以": "不可以",
            "曾": "未曾",
            "曾经": "从未",
            "位于": "不在",
            "属于": "不属于",
        }
        return claim[: match.start()] + turned[verb] + claim[match.end() :]
    if match := _NOT.search(claim):
        return claim[: match.start()] + claim[match.end() :]
    if match := _COPULA.search(claim):
        return claim[: match.end()] + rng.choice([" not", " not", " never"]) + claim[match.end() :]
    return ""


def _addition(
    claim: str, names: tuple[Name, ...], source: Source, pool: Sequence[Source], lang: str, rng: random.Random
) -> str:
    """The claim and something of another passage: a clause of it, a year or a place."""
    other = rng.choice(pool)
    if other is source:
        return ""
    lines = [other.text[s:e] for s, e in sentences(other.text)]
    clauses = [c.strip(" 。.") for line in lines for c in _CLAUSES.split(_BRACKETS.sub("", line))]
    low, high = (5, 18) if lang == "zh" else (15, 70)
    clauses = [c for c in clauses if low <= len(c) <= high and c not in source.text and not c[0].isdigit()]
    places = [n.text for n in other.names if n.type == "PLACE" and n.text not in source.text]
    end = "。" if lang == "zh" else "."
    body = claim.rstrip("。. ")
    if places and rng.random() < 0.3:
        return f"{body}，地点在{rng.choice(places)}。" if lang == "zh" else f"{body} in {rng.choice(places)}."
    if not clauses:
        return ""
    clause = rng.choice(clauses)
    if lang == "zh":
        return f"{clause}，{body}{end}" if rng.random() < 0.2 else f"{body}，{clause}{end}"
    joined = clause[:1].lower() + clause[1:] if not any(clause.startswith(n.text) for n in other.names) else clause
    return f"{body}{rng.choice([', and ', ', ', ' and '])}{joined}{end}"


def _bare(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())


_Corrupt = Callable[[str, tuple[Name, ...], Source, Sequence[Source], str, random.Random], str]
_CORRUPT: dict[str, _Corrupt] = {
    "entity": _entity,
    "number": _number,
    "date": _date,
    "relation": _relation,
    "negation": _negation,
    "addition": _addition,
}
