"""Typed facts where a pattern is sure: regular expressions over sentences whose names are markers.

No parser and no language model: in each sentence the names become single private-use characters (one range for
dates, one for peoples, one for all else), every way of saying the document's own subject becomes another, and
the patterns of ``relations.toml`` run over what is left. A fact carries the span of its sentence.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from graphs.facts import Predicate, Vocabulary
from graphs.gazetteer import without_bracket
from ingest.names import Name
from kgrag.text import STOPWORDS, fold, is_cjk, key, sentences, tokens
from kgrag.types import Passage, Triple

SUBJECT, POSSESSIVE = "\uf8fe", "\uf8ff"
_DATES, _GROUPS, _NAMES, _ROOM = 0xE000, 0xE400, 0xE800, 0x400
_D, _G, _N = "[\ue000-\ue3ff]", "[\ue400-\ue7ff]", "[\ue800-\uebff]"
_PRIVATE = re.compile("[\ue000-\uf8ff]")
_MARK = re.compile("[\ue000-\uebff]")
_MACROS = {
    "{D}": _D,
    "{G}": _G,
    "{N}": _N,
    "{Ns}": f"{_N}(?:(?:, and |, | and | & | ?[、和与及] ?){_N})*",
    "{S}": f"(?P<s>{SUBJECT}|{_N})",
    "{T}": f"(?:{POSSESSIVE}|(?P<s>{_N})'s)",
    "{d}": f"(?:(?:[^\\W\\d_][\\w'.-]*,?|{_G}|{_D}) ){{0,6}}?",
    "{SUBJECT}": SUBJECT,
    "{his}": f"(?:his|her|their|{POSSESSIVE})",
    "{skip}": "[^.;:()\ue400-\uf8ff]",
    "{job}": "(?:家|员|人|者|师|手|授|长|生|士|将|演)",
}


def _words(name: str) -> str:
    return "".join(_data()["words"][name])


def _any(name: str) -> re.Pattern[str]:
    return re.compile(_words(name), re.IGNORECASE)


@lru_cache(maxsize=1)
def _data() -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / "relations.toml").read_text("utf-8"))


_FEMALE, _MALE = (re.compile(rf"\b(?:{_words(w)})\b", re.IGNORECASE) for w in ("female", "male"))
_AWARD, _BODY, _BODY_ZH, _PERSON_NOUN, _SCHOOL = (_any(w) for w in ("award", "body", "body_zh", "person", "school"))
_NOT_PERSONS, _NEVER_COUNTRIES, _LINKS = (
    frozenset(" ".join(_data()["words"][w]).split()) for w in ("not_person", "never_countries", "links")
)
_KIN = frozenset(["father", "mother", "spouse", "child", "sibling"])
_PRIZE = re.compile(r"\b(?:prize|award|medal)\b", re.IGNORECASE)
_RANK, _THING = _words("rank"), _words("thing")
_TITLED = re.compile(rf"\s*,\s*(?:{_RANK})\b")
_TAIL = re.compile(rf"\s*,\s*(?:{_RANK})\s+(?:Palatine\s+)?of\s+")
_ORDINAL = re.compile(r"\s*,\s*(?:the )?(?:\d+(?:st|nd|rd|th) )?")
_JOINS = re.compile(r"\s*(?:,\s*)?(?:of|de|von|van)(?:\s+the)?\s*")
_OWN_DATE = re.compile(r"(?<![\w.,-])\d{3,4}(?![\w%]|,\d|\.\d)")
_GENERIC = re.compile(rf"(?:The|This)(?: [a-z-]+)? (?:{_THING})\b(?!s)")
_KIND = re.compile(rf"\b(?:{_THING})\b", re.IGNORECASE)
_PLACE = re.compile(
    rf"{SUBJECT}(?:,? \([^()]*\))*(?:,[^.;]{{0,60}}?,)? (?:is|was|are|were|lies) (?:an?|the|one of the)\b"
    rf"[^.;]{{0,60}}?\b(?:{_words('place')})\b"
)
_MAKING = re.compile(
    r"The (?=lyrics|music|screenplay|script|score|soundtrack|director|author|founder|designer|composer)\b"
)
_OPENING = re.compile(
    r"(.{2,180}?)(?=\s*\(|,?\s+(?:is|was|are|were|refers|also|formerly|better|born|commonly|sometimes)\b"
    r"|\s*,\s*(?:the|an?|also|son|daughter|brother|sister|wife|born|known|or|n[ée]e)\b)"
)
_PRONOUN = re.compile(r"\b(?:he|she)\b|^(?:it|they)\b|(?<=, )(?:it|they)\b", re.IGNORECASE)
_OWNING = re.compile(r"\b(?:his|her(?=\s+\w))\b|^(?:its|their)\b", re.IGNORECASE)
_CLAUSE = re.compile(
    r"(?:Born|Educated|Married|Having|After|As|In|On|At|By|During|From|The|A|An|While|Before|Upon|When)\b"
)
_OBLIQUE = re.compile(r"\b(?:of|in|at|from|to|by|with|and|for|on|as|than)(?: the)? ?$", re.IGNORECASE)
_ALSO_ZH = re.compile("(?:简称|又称|原名|本名|英文名|译作|又名|（|即|，字|，号)[为作是]?$")
_HEAD = re.compile(
    r"(?:[ /-]*[\ue400-\ue7ff])*(?:[ -]+(?!of\b|in\b|from\b|for\b|who\b|that\b|which\b|directed\b|written\b|by\b|and\b|with\b|at\b|on\b|known\b"
    r"|starring\b|based\b|produced\b|released\b|set\b|to\b|as\b|best\b|whose\b|is\b|was\b|recorded\b|currently\b|featuring\b|made\b)"
    r"(?:[\ue000-\uebff]|([\w'/-]+)))+"
)
_RUN_ON = re.compile("[是在的]")  # a "name" joined by a dot to the words around it
_BEFORE_DOTTED = re.compile(".*(?:是|为|与|和|由|叫|对|向|的|跟|了|师|家|子|给)(?=[^·・]{1,6}[·・])")
_NEVER_COUNTRIES = frozenset(
    [
        "director",
        "author",
        "composer",
        "performer",
        "producer",
        "creator",
        "developer",
        "founder",
        "father",
        "mother",
        "spouse",
        "child",
        "sibling",
        "educated_at",
        "student_of",
        "student",
        "employer",
        "also_known_as",
        "named_after",
        "award",
        "publisher",
        "member_of",
    ]
)
_BEFORE_DOTTED = re.compile(".*(?:是|为|与|和|由|叫|对|向|的|跟|了|师|家|子|给)(?=[^·・]{1,6}[·・])")
_ZH_SELF = re.compile(
    "他们?|她|它|其(?![中他它实余次])|(?:该|本|此)(?:[片剧书机校作所馆社镇县村市曲歌]|公司|大学|学院|小说|专辑|电影|游戏|奖项?)"
    "|这(?:部|首|本|台|座|所|款|家|张)(?:电影|影片|作品|歌曲?|书|小说|计算机|机器|大学|学校|公司|游戏|专辑|[剧片城])"
)


@dataclass(frozen=True, slots=True)
class Pattern:
    """One way to say facts: a regular expression whose groups are named for predicates.

    A group ``p`` gives (subject, p, what it holds); a group ``p_of`` gives (what it holds, p, subject). ``example``
    is (title, sentence with names in square brackets, the facts it gives).
    """

    find: re.Pattern[str]
    lang: str
    confidence: float
    example: tuple[str, ...]


class _Mark(NamedTuple):
    start: int
    end: int
    char: str
    entity: str
    kind: str = ""


@lru_cache(maxsize=1)
def vocabulary() -> Vocabulary:
    """The predicates, with the words that ask for them, and the countries that peoples' names stand for."""
    data = _data()
    predicates = {
        name: Predicate(
            name=name,
            meaning=fields["meaning"],
            inverse=fields.get("inverse", ""),
            symmetric=fields.get("symmetric", False),
            functional=fields.get("functional", False),
            value=fields.get("value", "NAME"),
            nouns=tuple(fields.get("nouns", ())),
            asks=tuple(fields.get("asks", ())),
            derived=tuple(tuple(chain) for chain in fields.get("derived", ())),
        )
        for name, fields in data["predicate"].items()
    }
    kin = {noun: tuple(chain) for noun, chain in data["kin"].items()}
    countries = {
        called: country
        for country, fields in data["countries"].items()
        for called in [country.lower(), *fields["people"], *fields["names"]]
    }
    peoples = frozenset(people for fields in data["countries"].values() for people in fields["people"])
    return Vocabulary(predicates, kin, countries, peoples)


