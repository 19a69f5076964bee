"""A synthetic corpus of any size, with the name and word frequencies of a real one, and questions about it.

Names come from a Pitman-Yor process (Pitman and Yor 1997): the more often a name was used, the likelier it is used
again, and new names never cease, which gives Zipf's law and Heaps' law at once. Its discount is the share of names
that occur once: 0.83 of those of 2WikiMultihopQA's passages. The same seed gives the same corpus, and a larger corpus
begins with the smaller one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from ingest.readers.content import make_document
from kgrag.text import normalize_name
from kgrag.text.dates import MONTH_NAMES
from kgrag.types import Document, Extraction, Mention, Passage, Question, Triple

DISCOUNT, STRENGTH = 0.83, 1000.0
CHINESE_SHARE = 0.1
"""The share of documents in Chinese."""
VOCABULARY_SIZE = 1_000_000
_SYLLABLES = [
    c + v
    for c in ["b", "c", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "z", "br", "st", "tr"]
    for v in ["a", "e", "i", "o", "u", "ay"]
]
_NATIONALITIES = [
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
NATIONALITY_COUNT = 40
NameSpan = tuple[int, int, str, str]


class PitmanYorSampler:
    """Draws from a Pitman-Yor process; each number is a name, and 0 is the first."""

    def __init__(self, seed: object, discount: float = DISCOUNT, strength: float = STRENGTH) -> None:
        self._random = random.Random(f"{seed}")
        self._discount, self._strength = discount, strength
        self._drawn: list[int] = []
        self._first: list[bool] = []
        self.name_count = 0

    def draw(self) -> int:
        """Draw a known name, in proportion to its uses less the discount, or a new one."""
        rng, size = self._random, len(self._drawn)
        new_name_weight = self._strength + self._discount * self.name_count
        if rng.random() * (self._strength + size) < new_name_weight:
            return self.draw_new()
        while True:
            position = int(rng.random() * size)
            if not self._first[position] or rng.random() > self._discount:
                break
        self._drawn.append(self._drawn[position])
        self._first.append(False)
        return self._drawn[-1]

    def draw_new(self) -> int:
        """Return a new name."""
        self._drawn.append(self.name_count)
        self._first.append(True)
        self.name_count += 1
        return self.name_count - 1


def make_word(number: int, syllables: int = 4) -> str:
    """Return a pronounceable word, different for each ``number`` below 120 ** ``syllables``."""
    remainder = number * 98_765_431 % len(_SYLLABLES) ** syllables  # neighbours must not look similar
    parts = []
    for _ in range(syllables):
        remainder, part = divmod(remainder, len(_SYLLABLES))
        parts.append(_SYLLABLES[part])
    return "".join(parts)


def _chinese_word(number: int, size: int) -> str:
    remainder = number * 98_765_431 % 5000**size
    return "".join(chr(0x4E00 + remainder // 5000**place % 5000) for place in range(size))


def _nationality(rank: int) -> str:
    return _NATIONALITIES[rank - 1] if rank <= len(_NATIONALITIES) else f"{make_word(rank, 2)}ish".title()


@dataclass(frozen=True)
class SyntheticArticle:
    """A document, its names with spans and types, and facts as (predicate, object, start, end)."""

    document: Document
    spans: tuple[NameSpan, ...]
    facts: tuple[tuple[str, str, int, int], ...]

    def gold_extraction(self) -> Extraction:
        """Return the perfect extraction: one passage, with every name and fact of the article."""
        document = self.document
        title, passage = normalize_name(document.title), f"{document.id}#0001"
        mentions = tuple(
            Mention(normalize_name(name), passage, start, end, kind, name) for start, end, name, kind in self.spans
        )
        triples = tuple(
            Triple(title, predicate, normalize_name(object_name), passage, start, end, 0.9)
            for predicate, object_name, start, end in self.facts
        )
        whole = Passage(passage, document.id, document.text, 0, len(document.text))
        return Extraction(document, (whole,), ((title, document.title, "MISC"),), mentions, triples)


@dataclass
class _LanguageState:
    """The names that one language's documents have used; ``document_by_person``: person -> number of the document."""

    lang: str
    people: PitmanYorSampler
    places: PitmanYorSampler
    document_by_person: dict[int, int] = field(default_factory=dict)
    films: list[tuple[int, int, str]] = field(default_factory=list)  # document, director, title

    def draw_person(self) -> str:
        """Draw the name of a known or new person."""
        return self.person_name(self.people.draw())

    def draw_place(self) -> str:
        """Draw the name of a known or new place."""
        return self.place_name(self.places.draw())

    def person_name(self, number: int) -> str:
        """Return the name of a person."""
        if self.lang == "zh":
            return _chinese_word(number, 3)
        return f"{make_word(number % 997 % 211, 2)} {make_word(number)}".title()

    def place_name(self, number: int) -> str:
        """Return the name of a place."""
        return _chinese_word(number, 2) + "市" if self.lang == "zh" else f"{make_word(number, 3)}ton".title()


