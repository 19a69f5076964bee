"""Find the passages of a store that hold gold quotes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from kgrag.dev.benchmarks.manuals.questions import GoldQuote, ManualQuestion
from kgrag.dev.benchmarks.manuals.quote_words import locate_quote, quote_words
from kgrag.protocols import GraphStore
from kgrag.types import Passage

MIN_QUOTE_SHARE = 0.8
"""Share of a quote's distinct words that a passage must have to hold it: a reader may drop or split a few of them."""


@dataclass(slots=True)
class QuoteHolders:
    """The passages that hold a quote.

    Attributes:
        rows: index rows of the passages of any document.
        best: the passage of the quote's own file that resembles it most (`locate_quote`); None without any.
        best_start: offset of the quote in the text of that passage's document.
    """

    rows: set[int] = field(default_factory=set)
    best: Passage | None = None
    best_start: int = 0


@dataclass(frozen=True, slots=True)
class GoldPassages:
    """The gold passages of a question set in a store.

    Attributes:
        holders: question id -> the holders of each of its quotes.
        missing_files: gold files that no source of the store is.
        ambiguous_files: gold files with several sources; passages of all of them count.
        lost_quotes: (question id, file) of the quotes that no passage of their file holds, though the store has it.
        passages: number of passages of the store.
    """

    holders: dict[str, list[QuoteHolders]]
    missing_files: list[str]
    ambiguous_files: dict[str, list[str]]
    lost_quotes: list[tuple[str, str]]
    passages: int


def find_gold_passages(graph: GraphStore, questions: Sequence[ManualQuestion]) -> GoldPassages:
    """Find the passages that have at least `MIN_QUOTE_SHARE` of the words of each gold quote; reads all passages."""
    quotes = [(question, quote) for question in questions for quote in question.gold]
    source_by_document = graph.sources_by_document()
    sources = sorted(set(source_by_document.values()))
    sources_by_file = {file: find_sources(file, sources) for file in dict.fromkeys(quote.file for _, quote in quotes)}
    search = _QuoteSearch([quote for _, quote in quotes], sources_by_file)
    row_count = 0
    for row, passage in enumerate(graph.passages()):
        search.add_passage(row, passage, source_by_document.get(passage.document_id, ""))
        row_count += 1
    holders: dict[str, list[QuoteHolders]] = {question.id: [] for question in questions}
    for (question, _), found in zip(quotes, search.holders, strict=True):
        holders[question.id].append(found)
    return GoldPassages(
        holders,
        [file for file, found_sources in sources_by_file.items() if not found_sources],
        {file: found_sources for file, found_sources in sources_by_file.items() if len(found_sources) > 1},
        [
            (question.id, quote.file)
            for (question, quote), found in zip(quotes, search.holders, strict=True)
            if sources_by_file[quote.file] and found.best is None
        ],
        row_count,
    )


def find_missing_files(graph: GraphStore, questions: Sequence[ManualQuestion]) -> list[str]:
    """Return the gold files that no source of the store is, in the order of the questions; reads no passage."""
    sources = sorted(set(graph.sources_by_document().values()))
    files = dict.fromkeys(quote.file for question in questions for quote in question.gold)
    return [file for file in files if not find_sources(file, sources)]


def find_sources(file: str, sources: Sequence[str]) -> list[str]:
    """Return the sources whose path ends with ``file``, compared by whole path components."""
    return [source for source in sources if f"/{source}".replace("\\", "/").endswith(f"/{file}")]


class QuoteMatcher:
    """Tells whether a text holds one of the gold quotes of a question."""

    def __init__(self, quotes: Sequence[GoldQuote]) -> None:
        self._quotes = [frozenset(word.text for word in quote_words(quote.quote)) for quote in quotes]

    def is_held_by(self, text: str) -> bool:
        """Whether a text has at least `MIN_QUOTE_SHARE` of the distinct words of a quote."""
        words = {word.text for word in quote_words(text)}
        return any(len(quote & words) >= MIN_QUOTE_SHARE * len(quote) for quote in self._quotes)


class _QuoteSearch:
    """Compares passages with all quotes at once, by an inverted index of the quotes' words."""

    def __init__(self, quotes: Sequence[GoldQuote], sources_by_file: dict[str, list[str]]) -> None:
        self.holders = [QuoteHolders() for _ in quotes]
        self._own_sources = [frozenset(sources_by_file[quote.file]) for quote in quotes]
        self._quote_words = [quote_words(quote.quote) for quote in quotes]
        self._best_scores = [-1] * len(quotes)
        self._min_words: list[float] = []
        self._numbers_by_word: dict[str, list[int]] = {}
        for number, words in enumerate(self._quote_words):
            distinct_words = {word.text for word in words}
            self._min_words.append(MIN_QUOTE_SHARE * len(distinct_words))
            for word in distinct_words:
                self._numbers_by_word.setdefault(word, []).append(number)

    def add_passage(self, row: int, passage: Passage, source: str) -> None:
        words = quote_words(passage.text)
        found_words = {word.text for word in words} & self._numbers_by_word.keys()
        counts = Counter(number for word in found_words for number in self._numbers_by_word[word])
        for number, count in counts.items():
            if count < self._min_words[number]:
                continue
            held = self.holders[number]
            held.rows.add(row)
            if source in self._own_sources[number]:
                score, start = locate_quote(self._quote_words[number], words)
                if score > self._best_scores[number]:
                    self._best_scores[number], held.best, held.best_start = score, passage, passage.start + start
