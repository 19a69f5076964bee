"""Compare two entities: which came first, which lived longer, whether both share an attribute."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from graphs.gazetteer import NameMatch
from graphs.predicates import PredicateSchema
from kgrag.graphqa.question_parser import QuestionParser
from kgrag.graphqa.traversal import GraphAnswer, PartialPath, PathExecutor
from kgrag.text import has_cjk, strip_disambiguation
from kgrag.text.dates import parse_date_tuple
from kgrag.text.polarity import yes_no_answer

_EARLY = r"first|earlier|earliest|older|oldest|elder|before"
_LATE = r"later|last|latest|younger|youngest|more recently|recently|after"
_ZH_EARLY = "更?[早先]|更?年长|更老|年纪更?大|岁数更?大|较[早大]|更大"
_ZH_LATE = "更?晚|更年轻|年纪更?小|较[晚小]|更小|后"
_SAME_COUNTRY = re.compile(
    r"\b(?:same|both|share)\b.*\b(?:country|nationality|nationalities|nation)\b|同一?个?国家|国籍相同|相同国籍|同一国籍|同国",
    re.IGNORECASE,
)
_SAME_ATTRIBUTE = {
    r"\bsame (?:place|city|town|birthplace)\b.*\b(?:born|birth)|\bborn in the same(?! (?:year|day|date))|出生[在于]同一(?!年|天|日)|出生地相同": "place_of_birth",
    r"\bborn (?:in|on) the same (?:year|day|date)|同一[年天日]出生|出生[在于]同一[年天日]": "date_of_birth",
    r"\bsame (?:director|filmmaker)|同一个?导演": "director",
    r"\bsame (?:university|school|college|alma mater)|同一所?(?:大学|学校)|母校相同": "educated_at",
    r"\bsame (?:advis[eo]r|teacher|supervisor)|同一个?(?:导师|老师)|导师相同": "student_of",
}
_LIFESPAN = re.compile(r"\blived? (?:a )?(?:longer|longest)|活得更?[长久]|寿命更长|更长寿", re.IGNORECASE)
MIN_JOINT_CONFIDENCE = 0.1
"""Below this product of their confidences, the facts of a comparison are guesses."""
COUNTRY_PREDICATES = ("country", "nationality")
"""Predicates that give the country of an entity or a person."""
_LOCATED_THING = re.compile(
    r"\b(?:located|situated|films?|movies?|songs?|originate|villages?|towns?|albums?)\b|位于", re.IGNORECASE
)


class ComparisonReader:
    """Follows the same predicates from two names and compares the values at the ends.

    Args:
        schema: the predicates and countries.
        executor: follows predicates; of the same schema.
        parser: of the same schema.
        names: the names that `NameMatch.name` indexes.
    """

    def __init__(
        self, schema: PredicateSchema, executor: PathExecutor, parser: QuestionParser, names: Sequence[str]
    ) -> None:
        self._schema = schema
        self._executor = executor
        self._parser = parser
        self._names = names

    def answer(self, text: str, matches: Sequence[NameMatch]) -> list[GraphAnswer]:
        """Return the answer to a question about two names; empty if the facts do not decide it."""
        operands = _split_operands(text, matches)
        if operands is None:
            return []
        first, second, rest = operands
        steps = self._parser.comparison_relation(rest)
        attributes = shared_attribute(rest)
        if attributes == COUNTRY_PREDICATES:
            return self._answer_same(
                first, second, [*steps, "nationality" if steps or not _LOCATED_THING.search(rest) else "country"], rest
            )
        return (
            self._answer_same(first, second, attributes, rest)
            if attributes
            else self._answer_which(rest, first, second, steps)
        )

    @staticmethod
    def is_comparison(text: str, matches: Sequence[NameMatch]) -> bool:
        """Whether a question compares two of its names."""
        operands = _split_operands(text, matches)
        rest = operands[2] if operands is not None else ""
        return bool(rest and (shared_attribute(rest) or asks_for_earlier(rest) is not None or _LIFESPAN.search(rest)))

    def _answer_same(self, first: NameMatch, second: NameMatch, steps: Sequence[str], rest: str) -> list[GraphAnswer]:
        """Answer whether both names have the same value at the end of ``steps``."""
        paths_by_operand = []
        for name in (first, second):
            if not (ends := self._best_paths(self._names[name.name], steps)):
                return []
            paths_by_operand.append(ends)
        of_year = bool(re.search(r"\byear\b|年", rest))
        values = [{self._normalized_value(w.nodes[-1], of_year) for w in side} for side in paths_by_operand]
        heads = [
            {self._executor.name(w.nodes[-1]).lower().removeprefix("the ").split(",")[0] for w in s}
            for s in paths_by_operand
        ]
        if steps[-1].startswith("place_") and not values[0] & values[1] and heads[0] & heads[1]:
            return []  # "Bronx" and "Bronx, New York" may be one place or two
        is_same = bool(values[0] & values[1])
        confidence = _comparison_confidence(
            paths_by_operand[0][0].confidence * paths_by_operand[1][0].confidence * (1.0 if is_same else 0.9)
        )
        word = yes_no_answer(is_same, "zh" if has_cjk(rest) else "en")
        return [
            GraphAnswer(
                word,
                self._executor.path(paths_by_operand[0][0]),
                confidence,
                (self._executor.path(paths_by_operand[1][0]),),
            )
        ]

    def _normalized_value(self, value: str, of_year: bool) -> str:
        """Return a value in the form to compare: its year, its country, or its lower-case id."""
        name = self._executor.name(value).lower()
        if of_year and (day := parse_date_tuple(name) or parse_date_tuple(value)):
            return str(day[0])
        return self._schema.countries.get(name, self._schema.countries.get(value, value.removeprefix("the "))).lower()

    def _best_paths(self, name: str, steps: Sequence[str]) -> list[PartialPath]:
        """Return the paths whose confidence is close to the best one's."""
        paths = self._executor.follow(name, steps)
        return [w for w in paths if w.confidence > 0.75 * paths[0].confidence] if paths else []

    def _answer_which(self, rest: str, first: NameMatch, second: NameMatch, steps: Sequence[str]) -> list[GraphAnswer]:
        """Answer which of two names has the earlier or later date, or the longer life."""
        wants_earlier = asks_for_earlier(rest)
        if _LIFESPAN.search(rest):
            return self._answer_longer_life(first, second, steps)
        if wants_earlier is None:
            return []
        if is_about_death(rest):
            date_predicates = ["date_of_death"]
        elif re.search(
            r"\bborn\b|birth|older|younger|elder|oldest|youngest|出生|年长|年轻|年纪|岁数", rest, re.IGNORECASE
        ):
            date_predicates = ["date_of_birth"]
        elif re.search(
            r"founded|established|built|formed|created|成立|创立|创办|建成|建立|研制成功|诞生", rest, re.IGNORECASE
        ):
            date_predicates = ["inception", "publication_date"]
        elif re.search(
            r"released|published|came out|come out|premiere|made|issued|上映|发行|出版|发布|发表|问世",
            rest,
            re.IGNORECASE,
        ):
            date_predicates = ["publication_date", "inception"]
            steps = []
        else:
            return []
        for predicate in date_predicates:
            first_dated = self._dated_path(first, [*steps, predicate])
            second_dated = self._dated_path(second, [*steps, predicate]) if first_dated is not None else None
            if first_dated is None or second_dated is None:
                continue
            (a, first_path), (b, second_path) = first_dated, second_dated
            size = min(len(a), len(b))
            if a[:size] == b[:size]:
                return []
            winner = first if (a < b) == wants_earlier else second
            return [self._winning_answer(winner, first, first_path, second_path)]
        return []

    def _answer_longer_life(self, first: NameMatch, second: NameMatch, steps: Sequence[str]) -> list[GraphAnswer]:
        spans = []
        for name in (first, second):
            born = self._dated_path(name, [*steps, "date_of_birth"])
            died = self._dated_path(name, [*steps, "date_of_death"]) if born is not None else None
            if born is None or died is None:
                return []
            (b, _), (d, path) = born, died
            days = [v[0] * 365.25 + (v[1] * 30.4 + (v[2] if len(v) > 2 else 15) if len(v) > 1 else 182) for v in (b, d)]
            spans.append((days[1] - days[0], path))
        if abs(spans[0][0] - spans[1][0]) < 2:
            return []
        winner = first if spans[0][0] > spans[1][0] else second
        return [self._winning_answer(winner, first, spans[0][1], spans[1][1])]

    def _dated_path(self, name: NameMatch, steps: Sequence[str]) -> tuple[tuple[int, ...], PartialPath] | None:
        """Return the best date that a name's paths lead to, with its path; None if there is none."""
        paths = self._executor.follow(self._names[name.name], steps)
        dated_paths = [
            (parse_date_tuple(self._executor.name(w.nodes[-1])) or parse_date_tuple(w.nodes[-1]), w) for w in paths
        ]
        with_dates = [(date, path) for date, path in dated_paths if date]
        if not with_dates:
            return None
        # prefer a full date to a year if both have about the same confidence
        return max(with_dates, key=lambda pair: (round(pair[1].confidence, 1), len(pair[0])))

    def _winning_answer(
        self, winner: NameMatch, first: NameMatch, first_path: PartialPath, second_path: PartialPath
    ) -> GraphAnswer:
        path, other_path = (first_path, second_path) if winner is first else (second_path, first_path)
        text = strip_disambiguation(self._executor.name(path.nodes[0]))
        return GraphAnswer(
            text,
            self._executor.path(path),
            _comparison_confidence(first_path.confidence * second_path.confidence),
            (self._executor.path(other_path),),
        )