class SyntheticCorpus:
    """A generator of articles in order, and of questions about those generated so far.

    Args:
        seed: determines the corpus.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._random = random.Random(seed)
        self._languages = {
            lang: _LanguageState(
                lang, PitmanYorSampler(f"{seed} people {lang}"), PitmanYorSampler(f"{seed} places {lang}")
            )
            for lang in ("en", "zh")
        }
        self._article_count = 0

    def generate_articles(self, count: int) -> Iterator[SyntheticArticle]:
        """Yield the next ``count`` articles, each about a film, a person or a place."""
        for _ in range(count):
            self._article_count += 1
            lang = "zh" if self._random.random() < CHINESE_SHARE else "en"
            yield self._article(self._languages[lang], self._article_count - 1)

    def _article(self, state: _LanguageState, number: int) -> SyntheticArticle:
        rng, person, place = self._random, state.draw_person, state.draw_place
        kind_draw = rng.random()
        year, nationality = str(rng.randrange(1880, 2020)), _nationality(self._zipf_rank(NATIONALITY_COUNT))
        facts: dict[str, str] = {}
        zh = state.lang == "zh"
        if kind_draw < 0.4:
            title = (
                _chinese_word(number, 5) if zh else f"The {make_word(7 * number + 3, 3)} {make_word(number)}".title()
            )
            director = state.people.draw()
            state.films.append((number, director, title))
            names = {"d": state.person_name(director), "p": person(), "a": person(), "b": person(), "c": place()}
            template = (
                "{t}是{y}年上映的电影，由{d}导演，{p}监制。{a}和{b}在{c}参加了演出。"
                if zh
                else "{t} is a {y} {n} film directed by {d}. It was produced by {p}. The film stars {a} and {b}, and was shot in {c}."
            )
            facts = {"director": names["d"], "producer": names["p"]}
        elif kind_draw < 0.8:
            person_number = state.people.draw()
            if person_number in state.document_by_person:
                person_number = state.people.draw_new()
            state.document_by_person[person_number] = number
            title = state.person_name(person_number)
            names = {"f": person(), "s": person(), "b": place(), "d": place()}
            birth_date = f"{rng.randrange(1, 29)} {rng.choice(MONTH_NAMES)} {year}"
            template = (
                "{t}，{y}年出生于{b}，父亲是{f}。后来与{s}结婚，在{d}去世。"
                if zh
                else "{t} was a {n} writer. {t} was born in {b} on "
                + birth_date
                + ". {t}'s father was {f}, and {t} married {s}. "
                "{t} died in {d}."
            )
            facts = {"place_of_birth": names["b"], "father": names["f"], "spouse": names["s"]}
        else:
            title = state.place_name(state.places.draw_new())
            names = {"c": place(), "m": person(), "v": person()}
            template = (
                "{t}位于{c}附近，由{m}建立。{v}曾住在这里。"
                if zh
                else "{t} is a town near {c}. It was founded by {m}. The {n} writer {v} lived there."
            )
            facts = {"founder": names["m"]}
        template += "".join(self._filler_sentence(state, names, part) for part in ("x", "z"))
        return _fill_template(f"{number:08}", title, template, {**names, "n": nationality, "t": title}, year, facts)

    def _filler_sentence(self, state: _LanguageState, names: dict[str, str], part: str) -> str:
        """Return a sentence of words by Zipf's law about one more person and one more place."""
        names[part], names[f"{part}o"] = state.draw_person(), state.draw_place()
        ranks = [self._zipf_rank(VOCABULARY_SIZE) for _ in range(12)]
        if state.lang == "zh":
            return f"{_chinese_word(ranks[0], 2)}{_chinese_word(ranks[1], 2)}{{{part}}}{_chinese_word(ranks[2], 2)}在{{{part}o}}{_chinese_word(ranks[3], 2)}。"
        filler_words = [make_word(rank, 2 if rank < 14_400 else 4) for rank in ranks]
        return f" The {' '.join(filler_words[:4])} of {{{part}}} was {' '.join(filler_words[4:8])} in {{{part}o}} by {' '.join(filler_words[8:])}."

    def _zipf_rank(self, max_rank: int) -> int:
        """Draw a rank from 1 to ``max_rank``, each in inverse proportion to itself: Zipf's law."""
        return int(max_rank ** self._random.random())

    def generate_questions(self, count: int, seed: int = 0) -> list[Question]:
        """Generate questions about the films so far.

        They ask for the director (one document is needed) and for the birthplace of the director (two) in turn.
        """
        rng = random.Random(f"{self._seed} {seed} questions")
        generated: list[Question] = []
        while len(generated) < count:
            state = self._languages["zh" if rng.random() < CHINESE_SHARE else "en"]
            film, director, title = rng.choice(state.films)
            zh, director_document = state.lang == "zh", state.document_by_person.get(director)
            gold: tuple[str, ...] = (f"{film:08}",)
            text, kind = (f"{title}是谁导演的？" if zh else f"Who directed {title}?"), "1 hop"
            if len(generated) % 2:
                if director_document is None:
                    continue
                text = f"{title}的导演出生于哪里？" if zh else f"Where was the director of {title} born?"
                gold, kind = (*gold, f"{director_document:08}"), "2 hops"
            generated.append(Question(f"q{len(generated):04}", text, (), gold, state.lang, kind))
        return generated


