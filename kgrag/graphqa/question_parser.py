"""Parse a question into predicates, from the inside out.

A name becomes X. "the mother of the director of X" is first reduced to "the mother of X" with one step taken, and so
on until a whole question about one predicate remains.
"""

from __future__ import annotations

import re

from graphs.gazetteer import NameMatch
from graphs.predicates import PredicateSchema
from kgrag.text import content_words, has_cjk, normalize_name

_TYPE_PREFIX = (
    r"(?:the |a |an )?(?:(?:film|movie|song|album|book|novel|series|show|game|play|person|company|band|machine|computer|university"
    r"|singer|actor|magazine|newspaper|city|town|village|university|mathematician|physicist|scientist|politician) )?"
)
_PREAMBLE = re.compile(
    r"^(?:can you tell me|do you know|tell me|please tell me|i want to know|请问|告诉我|你知道)[,，]?\s*|[?？!！.。\s]+$|(?:呢|呀|吗)(?=[?？]?$)",
    re.IGNORECASE,
)
_IDENTITY_QUESTION = re.compile(
    r"(?:(?:who|what|which|where|when)(?: (?:person|city|country|place|date|year|university|company|man|woman))? (?:is|was|are|were)"
    r"|(?:name|give|find)) (?:the )?X(?: called| named)?|X (?:is|was) (?:who|what|where|when)|what is X's name"
    r"|X(?:是)?(?:谁|什么|哪里|哪儿|哪位|何人|哪一?年|什么时候|哪所大学|哪个(?:国家|城市|人|大学|地方)|哪家公司)?的?(?:人)?|谁是X|X(?:是|叫)?什么(?:名字|时候|地方|日期)?",
    re.IGNORECASE,
)

_ENTITY_MASK = re.compile(r"(?<![A-Za-z])X(?![A-Za-z])")
_ENTITY_VALUE_TYPES = ("NAME", "PLACE", "COUNTRY")
"""Value types of predicates whose objects are entities, so that a question can continue from them."""
_NOT_INDEFINITE = "".join(rf"(?<!\b{word} )" for word in ("a", "an", "any", "some", "which", "what"))
_NOT_COMPOUND_NOUN = r"(?! (?:tongue|church|ship|figure|cit(?:y|ies)|compan(?:y|ies)|school|station|newspaper)s?\b)"
"""Excludes compounds: a mother tongue is not a mother, a sister city not a sister."""
_ASKS_ONLY_FOR_X = re.compile(r"X(?:都|分别)?(?:是|有|叫|为|在)?(?:谁|哪|什么|多少|几|何)")
"""Matches a question that asks for nothing but X."""
_COUNTRY_WORD = re.compile(r"country|nation|国", re.IGNORECASE)
_PLACE_PREDICATES = ("place_of_birth", "place_of_death", "place_of_burial")


