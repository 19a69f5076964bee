"""What a question asks of the names in it: predicates, peeled off from the inside.

A name becomes X: "the mother of the director of X" is first "the mother of X", with one step taken, and so on until
a whole question of one predicate is left.
"""

from __future__ import annotations

import re

from graphs.gazetteer import Found
from graphs.vocabulary import Vocabulary
from kgrag.text import content_words, is_cjk, key

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

_X = re.compile(r"(?<![A-Za-z])X(?![A-Za-z])")
_NAMED = ("NAME", "PLACE", "COUNTRY")
"""The kinds of value that a question can be asked of."""
_ONE_OF = "".join(rf"(?<!\b{word} )" for word in ("a", "an", "any", "some", "which", "what"))
_NO_OTHER = r"(?! (?:tongue|church|ship|figure|cit(?:y|ies)|compan(?:y|ies)|school|station|newspaper)s?\b)"
"""A mother tongue is no mother, a sister city no sister."""
_NO_MORE = re.compile(r"X(?:都|分别)?(?:是|有|叫|为|在)?(?:谁|哪|什么|多少|几|何)")
"""What asks for X alone."""
_LAND = re.compile(r"country|nation|国", re.IGNORECASE)
_PLACES = ("place_of_birth", "place_of_death", "place_of_burial")


class Questions:
    """Reads questions in the words of a vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        nouns: dict[str, tuple[str, ...]] = {}
        for predicate in vocabulary.predicates.values():
            for noun in predicate.nouns:
                nouns.setdefault(noun.lower(), (predicate.name,))
        nouns.update({noun: chain for noun, chain in vocabulary.kin.items()})
        self._nouns = nouns
        self.asked = {key(a + n) for n in nouns for a in ("", "the ")}
        single = [n for n in nouns if not (n.endswith("s") and n[:-1] in nouns)]
        one = "|".join(re.escape(n) for n in sorted(single, key=len, reverse=True) if not is_cjk(n))
        english = "|".join(re.escape(n) for n in sorted(nouns, key=len, reverse=True) if not is_cjk(n))
        chinese = "|".join(re.escape(n) for n in sorted(nouns, key=len, reverse=True) if is_cjk(n))
        self._of = re.compile(rf"(?:the |an? )?\b({english})s? (?:of|for|to) {_THINGS}X\b", re.IGNORECASE)
        self._possessive = re.compile(rf"{_THINGS}X['’]?s? ({english})\b", re.IGNORECASE)
        # "the director of X 's birthday" is the director's
        self._apart = re.compile(rf"X ['’]s ({english})\b", re.IGNORECASE)
        self._zh = re.compile(rf"X的?({chinese})")
        # one of several ("the founders of X", "which son of X"), and what another noun still belongs to ("the wife of X's director"), is no name
        self._put_of = re.compile(rf"{_ONE_OF}(?:the )?\b({one}) of {_THINGS}X\b(?! ?['’])", re.IGNORECASE)
        self._put_possessive = re.compile(rf"{_THINGS}X ?['’]s? ({one})\b{_NO_OTHER}", re.IGNORECASE)
        self._put_zh = re.compile(rf"^X的({chinese})")
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

    def parse(self, marked: str) -> tuple[list[str], list[str], float]:
        """The steps from X outward, the predicates that the rest of the question may ask for, and how sure."""
        chain: list[str] = []
        rest = " ".join(marked.split())
        while True:
            if chain and chain[-1] in _PLACES and _WHO.fullmatch(rest) and not _LAND.search(rest):
                return chain, [], 1.0  # "Where was the birthplace of X?" does not ask where the birthplace lies
            last = [p.name for p, ask in self._asks if ask.fullmatch(rest)]
            if last:
                return chain, last, 1.0
            for expression in (self._possessive, self._of, self._zh, self._apart):
                if match := expression.search(rest):
                    chain += self._nouns[match.group(1).lower()]
                    rest = (rest[: match.start()] + "X" + rest[match.end() :]).strip()
                    break
            else:
                break
        if chain and _WHO.fullmatch(rest):
            return chain, [], 1.0
        return [], [], 0.0

    def peel(self, marked: str) -> tuple[list[str], str]:
        """What can be put in for a part of a question that is not understood as a whole: the steps from X to that part, and the
        question with X in its place; no steps where there is no such part, or nothing else is asked.

        "Which award did the director of X receive?" is "Which award did X receive?" of X's director.
        """
        chain: list[str] = []
        rest = " ".join(marked.split())
        while match := next(filter(None, (e.search(rest) for e in self._put(rest))), None):
            steps = self._nouns[match.group(1).lower()]
            if any(self._vocabulary.predicates[step].value not in _NAMED for step in steps):
                break
            chain += steps
            rest = (rest[: match.start()] + "X" + rest[match.end() :]).strip()
        more = content_words(_X.sub(" ", rest)) and not _NO_MORE.match(rest)
        return (chain, rest) if more and len(_X.findall(rest)) == 1 else ([], rest)

    def _put(self, rest: str) -> tuple[re.Pattern[str], ...]:
        return (self._put_zh,) if is_cjk(rest) else (self._put_possessive, self._put_of)

    def roles(self, rest: str) -> list[str]:
        """The predicate between the names and what is compared: "the director" of each film."""
        steps: list[str] = []
        for match in self._role.finditer(rest):
            noun = (match.group(1) or match.group(2)).lower()
            chain = self._nouns.get(noun) or self._nouns.get(noun.rstrip("s"), ())
            if chain and self._vocabulary.predicates[chain[0]].value == "NAME":
                steps += [p for p in chain if p not in steps and p not in ("part_of", "educated_at")]
        return steps[:1]


def unframed(question: str) -> str:
    """A question without what is said about the asking: "Can you tell me ...?"."""
    return _FRAME.sub("", _FRAME.sub("", question.strip())).strip()


def marked(text: str, name: Found) -> str:
    """A question with X for a name and the quotes about it."""
    # a title's own "?" or "!" ends nothing
    return _opened(text[: name.start]) + "X" + re.sub(r"^[?!]+(?= ?\S)", "", _closed(text[name.end :]))


def bare(found: Found, text: str) -> Found:
    """A name's span without its possessive ending."""
    match = re.search(r"['’]s?$", text[found.start : found.end])
    return found._replace(end=found.start + match.start()) if match else found


def _opened(text: str) -> str:
    return re.sub(r"[\"“”《'’(]+$", "", text)


def _closed(text: str) -> str:
    return re.sub(r"^[\"“”》)]+", "", text)