def _fill_template(
    id: str, title: str, template: str, names: dict[str, str], year: str, facts: dict[str, str]
) -> SyntheticArticle:
    """Fill a template; return the article with a span for every name and the sentence span of every fact."""
    kinds = {"c": "PLACE", "d": "PERSON", "n": "GROUP", "b": "PLACE", "xo": "PLACE", "zo": "PLACE"}
    spans: list[NameSpan] = []
    text = ""
    for piece in template.split("{"):
        part, brace, rest = piece.partition("}")
        if not brace:
            text += piece
            continue
        name_text = year if part == "y" else names[part]
        spans.append(
            (len(text), len(text) + len(name_text), name_text, "DATE" if part == "y" else kinds.get(part, "PERSON"))
        )
        text += name_text + rest
    fact_spans = []
    for predicate, object_name in facts.items():
        start, end = next((start, end) for start, end, name, _ in spans if name == object_name)
        stop = min((place for mark in (". ", "。") if (place := text.find(mark, end)) >= 0), default=len(text) - 1)
        sentence_starts = [place + len(mark) for mark in (". ", "。") if (place := text.rfind(mark, 0, start)) >= 0]
        fact_spans.append((predicate, object_name, max(sentence_starts, default=0), stop + 1))
    return SyntheticArticle(make_document(id, title, text, "corpus"), tuple(spans), tuple(fact_spans))
