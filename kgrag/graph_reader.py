"""Answers read off typed facts alone: no language model, and silence where the facts do not cover the question.

A question's names become X; what is asked of an X is peeled off from the inside ("the mother of the director of X"
is first "the mother of X", with one step taken), until a whole question of one predicate is left. Comparisons take
two names down the same way and set their dates or countries side by side.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Protocol

from graphs.facts import Facts
from graphs.gazetteer import Found, Gazetteer
from graphs.vocabulary import Predicate, Vocabulary
from kgrag.text import is_cjk, key
from kgrag.types import Path, Triple

WIDTH = 8
"""How many readings of a path are kept at each step."""


class Candidate(NamedTuple):
    """An answer, the walk that gives it, and how sure it is, in (0, 1]; a comparison rests on a second walk ``also``."""

    text: str
    path: Path
    confidence: float
    also: tuple[Path, ...] = ()


class Finder(Protocol):
    """Finds known names in a text (`graphs.gazetteer.Gazetteer`)."""

    names: Sequence[str]

    def find(self, text: str, *, any_case: bool = False) -> list[Found]:
        """The names in a text, ordered by place, longest first where they overlap."""


@dataclass(frozen=True, slots=True)
class Walk:
    """A partial path: nodes in order, and the facts between them."""

    nodes: tuple[str, ...]
    triples: tuple[Triple, ...]
    confidence: float


class _Step(NamedTuple):
    predicate: str
    cost: float


_THINGS = (
    r"(?:the |a |an )?(?:(?:film|movie|song|album|book|novel|series|show|game|play|person|company|band|machine|computer|university"
    r"|singer|actor|magazine|newspaper|city|town|village|university|mathematician|physicist|scientist|politician) )?"
)
_FRAME = re.compile(
    r"^(?:can you tell me|do you know|tell me|please tell me|i want to know|请问|告诉我|你知道)[,，]?\s*|[?？!！.。\s]+$|(?:呢|呀|吗)(?=[?？]?$)",
    re.IGNORECASE,
)
_WHO = re.compile(
    r"(?:(?:who|what|which|where|when)(?: (?:person|city|country|place|date|year|university|company|man|woman))? (?:is|was|are|were)"
    r"|(?:name|give|find)) (?:the )?X(?: called| named)?|X (?:is|was) (?:who|what|where|when)|what is X's name"
    r"|X(?:是)?(?:谁|什么|哪里|哪儿|哪位|何人|哪一?年|什么时候|哪所大学|哪个(?:国家|城市|人|大学|地方)|哪家公司)?的?(?:人)?|谁是X|X(?:是|叫)?什么(?:名字|时候|地方|日期)?",
    re.IGNORECASE,
)
_EARLY = r"first|earlier|earliest|older|oldest|elder|before"
_LATE = r"later|last|latest|younger|youngest|more recently|recently|after"
_ZH_EARLY = "更?[早先]|更?年长|更老|年纪更?大|岁数更?大|较[早大]|更大"
_ZH_LATE = "更?晚|更年轻|年纪更?小|较[晚小]|更小|后"
_SAME = re.compile(
    r"\b(?:same|both|share)\b.*\b(?:country|nationality|nationalities|nation)\b|同一?个?国家|国籍相同|相同国籍|同一国籍|同国",
    re.IGNORECASE,
)
_OTHER_SAME = {
    r"\bsame (?:place|city|town|birthplace)\b.*\b(?:born|birth)|\bborn in the same|出生在同一|出生地相同|出生于同一": "place_of_birth",
    r"\bborn (?:in|on) the same (?:year|day|date)|同一年出生": "date_of_birth",
    r"\bsame (?:director|filmmaker)|同一个?导演": "director",
    r"\bsame (?:university|school|college|alma mater)|同一所?(?:大学|学校)|母校相同": "educated_at",
    r"\bsame (?:advis[eo]r|teacher|supervisor)|同一个?(?:导师|老师)|导师相同": "student_of",
}
_MONTHS = {
    m: i
    for i, m in enumerate(
        [
            "january",
            "february",
            "march",
            "april",
            "may",
            "june",
            "july",
            "august",
            "september",
            "october",
            "november",
            "december",
        ],
        1,
    )
}


class GraphReader:
    """Reads answers off the facts of a store.

    Args:
        facts: the typed facts.
        vocabulary: the predicates and the words that ask for them.
        finder: finds the names that ``facts`` knows in a question; by default a gazetteer over `Facts.forms`.
    """

    def __init__(self, facts: Facts, vocabulary: Vocabulary, finder: Finder | None = None) -> None:
        self._facts = facts
        self._vocabulary = vocabulary
        self._finder: Finder = finder or Gazetteer(facts.forms())
        nouns: dict[str, tuple[str, ...]] = {}
        for predicate in vocabulary.predicates.values():
            for noun in predicate.nouns:
                nouns.setdefault(noun.lower(), (predicate.name,))
        nouns.update({noun: chain for noun, chain in vocabulary.kin.items()})
        self._nouns = nouns
        self._asked = {key(a + n) for n in nouns for a in ("", "the ")}
        english = "|".join(re.escape(n) for n in sorted(nouns, key=len, reverse=True) if not is_cjk(n))
        chinese = "|".join(re.escape(n) for n in sorted(nouns, key=len, reverse=True) if is_cjk(n))
        self._of = re.compile(rf"(?:the |an? )?\b({english})s? (?:of|for|to) {_THINGS}X\b", re.IGNORECASE)
        self._possessive = re.compile(rf"{_THINGS}X['’]?s? ({english})\b", re.IGNORECASE)
        self._zh = re.compile(rf"X的?({chinese})")
        self._role = re.compile(rf"\b({english})s?\b|({chinese})", re.IGNORECASE)
        self._asks = [
            (
                p,
                re.compile(
                    ask.replace("X", "{THE}X")
                    .replace("[^{THE}X]", "[^X]")
                    .replace("{THE}", "" if is_cjk(ask) else _THINGS),
                    re.IGNORECASE,
                ),
            )
            for p in vocabulary.predicates.values()
            for ask in p.asks
        ]

    def read(self, question: str) -> list[Candidate]:
        """Answers, best first; none where the facts do not cover what is asked."""
        text = _FRAME.sub("", _FRAME.sub("", question.strip())).strip()
        found = [_bare(f, text) for f in self._finder.find(text) if self._finder.names[f.name] not in self._asked]
        answers: list[Candidate] = []
        if len(found) >= 2:
            answers = self._compare(text, found)
        if not answers:
            for name in sorted(found, key=lambda f: f.start - f.end):
                answers += self._follow(text, name)
        best: dict[str, Candidate] = {}
        for answer in sorted(answers, key=lambda a: -a.confidence):
            best.setdefault(key(answer.text), answer)
        return list(best.values())[:5]

    # --- one name ------------------------------------------------------------------------------------------------

    def _follow(self, text: str, name: Found) -> list[Candidate]:
        start, end = name.start, name.end
        marked = _opened(text[:start]) + "X" + _closed(text[end:])
        chain, last, cost = self._parse(marked)
        if not chain and not last:
            return []
        chains = [[*chain, step] for step in last] if last else [chain]
        candidates = []
        for steps in chains:
            for walk in self._walk(self._starts(self._finder.names[name.name]), steps):
                candidates.append(self._candidate(walk, steps[-1], text, cost))
        return candidates

    def _parse(self, marked: str) -> tuple[list[str], list[str], float]:
        """The steps from X outward, the predicates that the rest of the question may ask for, and how sure."""
        chain: list[str] = []
        rest = " ".join(marked.split())
        while True:
            last = [p.name for p, ask in self._asks if ask.fullmatch(rest)]
            if last:
                return chain, last, 1.0
            for expression in (self._possessive, self._of, self._zh):
                if match := expression.search(rest):
                    chain += self._nouns[match.group(1).lower()]
                    rest = (rest[: match.start()] + "X" + rest[match.end() :]).strip()
                    break
            else:
                break
        if chain and _WHO.fullmatch(rest):
            return chain, [], 1.0
        return [], [], 0.0

    def _starts(self, name: str) -> list[Walk]:
        return [Walk((entity,), (), sure) for entity, sure in self._facts.readings(name)[:WIDTH]]

    def _walk(self, walks: list[Walk], steps: Iterable[str]) -> list[Walk]:
        for step in steps:
            further = [walk for w in walks for walk in self._step(w, step)]
            walks = sorted(further, key=lambda w: -w.confidence)[:WIDTH]
        return walks

    def _step(self, walk: Walk, step: str) -> list[Walk]:
        """A walk taken one predicate further; by a derived way only where the facts do not say it outright."""
        predicate = self._vocabulary.predicates[step]
        here = [walk.nodes[-1]]
        if walk.triples:
            here = [e for e, _ in self._facts.readings(walk.nodes[-1], known=walk.triples[-1])]
        direct: list[Walk] = []
        for entity in dict.fromkeys(here):
            direct += self._direct(walk, entity, predicate)
        if direct:
            return direct
        for chain in predicate.derived:
            there = [walk]
            for name in chain:
                there = [
                    w
                    for t in there
                    for e in _readings(self._facts, t)
                    for w in self._direct(t, e, self._vocabulary.predicates[name])
                ]
            there = [w for w in there if w.nodes[-1] != walk.nodes[-1] and w.nodes[-1] not in here]
            if there:
                return [Walk(w.nodes, w.triples, w.confidence * 0.8) for w in there]
        if predicate.value == "COUNTRY" and step in ("country", "nationality"):
            other = self._vocabulary.predicates["nationality" if step == "country" else "country"]
            return [w for e in dict.fromkeys(here) for w in self._direct(walk, e, other)]
        return []

    def _direct(self, walk: Walk, entity: str, predicate: Predicate) -> list[Walk]:
        sure = walk.confidence if entity == walk.nodes[-1] else walk.confidence * self._sure(walk.nodes[-1], entity)
        ends: dict[str, tuple[float, Triple]] = {}
        for triple in self._facts.about(entity):
            if triple.predicate == predicate.name:
                _keep(ends, triple.object, triple.confidence, triple)
        for triple in self._facts.pointing_at(entity):
            sure_back = self._reads_back(triple, predicate)
            if sure_back:
                _keep(ends, triple.subject, triple.confidence * sure_back, triple)
        if not ends:
            # another document may call this entity otherwise
            return []
        several = 1.0 if not predicate.functional or len(ends) == 1 else 0.92
        return [
            Walk((*walk.nodes, end), (*walk.triples, triple), sure * confidence * several)
            for end, (confidence, triple) in sorted(ends.items(), key=lambda item: -item[1][0])
        ]

    def _reads_back(self, triple: Triple, wanted: Predicate) -> float:
        """How sure a fact that points at an entity is when read the other way; 0 if it does not read so."""
        if triple.predicate == wanted.name:
            return 0.95 if wanted.symmetric else 0.0
        if self._vocabulary.predicates[triple.predicate].inverse == wanted.name:
            return 0.95
        if triple.predicate == wanted.inverse:
            # "child" does not say which of the two parents speaks
            return 0.7 if wanted.name in ("father", "mother") else 0.95
        return 0.0

    def _sure(self, name: str, entity: str) -> float:
        return max((sure for e, sure in self._facts.readings(name) if e == entity), default=0.7)

    def _candidate(self, walk: Walk, predicate: str, text: str, cost: float) -> Candidate:
        sure = max(0.01, min(1.0, walk.confidence * cost))
        value = self._facts.name(walk.nodes[-1])
        if walk.nodes[-1] in self._facts.titles:
            value = re.sub(r"\s*[(（][^()（）]*[)）]$", "", value)
        if self._vocabulary.predicates[predicate].value == "COUNTRY" and re.search(
            r"\bcountry\b|国家", text, re.IGNORECASE
        ):
            value = self._vocabulary.countries.get(value.lower(), value) if not is_cjk(value) else value
        return Candidate(value, self._path(walk), sure)

    def _path(self, walk: Walk) -> Path:
        return Path(walk.nodes, tuple(self._facts.name(n) for n in walk.nodes), walk.triples)

    # --- two names -----------------------------------------------------------------------------------------------

    def _compare(self, text: str, found: Sequence[Found]) -> list[Candidate]:
        first, second = found[0], found[-1]
        if len(found) > 2:
            # the two names that "or" or "and" joins; what lies about them is not part of a name
            pairs = [
                (a, b)
                for a, b in pairwise(found)
                if re.fullmatch(
                    r"\W*(?:\([^()]*\)\W*)?(?:or|and|和|与|还是|跟)\W*(?:the )?", text[a.end : b.start], re.IGNORECASE
                )
            ]
            if not pairs:
                return []
            first, second = pairs[-1]
        rest = f"{text[: first.start]} X {text[first.end : second.start]} Y {text[second.end :]}"
        steps = self._roles(rest)
        if _SAME.search(rest):
            return self._same(
                first, second, [*steps, "nationality" if steps or not _PLACED.search(rest) else "country"], text
            )
        for expression, predicate in _OTHER_SAME.items():
            if re.search(expression, rest, re.IGNORECASE):
                return self._same(first, second, [*steps[:0], predicate], text)
        return self._which(rest, first, second, steps)

    def _roles(self, rest: str) -> list[str]:
        """The predicate between the names and what is compared: "the director" of each film."""
        steps: list[str] = []
        for match in self._role.finditer(rest):
            noun = (match.group(1) or match.group(2)).lower()
            chain = self._nouns.get(noun) or self._nouns.get(noun.rstrip("s"), ())
            if chain and self._vocabulary.predicates[chain[0]].value == "NAME":
                steps += [p for p in chain if p not in steps and p not in ("part_of", "educated_at")]
        return steps[:1]

    def _same(self, first: Found, second: Found, steps: Sequence[str], text: str) -> list[Candidate]:
        sides = [self._ends(self._finder.names[n.name], steps) for n in (first, second)]
        if not all(sides):
            return []
        values = [{self._plain(w.nodes[-1]) for w in side} for side in sides]
        same = bool(values[0] & values[1])
        sure = sides[0][0].confidence * sides[1][0].confidence * (1.0 if same else 0.9)
        word = ("是" if same else "否") if is_cjk(text) else ("yes" if same else "no")
        return [Candidate(word, self._path(sides[0][0]), sure, (self._path(sides[1][0]),))]

    def _plain(self, value: str) -> str:
        name = self._facts.name(value).lower()
        return self._vocabulary.countries.get(name, self._vocabulary.countries.get(value, value)).lower()

    def _ends(self, name: str, steps: Sequence[str]) -> list[Walk]:
        walks = self._walk(self._starts(name), steps)
        return [w for w in walks if w.confidence > 0.75 * walks[0].confidence] if walks else []

    def _which(self, rest: str, first: Found, second: Found, steps: Sequence[str]) -> list[Candidate]:
        early = re.search(rf"\b(?:{_EARLY})\b|{_ZH_EARLY}", rest, re.IGNORECASE)
        late = re.search(rf"\b(?:{_LATE})\b|{_ZH_LATE}", rest, re.IGNORECASE)
        lived = re.search(r"\blived? (?:a )?(?:longer|longest)|活得更?[长久]|寿命更长|更长寿", rest, re.IGNORECASE)
        if lived:
            return self._lives(first, second, steps)
        if bool(early) == bool(late):
            return []
        if re.search(r"\bdie[ds]?\b|death|去世|逝世|死", rest, re.IGNORECASE):
            last = ["date_of_death"]
        elif re.search(
            r"\bborn\b|birth|older|younger|elder|oldest|youngest|出生|年长|年轻|年纪|岁数", rest, re.IGNORECASE
        ):
            last = ["date_of_birth"]
        elif re.search(
            r"founded|established|built|formed|created|成立|创立|创办|建成|建立|研制成功|诞生", rest, re.IGNORECASE
        ):
            last = ["inception", "publication_date"]
        elif re.search(
            r"released|published|came out|come out|premiere|made|issued|上映|发行|出版|发布|发表|问世",
            rest,
            re.IGNORECASE,
        ):
            last = ["publication_date", "inception"]
            steps = []
        else:
            return []
        for predicate in last:
            dated = [self._dated(n, [*steps, predicate]) for n in (first, second)]
            if dated[0] is None or dated[1] is None:
                continue
            (a, walk_a), (b, walk_b) = dated[0], dated[1]
            size = min(len(a), len(b))
            if a[:size] == b[:size]:
                return []
            winner = first if (a < b) == bool(early) else second
            return [self._chosen(winner, first, walk_a, walk_b)]
        return []

    def _lives(self, first: Found, second: Found, steps: Sequence[str]) -> list[Candidate]:
        spans = []
        for name in (first, second):
            born, died = self._dated(name, [*steps, "date_of_birth"]), self._dated(name, [*steps, "date_of_death"])
            if born is None or died is None:
                return []
            (b, _), (d, walk) = born, died
            days = [v[0] * 365.25 + (v[1] * 30.4 + (v[2] if len(v) > 2 else 15) if len(v) > 1 else 182) for v in (b, d)]
            spans.append((days[1] - days[0], walk))
        if abs(spans[0][0] - spans[1][0]) < 2:
            return []
        winner = first if spans[0][0] > spans[1][0] else second
        return [self._chosen(winner, first, spans[0][1], spans[1][1])]

    def _dated(self, name: Found, steps: Sequence[str]) -> tuple[tuple[int, ...], Walk] | None:
        walks = self._walk(self._starts(self._finder.names[name.name]), steps)
        dated = [(when(self._facts.name(w.nodes[-1])) or when(w.nodes[-1]), w) for w in walks]
        found = [(date, walk) for date, walk in dated if date]
        if not found:
            return None
        # a full date says more than a year, if it is about as sure
        return max(found, key=lambda pair: (round(pair[1].confidence, 1), len(pair[0])))

    def _chosen(self, winner: Found, first: Found, one: Walk, two: Walk) -> Candidate:
        walk, other = (one, two) if winner is first else (two, one)
        title = self._facts.name(walk.nodes[0])
        text = re.sub(r"\s*[(（][^()（）]*[)）]$", "", title)
        return Candidate(text, self._path(walk), max(0.01, one.confidence * two.confidence), (self._path(other),))


_PLACED = re.compile(
    r"\b(?:located|situated|films?|movies?|songs?|originate|villages?|towns?|albums?)\b|位于", re.IGNORECASE
)


def when(text: str) -> tuple[int, ...]:
    """A date as (year,), (year, month) or (year, month, day); () if there is none."""
    if is_cjk(text):
        match = re.search(r"(前)?(\d{1,4})\s*年(?:\s*(\d{1,2})\s*月)?(?:\s*(\d{1,2})\s*日)?", text)
        if not match:
            return ()
        year, month, day = match.group(2, 3, 4)
        return tuple(int(p) for p in ((f"-{year}" if match.group(1) else year), month, day) if p)
    words = key(text).split()
    month = next((_MONTHS[w] for w in words if w in _MONTHS), 0)
    numbers = [int(w) for w in words if w.isdigit()]
    if not numbers:
        return ()
    if not month:
        return (numbers[-1],) if len(words) == 1 else ()
    if len(numbers) == 1:
        return (numbers[0], month)
    day, year = (numbers[0], numbers[-1])
    return (year, month, day) if day <= 31 else (day, month)


def _keep(ends: dict[str, tuple[float, Triple]], end: str, confidence: float, triple: Triple) -> None:
    if end not in ends or ends[end][0] < confidence:
        ends[end] = (confidence, triple)


def _readings(facts: Facts, walk: Walk) -> list[str]:
    known = walk.triples[-1] if walk.triples else None
    return list(dict.fromkeys(e for e, _ in facts.readings(walk.nodes[-1], known=known)))


def _bare(found: Found, text: str) -> Found:
    """A name's span without its possessive ending."""
    match = re.search(r"['’]s?$", text[found.start : found.end])
    return found._replace(end=found.start + match.start()) if match else found


def _opened(text: str) -> str:
    return re.sub(r"[\"“”《'’(]+$", "", text)


def _closed(text: str) -> str:
    return re.sub(r"^[\"“”》)]+", "", text)