class QuestionParser:
    """Parses questions with the nouns and patterns of a predicate schema."""

    def __init__(self, schema: PredicateSchema) -> None:
        self._schema = schema
        chain_by_noun: dict[str, tuple[str, ...]] = {}
        for predicate in schema.predicates.values():
            for noun in predicate.nouns:
                chain_by_noun.setdefault(noun.lower(), (predicate.name,))
        chain_by_noun.update({noun: chain for noun, chain in schema.compound_relations.items()})
        self._chain_by_noun = chain_by_noun
        self.reserved_words = {normalize_name(a + n) for n in chain_by_noun for a in ("", "the ")}
        singular_nouns = [n for n in chain_by_noun if not (n.endswith("s") and n[:-1] in chain_by_noun)]
        singular = "|".join(re.escape(n) for n in sorted(singular_nouns, key=len, reverse=True) if not has_cjk(n))
        english = "|".join(re.escape(n) for n in sorted(chain_by_noun, key=len, reverse=True) if not has_cjk(n))
        chinese = "|".join(re.escape(n) for n in sorted(chain_by_noun, key=len, reverse=True) if has_cjk(n))
        self._of_pattern = re.compile(rf"(?:the |an? )?\b({english})s? (?:of|for|to) {_TYPE_PREFIX}X\b", re.IGNORECASE)
        self._possessive_pattern = re.compile(rf"{_TYPE_PREFIX}X['’]?s? ({english})\b", re.IGNORECASE)
        # "the director of X 's birthday" is the director's
        self._detached_possessive_pattern = re.compile(rf"X ['’]s ({english})\b", re.IGNORECASE)
        self._zh_pattern = re.compile(rf"X的?({chinese})")
        # not a single entity: one of several ("the founders of X", "which son of X"), or the owner of another noun
        # ("the wife of X's director")
        self._single_of_pattern = re.compile(
            rf"{_NOT_INDEFINITE}(?:the )?\b({singular}) of {_TYPE_PREFIX}X\b(?! ?['’])", re.IGNORECASE
        )
        self._single_possessive_pattern = re.compile(
            rf"{_TYPE_PREFIX}X ?['’]s? ({singular})\b{_NOT_COMPOUND_NOUN}", re.IGNORECASE
        )
        self._single_zh_pattern = re.compile(rf"^X的({chinese})")
        self._role_pattern = re.compile(rf"\b({english})s?\b|({chinese})", re.IGNORECASE)
        self._question_patterns = [
            (
                p,
                re.compile(
                    ask.replace("X", "{THE}X")
                    .replace("[^{THE}X]", "[^X]")
                    .replace("{THE}", "" if has_cjk(ask) else _TYPE_PREFIX),
                    re.IGNORECASE,
                ),
            )
            for p in schema.predicates.values()
            for ask in p.asks
        ]

    def parse_relation_path(self, masked_question: str) -> tuple[list[str], list[str], float]:
        """Return the chain of predicates from X, the alternatives for the last one, and the confidence.

        Args:
            masked_question: the question with X for the name (`mask_entity`).
        """
        chain: list[str] = []
        rest = " ".join(masked_question.split())
        while True:
            if (
                chain
                and chain[-1] in _PLACE_PREDICATES
                and _IDENTITY_QUESTION.fullmatch(rest)
                and not _COUNTRY_WORD.search(rest)
            ):
                return chain, [], 1.0  # "Where was the birthplace of X?" asks for the birthplace, not for its location
            final_predicates = [p.name for p, ask in self._question_patterns if ask.fullmatch(rest)]
            if final_predicates:
                return chain, final_predicates, 1.0
            for expression in (
                self._possessive_pattern,
                self._of_pattern,
                self._zh_pattern,
                self._detached_possessive_pattern,
            ):
                if match := expression.search(rest):
                    chain += self._chain_by_noun[match.group(1).lower()]
                    rest = (rest[: match.start()] + "X" + rest[match.end() :]).strip()
                    break
            else:
                break
        if chain and _IDENTITY_QUESTION.fullmatch(rest):
            return chain, [], 1.0
        return [], [], 0.0

    def split_innermost(self, masked_question: str) -> tuple[list[str], str]:
        """Split off the innermost part of a question that is not understood as a whole.

        "Which award did the director of X receive?" becomes "Which award did X receive?" with the step to X's director.
        Returns the chain of predicates from X to the part, and the question with X in its place. The chain is empty if there
        is no such part, or if the question asks for nothing more.
        """
        chain: list[str] = []
        rest = " ".join(masked_question.split())
        while match := next(filter(None, (e.search(rest) for e in self._single_patterns(rest))), None):
            steps = self._chain_by_noun[match.group(1).lower()]
            if any(self._schema.predicates[step].value not in _ENTITY_VALUE_TYPES for step in steps):
                break
            chain += steps
            rest = (rest[: match.start()] + "X" + rest[match.end() :]).strip()
        asks_more = content_words(_ENTITY_MASK.sub(" ", rest)) and not _ASKS_ONLY_FOR_X.match(rest)
        return (chain, rest) if asks_more and len(_ENTITY_MASK.findall(rest)) == 1 else ([], rest)

    def _single_patterns(self, rest: str) -> tuple[re.Pattern[str], ...]:
        return (
            (self._single_zh_pattern,) if has_cjk(rest) else (self._single_possessive_pattern, self._single_of_pattern)
        )

    def comparison_relation(self, rest: str) -> list[str]:
        """Return the predicate between the names and the compared entities: "the director" of each film."""
        steps: list[str] = []
        for match in self._role_pattern.finditer(rest):
            noun = (match.group(1) or match.group(2)).lower()
            chain = self._chain_by_noun.get(noun) or self._chain_by_noun.get(noun.rstrip("s"), ())
            if chain and self._schema.predicates[chain[0]].value == "NAME":
                steps += [p for p in chain if p not in steps and p not in ("part_of", "educated_at")]
        return steps[:1]


def strip_preamble(question: str) -> str:
    """Remove phrases such as "Can you tell me" and the final punctuation from a question."""
    return _PREAMBLE.sub("", _PREAMBLE.sub("", question.strip())).strip()


_SPACE_BESIDE_NAME_ZH = re.compile(r"(?<=[\u4e00-\u9fff]) (?=X)|(?<=X) (?=[\u4e00-\u9fff])")
"""Matches the space that Chinese text puts between its own and Latin characters."""


def mask_entity(text: str, name: NameMatch) -> str:
    """Replace a name, with its quotation marks, by X."""
    # a "?" or "!" that belongs to a title does not end the question
    masked = (
        _strip_open_quote(text[: name.start])
        + "X"
        + re.sub(r"^[?!]+(?= ?\S)", "", _strip_close_quote(text[name.end :]))
    )
    return _SPACE_BESIDE_NAME_ZH.sub("", masked)


def strip_possessive(name_match: NameMatch, text: str) -> NameMatch:
    """Return a name's span without its possessive ending."""
    match = re.search(r"['’]s?$", text[name_match.start : name_match.end])
    return name_match._replace(end=name_match.start + match.start()) if match else name_match


def _strip_open_quote(text: str) -> str:
    return re.sub(r"[\"“”《'’(]+$", "", text)


def _strip_close_quote(text: str) -> str:
    return re.sub(r"^[\"“”》)]+", "", text)
