"""A corpus of any size that never was, with names and words as frequent as in a real one, and questions about it.

Names come from a Pitman-Yor process (Pitman and Yor 1997): the more often a name was used, the likelier it is used
again, and new ones never cease, which gives Zipf's law and Heaps' law at once. Its discount is the share of names
that occur once: 0.83 of those of 2WikiMultihopQA's passages. The same seed gives the same corpus, and a larger corpus
begins with the smaller one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from ingest.rows import make_document
from kgrag.dates import MONTH_NAMES
from kgrag.text import key
from kgrag.types import Document, Extraction, Mention, Passage, Question, Triple

DISCOUNT, STRENGTH = 0.83, 1000.0
CHINESE = 0.1
"""The share of documents in Chinese."""
WORDS = 1_000_000
_SYLLABLES = [
    c + v
    for c in ["b", "c", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "z", "br", "st", "tr"]
    for v in ["a", "e", "i", "o", "u", "ay"]
]
_PEOPLES = [
    "American",
    "British",
    "French",
    "English",
    "German",
    "Italian",
    "Japanese",
    "Indian",
    "Spanish",
    "Russian",
    "Dutch",
    "Polish",
    "Swedish",
]
PEOPLES = 40
Span = tuple[int, int, str, str]


class Growth:
    """Draws from a Pitman-Yor process, one number after the other; a number is a name, 0 the first."""

    def __init__(self, seed: object, discount: float = DISCOUNT, strength: float = STRENGTH) -> None:
        self._random = random.Random(f"{seed}")
        self._discount, self._strength = discount, strength
        self._drawn: list[int] = []
        self._first: list[bool] = []
        self.known = 0

    def draw(self) -> int:
        """An old name, in proportion to its uses less the discount, or a new one."""
        chance, size = self._random, len(self._drawn)
        fresh = self._strength + self._discount * self.known
        if chance.random() * (self._strength + size) < fresh:
            return self.new()
        while True:
            place = int(chance.random() * size)
            if not self._first[place] or chance.random() > self._discount:
                break
        self._drawn.append(self._drawn[place])
        self._first.append(False)
        return self._drawn[-1]

    def new(self) -> int:
        """A new name."""
        self._drawn.append(self.known)
        self._first.append(True)
        self.known += 1
        return self.known - 1


def word(number: int, syllables: int = 4) -> str:
    """A word that can be spoken, another for each ``number`` below 120 ** ``syllables``."""
    left = number * 98_765_431 % len(_SYLLABLES) ** syllables  # neighbours shall not look alike
    parts = []
    for _ in range(syllables):
        left, part = divmod(left, len(_SYLLABLES))
        parts.append(_SYLLABLES[part])
    return "".join(parts)


def _chinese(number: int, size: int) -> str:
    left = number * 98_765_431 % 5000**size
    return "".join(chr(0x4E00 + left // 5000**place % 5000) for place in range(size))


def _people(rank: int) -> str:
    return _PEOPLES[rank - 1] if rank <= len(_PEOPLES) else f"{word(rank, 2)}ish".title()


@dataclass(frozen=True)
class Article:
    """A document, the names in it with their spans and types, and facts as (predicate, object, start, end)."""

    document: Document
    spans: tuple[Span, ...]
    facts: tuple[tuple[str, str, int, int], ...]

    def extraction(self) -> Extraction:
        """What reading it should find: one passage, and every name and fact that was put in it."""
        document = self.document
        title, passage = key(document.title), f"{document.id}#0001"
        mentions = tuple(Mention(key(name), passage, start, end, kind, name) for start, end, name, kind in self.spans)
        triples = tuple(
            Triple(title, what, key(other), passage, start, end, 0.9) for what, other, start, end in self.facts
        )
        whole = Passage(passage, document.id, document.text, 0, len(document.text))
        return Extraction(document, (whole,), ((title, document.title, "MISC"),), mentions, triples)


@dataclass
class _Language:
    """What one language's documents have named so far; ``person_document``: person -> number of the document."""

    lang: str
    people: Growth
    places: Growth
    person_document: dict[int, int] = field(default_factory=dict)
    films: list[tuple[int, int, str]] = field(default_factory=list)  # document, director, title

    def a_person(self) -> str:
        """Someone, old or new."""
        return self.person(self.people.draw())

    def a_place(self) -> str:
        """Somewhere, old or new."""
        return self.place(self.places.draw())

    def person(self, number: int) -> str:
        """What a person is called."""
        if self.lang == "zh":
            return _chinese(number, 3)
        return f"{word(number % 997 % 211, 2)} {word(number)}".title()

    def place(self, number: int) -> str:
        """What a place is called."""
        return _chinese(number, 2) + "市" if self.lang == "zh" else f"{word(number, 3)}ton".title()


