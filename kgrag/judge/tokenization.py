"""Tokenized claims and evidence, shared by all judges: sentences of stemmed words, ranked by the claim's words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from kgrag.judge.polarity_lexicon import load_word_lists
from kgrag.text import STOPCHARS, STOPWORDS, detect_language, has_cjk, sentence_spans, tokenize
from kgrag.text.stemming import stem_word

MIN_PREFIX_LETTERS = 5
"""Minimum length of a common prefix for two words to match."""
MAX_SENTENCE_CHARS = 400
"""Maximum length of a sentence; longer ones (lists, tables, text without stops) are split at white space."""


@dataclass(frozen=True, slots=True)
class StemmedWord:
    """A token: its stem for comparison (numerals in digits), its folded form, its span, and whether it has content."""

    stem: str
    folded: str
    start: int
    end: int
    is_content: bool


@dataclass(frozen=True)
class StemmedSentence:
    """A sentence and its words; ``number`` counts over all evidence, ``text_index`` is the number of its text."""

    text: str
    words: tuple[StemmedWord, ...]
    number: int = 0
    text_index: int = 0

    @cached_property
    def stems(self) -> frozenset[str]:
        """Return the stems of the content words."""
        return frozenset(w.stem for w in self.words if w.is_content)


@dataclass(frozen=True)
class ClaimPair:
    """A claim and the sentences of its evidence; ``lang`` is the claim's language."""

    claim: StemmedSentence
    evidence: tuple[StemmedSentence, ...]
    lang: str

    @cached_property
    def sentences_by_stem(self) -> dict[str, list[int]]:
        """Return stem -> numbers of the sentences that contain it, without repetition."""
        numbers_by_stem: dict[str, list[int]] = {}
        for sentence in self.evidence:
            for stem in sentence.stems:
                numbers_by_stem.setdefault(stem, []).append(sentence.number)
        return numbers_by_stem

    @cached_property
    def stem_weights(self) -> dict[str, float]:
        """Return stem of the claim -> inverse document frequency over the sentences of this evidence."""
        count = len(self.evidence)
        return {s: math.log1p(count / (0.5 + len(self.sentences_by_stem.get(s, ())))) for s in self.claim.stems}

    def coverage(self, numbers: Sequence[int], *, weighted: bool = True) -> float:
        """Return the share in [0, 1] of the claim's content in some sentences; NaN if the claim has no content."""
        covered_stems = frozenset[str]().union(*(self.evidence[n].stems for n in numbers))
        total = sum(self.stem_weights[s] if weighted else 1.0 for s in self.claim.stems)
        return (
            sum((self.stem_weights[s] if weighted else 1.0) for s in self.claim.stems & covered_stems) / total
            if total
            else math.nan
        )

    @cached_property
    def prefix_matched_stems(self) -> frozenset[str]:
        """Return the claim's stems that the evidence lacks but for a word with the same prefix (Canada, Canadian)."""
        missing = [
            s
            for s in self.claim.stems
            if s not in self.sentences_by_stem and len(s) >= MIN_PREFIX_LETTERS and not has_cjk(s)
        ]
        prefixes = {s[:MIN_PREFIX_LETTERS] for s in self.sentences_by_stem} if missing else set()
        return frozenset(s for s in missing if s[:MIN_PREFIX_LETTERS] in prefixes)

    @cached_property
    def ranked_sentences(self) -> list[int]:
        """Return sentence numbers, greedily by the weight of the claim's stems that each adds, until none adds any."""
        missing, chosen = set(self.claim.stems), list[int]()
        while missing:
            gains: dict[int, float] = {}
            for stem in sorted(missing):
                for number in self.sentences_by_stem.get(stem, ()):
                    gains[number] = gains.get(number, 0.0) + self.stem_weights[stem]
            if not gains:
                break
            best_number = min(gains, key=lambda n: (-round(gains[n], 9), n))
            chosen.append(best_number)
            missing -= self.evidence[best_number].stems
        return chosen

    @property
    def best_sentence(self) -> StemmedSentence | None:
        """Return the sentence with most of the claim; None if no sentence has any of it."""
        return self.evidence[self.ranked_sentences[0]] if self.ranked_sentences else None

    @property
    def is_scorable(self) -> bool:
        """Whether both the claim and the evidence have a word."""
        return bool(self.claim.words) and any(s.words for s in self.evidence)

    def window(self, budget: int) -> list[int]:
        """Return the sentences to read with the claim, in order: the ranked ones, then the ones before and after each.

        Args:
            budget: characters in all; the first sentence is taken even if it is longer.
        """
        ranked_numbers = self.ranked_sentences or [0]
        neighbour_numbers = [n - 1 for n in ranked_numbers] + [n + 1 for n in ranked_numbers]
        chosen_numbers: list[int] = []
        remaining = budget
        for number in [*ranked_numbers, *neighbour_numbers]:
            if not 0 <= number < len(self.evidence) or number in chosen_numbers:
                continue
            size = len(self.evidence[number].text)
            if chosen_numbers and size > remaining:
                continue
            chosen_numbers.append(number)
            remaining -= size
        return sorted(chosen_numbers)


def tokenize_pair(claim: str, evidence: Sequence[str]) -> ClaimPair:
    """Split a claim and its evidence into sentences of words; both may be empty."""
    pieces = [piece for number, text in enumerate(evidence) for piece in _split_sentences(text, number)]
    evidence_sentences = tuple(
        StemmedSentence(text, _tokenize_words(text), number, source) for number, (text, source) in enumerate(pieces)
    )
    return ClaimPair(StemmedSentence(claim, _tokenize_words(claim)), evidence_sentences, detect_language(claim))


def _split_sentences(text: str, source: int) -> list[tuple[str, int]]:
    pieces = []
    for start, end in sentence_spans(text):
        while end - start > MAX_SENTENCE_CHARS:
            cut = text.rfind(" ", start + MAX_SENTENCE_CHARS // 2, start + MAX_SENTENCE_CHARS)
            cut = cut if cut > 0 else start + MAX_SENTENCE_CHARS
            pieces.append((text[start:cut].strip(), source))
            start = cut
        pieces.append((text[start:end].strip(), source))
    return [(piece, number) for piece, number in pieces if piece]


@lru_cache(maxsize=4096)
def _tokenize_words(text: str) -> tuple[StemmedWord, ...]:
    numerals, synonyms = load_word_lists().numerals, load_word_lists().synonyms
    return tuple(
        StemmedWord(
            numerals.get(t.text) or (t.text if has_cjk(t.text) else stem_word(synonyms.get(t.text, t.text))),
            t.text,
            t.start,
            t.end,
            t.text not in STOPWORDS and t.text not in STOPCHARS,
        )
        for t in tokenize(text)
    )


def question_answer_to_claim(question: str, answer: str) -> str:
    """Join a question and its answer into a claim: a single Chinese question word is replaced, else both are joined.

    The judge was trained and measured on these claims, so they stay as simple as they are.
    `kgrag.factuality.scoring.claims.to_declarative` builds a grammatical statement instead, for answers of a model.
    """
    if detect_language(question) == "zh":
        for question_word in load_word_lists().question_words:
            if question.count(question_word) == 1:
                return question.replace(question_word, answer).rstrip("？?。 ") + "。"
    return f"{question.strip()} {answer.strip()}"