def _comparison_confidence(joint_confidence: float) -> float:
    """Return the confidence of one of two possible answers, given the joint confidence of its facts.

    If the facts are wrong, the answer is still right half the time. Facts that are mere guesses support no answer.
    """
    return (1.0 + joint_confidence) / 2 if joint_confidence >= MIN_JOINT_CONFIDENCE else max(joint_confidence, 0.01)


def _split_operands(text: str, matches: Sequence[NameMatch]) -> tuple[NameMatch, NameMatch, str] | None:
    """Return the two compared names, and the question with X and Y for them; None if it compares none."""
    if len(matches) < 2:
        return None
    first, second = matches[0], matches[-1]
    if len(matches) > 2:
        # take the two names that "or" or "and" joins
        pairs = [
            (a, b)
            for a, b in pairwise(matches)
            if re.fullmatch(
                r"\W*(?:\([^()]*\)\W*)?(?:or|and|和|与|还是|跟)\W*(?:the )?", text[a.end : b.start], re.IGNORECASE
            )
        ]
        if not pairs:
            return None
        first, second = pairs[-1]
    return first, second, f"{text[: first.start]} X {text[first.end : second.start]} Y {text[second.end :]}"


def shared_attribute(rest: str) -> tuple[str, ...]:
    """Return the predicates of the attribute that two names may share; empty if none is asked for.

    Args:
        rest: the question without its names.
    """
    if _SAME_COUNTRY.search(rest):
        return COUNTRY_PREDICATES
    return next(((p,) for asks, p in _SAME_ATTRIBUTE.items() if re.search(asks, rest, re.IGNORECASE)), ())


def asks_for_earlier(rest: str) -> bool | None:
    """Whether the earlier (True) or the later (False) of two is asked for; None if neither is.

    Args:
        rest: the question without its names.
    """
    early = re.search(rf"\b(?:{_EARLY})\b|{_ZH_EARLY}", rest, re.IGNORECASE)
    late = re.search(rf"\b(?:{_LATE})\b|{_ZH_LATE}", rest, re.IGNORECASE)
    return None if bool(early) == bool(late) else bool(early)


def is_about_death(rest: str) -> bool:
    """Whether a question, without its names, or a predicate is about a death."""
    return bool(re.search(r"\bdie[ds]?\b|death|去世|逝世|死", rest, re.IGNORECASE))
