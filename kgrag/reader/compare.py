"""Two names side by side: which came first, who lived longer, whether both are of one country."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from graphs.gazetteer import Found
from graphs.vocabulary import Vocabulary
from kgrag.dates import MONTHS
from kgrag.reader.questions import Questions
from kgrag.reader.walk import Candidate, Walk, Walker
from kgrag.text import is_cjk, key, unbracketed

_EARLY = r"first|earlier|earliest|older|oldest|elder|before"
_LATE = r"later|last|latest|younger|youngest|more recently|recently|after"
_ZH_EARLY = "更?[早先]|更?年长|更老|年纪更?大|岁数更?大|较[早大]|更大"
_ZH_LATE = "更?晚|更年轻|年纪更?小|较[晚小]|更小|后"
_SAME = re.compile(
    r"\b(?:same|both|share)\b.*\b(?:country|nationality|nationalities|nation)\b|同一?个?国家|国籍相同|相同国籍|同一国籍|同国",
    re.IGNORECASE,
)
_OTHER_SAME = {
    r"\bsame (?:place|city|town|birthplace)\b.*\b(?:born|birth)|\bborn in the same(?! (?:year|day|date))|出生[在于]同一(?!年|天|日)|出生地相同": "place_of_birth",
    r"\bborn (?:in|on) the same (?:year|day|date)|同一[年天日]出生|出生[在于]同一[年天日]": "date_of_birth",
    r"\bsame (?:director|filmmaker)|同一个?导演": "director",
    r"\bsame (?:university|school|college|alma mater)|同一所?(?:大学|学校)|母校相同": "educated_at",
    r"\bsame (?:advis[eo]r|teacher|supervisor)|同一个?(?:导师|老师)|导师相同": "student_of",
}
_LIVED = re.compile(r"\blived? (?:a )?(?:longer|longest)|活得更?[长久]|寿命更长|更长寿", re.IGNORECASE)
GUESS = 0.1
"""Below this the facts of a comparison, all together, are guesses."""
LANDS = ("country", "nationality")
"""What says which country a thing or a person is of."""
_PLACED = re.compile(
    r"\b(?:located|situated|films?|movies?|songs?|originate|villages?|towns?|albums?)\b|位于", re.IGNORECASE
)


class Comparer:
    """Takes two names down the same walk, and sets what stands at the ends side by side.

    Args:
        walker, questions: of the same vocabulary.
        names: the names whose positions a `Found` gives.
    """

    def __init__(self, vocabulary: Vocabulary, walker: Walker, questions: Questions, names: Sequence[str]) -> None:
        self._vocabulary = vocabulary
        self._walker = walker
        self._questions = questions
        self._names = names

    def compare(self, text: str, found: Sequence[Found]) -> list[Candidate]:
        """The answer to a question about two names; none where the facts do not settle it."""
        sides = _sides(text, found)
        if sides is None:
            return []
        first, second, rest = sides
        steps = self._questions.roles(rest)
        asked = alike(rest)
        if asked == LANDS:
            return self._same(
                first, second, [*steps, "nationality" if steps or not _PLACED.search(rest) else "country"], rest
            )
        return self._same(first, second, asked, rest) if asked else self._which(rest, first, second, steps)

    @staticmethod
    def asks(text: str, found: Sequence[Found]) -> bool:
        """Whether a question sets two of the names in it side by side."""
        sides = _sides(text, found)
        rest = sides[2] if sides is not None else ""
        return bool(rest and (alike(rest) or earlier(rest) is not None or _LIVED.search(rest)))

    def _same(self, first: Found, second: Found, steps: Sequence[str], rest: str) -> list[Candidate]:
        sides = []
        for name in (first, second):
            if not (ends := self._ends(self._names[name.name], steps)):
                return []
            sides.append(ends)
        of_year = bool(re.search(r"\byear\b|年", rest))
        values = [{self._plain(w.nodes[-1], of_year) for w in side} for side in sides]
        heads = [{self._walker.name(w.nodes[-1]).lower().removeprefix("the ").split(",")[0] for w in s} for s in sides]
        if steps[-1].startswith("place_") and not values[0] & values[1] and heads[0] & heads[1]:
            return []  # "Bronx" and "Bronx, New York" may be one place or two
        same = bool(values[0] & values[1])
        sure = _even(sides[0][0].confidence * sides[1][0].confidence * (1.0 if same else 0.9))
        word = ("是" if same else "否") if is_cjk(rest) else ("yes" if same else "no")
        return [Candidate(word, self._walker.path(sides[0][0]), sure, (self._walker.path(sides[1][0]),))]

    def _plain(self, value: str, of_year: bool) -> str:
        name = self._walker.name(value).lower()
        if of_year and (day := when(name) or when(value)):
            return str(day[0])
        return self._vocabulary.countries.get(
            name, self._vocabulary.countries.get(value, value.removeprefix("the "))
        ).lower()

    def _ends(self, name: str, steps: Sequence[str]) -> list[Walk]:
        walks = self._walker.walks(name, steps)
        return [w for w in walks if w.confidence > 0.75 * walks[0].confidence] if walks else []

    def _which(self, rest: str, first: Found, second: Found, steps: Sequence[str]) -> list[Candidate]:
        early = earlier(rest)
        if _LIVED.search(rest):
            return self._lives(first, second, steps)
        if early is None:
            return []
        if of_death(rest):
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
            one = self._dated(first, [*steps, predicate])
            other = self._dated(second, [*steps, predicate]) if one is not None else None
            if one is None or other is None:
                continue
            (a, walk_a), (b, walk_b) = one, other
            size = min(len(a), len(b))
            if a[:size] == b[:size]:
                return []
            winner = first if (a < b) == early else second
            return [self._chosen(winner, first, walk_a, walk_b)]
        return []

    def _lives(self, first: Found, second: Found, steps: Sequence[str]) -> list[Candidate]:
        spans = []
        for name in (first, second):
            born = self._dated(name, [*steps, "date_of_birth"])
            died = self._dated(name, [*steps, "date_of_death"]) if born is not None else None
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
        walks = self._walker.walks(self._names[name.name], steps)
        dated = [(when(self._walker.name(w.nodes[-1])) or when(w.nodes[-1]), w) for w in walks]
        found = [(date, walk) for date, walk in dated if date]
        if not found:
            return None
        # a full date says more than a year, if it is about as sure
        return max(found, key=lambda pair: (round(pair[1].confidence, 1), len(pair[0])))

    def _chosen(self, winner: Found, first: Found, one: Walk, two: Walk) -> Candidate:
        walk, other = (one, two) if winner is first else (two, one)
        text = unbracketed(self._walker.name(walk.nodes[0]))
        return Candidate(
            text, self._walker.path(walk), _even(one.confidence * two.confidence), (self._walker.path(other),)
        )


def _even(sure: float) -> float:
    """How sure one of two answers is, of facts that are so sure: where they are wrong it is still right half the time. Of
    facts that are hardly more than guesses nothing follows."""
    return (1.0 + sure) / 2 if sure >= GUESS else max(sure, 0.01)


def _sides(text: str, found: Sequence[Found]) -> tuple[Found, Found, str] | None:
    """The two names of a question that are set side by side, and the question with X and Y for them; None of any other."""
    if len(found) < 2:
        return None
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
            return None
        first, second = pairs[-1]
    return first, second, f"{text[: first.start]} X {text[first.end : second.start]} Y {text[second.end :]}"


def alike(rest: str) -> tuple[str, ...]:
    """The predicate, or each of several, of which a question without its names asks if two have the same; none of any other."""
    if _SAME.search(rest):
        return LANDS
    return next(((p,) for asks, p in _OTHER_SAME.items() if re.search(asks, rest, re.IGNORECASE)), ())


def earlier(rest: str) -> bool | None:
    """Whether a question without its names asks for what was first, or for what was last; None of any other."""
    early = re.search(rf"\b(?:{_EARLY})\b|{_ZH_EARLY}", rest, re.IGNORECASE)
    late = re.search(rf"\b(?:{_LATE})\b|{_ZH_LATE}", rest, re.IGNORECASE)
    return None if bool(early) == bool(late) else bool(early)


def of_death(rest: str) -> bool:
    """Whether a question without its names, or a predicate, is about a death."""
    return bool(re.search(r"\bdie[ds]?\b|death|去世|逝世|死", rest, re.IGNORECASE))


def when(text: str) -> tuple[int, ...]:
    """A date as (year,), (year, month) or (year, month, day); () if there is none."""
    if is_cjk(text):
        match = re.search(r"(前)?(\d{1,4})\s*年(?:\s*(\d{1,2})\s*月)?(?:\s*(\d{1,2})\s*日)?", text)
        if not match:
            return ()
        year, month, day = match.group(2, 3, 4)
        return tuple(int(p) for p in ((f"-{year}" if match.group(1) else year), month, day) if p)
    words = key(text).split()
    month = next((MONTHS[w] for w in words if w in MONTHS), 0)
    numbers = [int(w) for w in words if w.isdigit()]
    if not numbers:
        return ()
    if not month:
        return (numbers[-1],) if len(words) == 1 else ()
    if len(numbers) == 1:
        return (numbers[0], month)
    day, year = (numbers[0], numbers[-1])
    return (year, month, day) if day <= 31 else (day, month)