@lru_cache(maxsize=1)
def patterns() -> tuple[Pattern, ...]:
    """All patterns, in the order of the file."""
    found = []
    for fields in _data()["pattern"]:
        source = fields["find"]
        for macro, expression in _MACROS.items():
            source = source.replace(macro, expression)
        found.append(
            Pattern(re.compile(source, re.IGNORECASE), fields["lang"], fields["confidence"], tuple(fields["example"]))
        )
    return tuple(found)


def find_triples(
    passage: Passage,
    names: Sequence[Name],
    ids: Sequence[str],
    *,
    title: str,
    title_id: str,
    lang: str,
) -> list[Triple]:
    """The typed facts of a passage, ordered by sentence; the most confident pattern for a fact counts.

    Args:
        names: the names in the passage, with offsets into ``passage.text``; ``ids`` are their entities, in parallel.
        title: the document's title, as written; ``title_id`` is its entity.
        lang: ``"en"`` or ``"zh"``.
    """
    best: dict[tuple[int, str, str, str], Triple] = {}
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
        for subject, predicate, value, confidence in _facts(sentence, inside, title, title_id, lang, opening):
            place = (start, subject, predicate, value)
            if place not in best or best[place].confidence < confidence:
                span = (passage.start + start, passage.start + end)
                best[place] = Triple(subject, predicate, value, passage.id, *span, confidence)
        opening = False
    return list(best.values())