class Corpus:
    """Articles in order, and questions about those that were made so far.

    Args:
        seed: gives the corpus.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._random = random.Random(seed)
        self._languages = {
            lang: _Language(lang, Growth(f"{seed} people {lang}"), Growth(f"{seed} places {lang}"))
            for lang in ("en", "zh")
        }
        self._made = 0

    def articles(self, count: int) -> Iterator[Article]:
        """The next ``count`` articles: films, people and places."""
        for _ in range(count):
            self._made += 1
            lang = "zh" if self._random.random() < CHINESE else "en"
            yield self._article(self._languages[lang], self._made - 1)

    def _article(self, known: _Language, number: int) -> Article:
        chance, person, place = self._random, known.a_person, known.a_place
        kind = chance.random()
        year, people = str(chance.randrange(1880, 2020)), _people(self._rank(PEOPLES))
        born: dict[str, str] = {}
        zh = known.lang == "zh"
        if kind < 0.4:
            title = _chinese(number, 5) if zh else f"The {word(7 * number + 3, 3)} {word(number)}".title()
            director = known.people.draw()
            known.films.append((number, director, title))
            names = {"d": known.person(director), "p": person(), "a": person(), "b": person(), "c": place()}
            form = (
                "{t}是{y}年上映的电影，由{d}导演，{p}监制。{a}和{b}在{c}参加了演出。"
                if zh
                else "{t} is a {y} {n} film directed by {d}. It was produced by {p}. The film stars {a} and {b}, and was shot in {c}."
            )
            born = {"director": names["d"], "producer": names["p"]}
        elif kind < 0.8:
            who = known.people.draw()
            if who in known.person_document:
                who = known.people.new()
            known.person_document[who] = number
            title = known.person(who)
            names = {"f": person(), "s": person(), "b": place(), "d": place()}
            day = f"{chance.randrange(1, 29)} {chance.choice(MONTH_NAMES)} {year}"
            form = (
                "{t}，{y}年出生于{b}，父亲是{f}。后来与{s}结婚，在{d}去世。"
                if zh
                else "{t} was a {n} writer. {t} was born in {b} on "
                + day
                + ". {t}'s father was {f}, and {t} married {s}. "
                "{t} died in {d}."
            )
            born = {"place_of_birth": names["b"], "father": names["f"], "spouse": names["s"]}
        else:
            title = known.place(known.places.new())
            names = {"c": place(), "m": person(), "v": person()}
            form = (
                "{t}位于{c}附近，由{m}建立。{v}曾住在这里。"
                if zh
                else "{t} is a town near {c}. It was founded by {m}. The {n} writer {v} lived there."
            )
            born = {"founder": names["m"]}
        form += "".join(self._sentence(known, names, part) for part in ("x", "z"))
        return _written(f"{number:08}", title, form, {**names, "n": people, "t": title}, year, born)

    def _sentence(self, known: _Language, names: dict[str, str], part: str) -> str:
        """A sentence of words by Zipf's law about one more person and one more place."""
        names[part], names[f"{part}o"] = known.a_person(), known.a_place()
        ranks = [self._rank(WORDS) for _ in range(12)]
        if known.lang == "zh":
            return f"{_chinese(ranks[0], 2)}{_chinese(ranks[1], 2)}{{{part}}}{_chinese(ranks[2], 2)}在{{{part}o}}{_chinese(ranks[3], 2)}。"
        said = [word(rank, 2 if rank < 14_400 else 4) for rank in ranks]
        return (
            f" The {' '.join(said[:4])} of {{{part}}} was {' '.join(said[4:8])} in {{{part}o}} by {' '.join(said[8:])}."
        )

    def _rank(self, most: int) -> int:
        """From 1 to ``most``, each in inverse proportion to itself: Zipf's law."""
        return int(most ** self._random.random())

    def questions(self, count: int, seed: int = 0) -> list[Question]:
        """About films made so far: who directed one (one document is needed), where its director was born (two)."""
        chance = random.Random(f"{self._seed} {seed} questions")
        asked: list[Question] = []
        while len(asked) < count:
            known = self._languages["zh" if chance.random() < CHINESE else "en"]
            film, director, title = chance.choice(known.films)
            zh, other = known.lang == "zh", known.person_document.get(director)
            gold: tuple[str, ...] = (f"{film:08}",)
            text, kind = (f"{title}是谁导演的？" if zh else f"Who directed {title}?"), "1 hop"
            if len(asked) % 2:
                if other is None:
                    continue
                text = f"{title}的导演出生于哪里？" if zh else f"Where was the director of {title} born?"
                gold, kind = (*gold, f"{other:08}"), "2 hops"
            asked.append(Question(f"q{len(asked):04}", text, (), gold, known.lang, kind))
        return asked


def _written(id: str, title: str, form: str, names: dict[str, str], year: str, facts: dict[str, str]) -> Article:
    """The text of a form, with a span for every name and the sentence of every fact."""
    kinds = {"c": "PLACE", "d": "PERSON", "n": "GROUP", "b": "PLACE", "xo": "PLACE", "zo": "PLACE"}
    spans: list[Span] = []
    text = ""
    for piece in form.split("{"):
        part, brace, rest = piece.partition("}")
        if not brace:
            text += piece
            continue
        said = year if part == "y" else names[part]
        spans.append((len(text), len(text) + len(said), said, "DATE" if part == "y" else kinds.get(part, "PERSON")))
        text += said + rest
    stated = []
    for predicate, other in facts.items():
        start, end = next((start, end) for start, end, name, _ in spans if name == other)
        stop = min((place for mark in (". ", "。") if (place := text.find(mark, end)) >= 0), default=len(text) - 1)
        before = [place + len(mark) for mark in (". ", "。") if (place := text.rfind(mark, 0, start)) >= 0]
        stated.append((predicate, other, max(before, default=0), stop + 1))
    return Article(make_document(id, title, text, "corpus"), tuple(spans), tuple(stated))