def _facts(
    sentence: str, names: list[tuple[Name, str]], title: str, title_id: str, lang: str, opening: bool
) -> Iterator[tuple[str, str, str, float]]:
    own = _own_chinese(sentence, names, title) if lang == "zh" else _own_english(sentence, names, title, opening)
    marks = _marks(sentence, names, own, lang, opening)
    line = _line(sentence, marks, lang)
    about = SUBJECT in line or POSSESSIVE in line
    entity = {m.char: m.entity for m in marks}
    surface = {m.char: sentence[m.start : m.end] for m in marks}
    kinds = {m.char: m.kind for m in marks}
    if opening and lang == "en" and own and own[0][0] == 0 and own[0][2] == SUBJECT:
        called = sentence[own[0][0] : own[0][1]].strip(" \"'“”,")
        if (
            not _GENERIC.match(sentence)
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
            yield title_id, "country", mark.entity if land == surface[mark.char] else key(land), 0.88
    for pattern in patterns():
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
                for mark in _MARK.findall(held or ""):
                    at = line.index(mark)
                    predicate = _sharpened(name, line[:at], surface[mark], kinds[mark], line[at + 1 :])
                    value = entity[mark]
                    if value == subject or not predicate:
                        continue
                    if predicate.endswith("_of") and predicate not in vocabulary().predicates:
                        yield value, predicate[:-3], subject, pattern.confidence
                    else:
                        yield subject, predicate, value, pattern.confidence


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


def _marks(
    sentence: str, names: list[tuple[Name, str]], own: list[tuple[int, int, str]], lang: str, opening: bool
) -> list[_Mark]:
    """Markers for everything in a sentence that can be the end of a fact, ordered, not overlapping."""
    peoples = vocabulary().peoples
    ends: list[_Mark] = []
    for name, entity in sorted(names, key=lambda pair: pair[0].start):
        if any(name.start < end and name.end > start for start, end, _ in own):
            continue
        mark = _Mark(name.start, name.end, "", entity, name.type)
        first = re.split(r"[\s-]", name.text)[0]
        if lang == "zh" and name.type == "MISC" and (cut := _BEFORE_DOTTED.match(name.text)):
            mark = mark._replace(start=name.start + cut.end(), entity=key(name.text[cut.end() :]))
        elif first != name.text and first.lower() in peoples and name.type != "ORGANISATION" and opening:
            mark = _Mark(name.start, name.start + len(first), "", key(first), "GROUP")
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
        ends += [_Mark(*m.span(), "", key(m.group()), kind) for m, kind in more if m.start() not in taken]
    bases = {"DATE": _DATES, "GROUP": _GROUPS}
    marks = [_Mark(start, end, char, "") for start, end, char in own]
    for number, mark in enumerate(sorted(ends)[:_ROOM]):
        marks.append(mark._replace(char=chr(bases.get(mark.kind, _NAMES) + number)))
    return sorted(marks)


def _one(sentence: str, left: _Mark, right: _Mark, lang: str) -> bool:
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


def _line(sentence: str, marks: list[_Mark], lang: str) -> str:
    """The sentence with marks for names, and with even spacing, quotes and brackets."""
    # a document's own private-use characters must not be taken for marks
    sentence = _PRIVATE.sub(" ", sentence)
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


def _own_english(sentence: str, names: list[tuple[Name, str]], title: str, opening: bool) -> list[tuple[int, int, str]]:
    """Where a sentence speaks of the title's entity: its name, a part of it, a pronoun, or "the film"."""
    head = without_bracket(title)
    words = [t.text for t in tokens(head.split(",")[0])]
    known = {t.text for t in tokens(title)} - STOPWORDS
    forms: set[str] = set()
    if not _KIND.search(head):
        forms = {" ".join(words[i:]) for i in range(len(words))} | {" ".join(words[: i + 1]) for i in range(len(words))}
    forms = {f for f in forms if len(f) > 2 and f not in STOPWORDS} | {key(head)}
    own: list[tuple[int, int, str]] = []
    if match := _GENERIC.match(sentence):
        own.append((0, match.end(), SUBJECT))
    elif match := _MAKING.match(sentence):
        own.append((0, match.end(), POSSESSIVE))
    elif opening and (match := _OPENING.match(sentence)) and _is_name(match.group(), known):
        after = sentence[match.end() :].lstrip()
        heard = {t.text for t in tokens(match.group())}
        elsewhere = key(head) not in key(match.group()) and key(head) in key(sentence[match.end() :])
        dated = re.match(r"\([^()]*\d{3}", after) is not None
        called = re.match(r"[^.;]{0,120}\b(?:known|called)\b", after) is not None
        if dated or (known & heard and not elsewhere) or (elsewhere and called):
            own.append((0, match.end(), SUBJECT))
    starts = own[0][1] if own else 0
    for name, _ in names:
        if name.start >= starts and name.type != "DATE" and key(name.text) in forms:
            own.append((name.start, name.end, SUBJECT))
    if not own:
        heard_words = tokens(sentence[:120])
        for size in range(min(8, len(heard_words)), 0, -1):
            end = heard_words[size - 1].end
            if " ".join(t.text for t in heard_words[:size]) in forms:
                if not any(n.start < end < n.end for n, _ in names):
                    own.append((0, end - (2 if sentence[:end].endswith(("'s", "’s")) else 0), SUBJECT))
                break
    others = [n for n, _ in names if n.type not in ("DATE", "GROUP") and not any(s <= n.start < e for s, e, _ in own)]
    stranger = bool(others) and others[0].start < 5 and not (own and own[0][0] == 0)
    if not stranger or _CLAUSE.match(sentence):
        for expression, char in ((_PRONOUN, SUBJECT), (_OWNING, POSSESSIVE)):
            for match in expression.finditer(sentence):
                if not any(s < match.end() and match.start() < e for s, e, _ in own):
                    own.append((match.start(), match.end(), char))
    return sorted(own)


def _is_name(text: str, known: set[str]) -> bool:
    """Whether the opening of a sentence is a name and not a clause: few words without a capital."""
    small = [w for w in re.findall(r"\w[\w'’-]*", text) if w[0].islower()]
    return (
        all(fold(w) in known or fold(w) in STOPWORDS or w in _LINKS for w in small)
        and not re.search(r"['’]s\s+[a-z]", text)
        and not re.match("(?:In|On|At|After|During|When|His|Her|He|She|It)\\b", text)
    ) or key(text) in " ".join(known)


def _own_chinese(sentence: str, names: list[tuple[Name, str]], title: str) -> list[tuple[int, int, str]]:
    """The same in Chinese, where a sentence without a subject goes on about the last one."""
    head = without_bracket(title)
    forms = sorted({title, head, re.split("[·・]", head)[-1], head.strip("《》")}, key=len, reverse=True)
    own = (
        [
            (m.start(), m.end(), SUBJECT)
            for m in re.finditer("|".join(re.escape(f) for f in forms if len(f) > 1), sentence)
        ]
        if any(len(f) > 1 for f in forms)
        else []
    )
    # a longer name that only begins with the title is something else
    longer = [n for n, _ in names if not _RUN_ON.search(n.text)]
    longer = [n for n in longer for s, e, _c in own if n.start <= s and e <= n.end and n.end - n.start > e - s + 2]
    own = [o for o in own if not any(n.start <= o[0] and o[1] <= n.end for n in longer)]
    stranger = any(n.start < 2 and n.type in ("PERSON", "WORK", "ORGANISATION") for n, _ in names) and not own
    if not stranger:
        for match in _ZH_SELF.finditer(sentence):
            if not any(s < match.end() and match.start() < e for s, e, _ in own):
                own.append((match.start(), match.end(), SUBJECT))
        if not any(s == 0 for s, *_ in own):
            own.append((0, 0, SUBJECT))
    return sorted(own)
