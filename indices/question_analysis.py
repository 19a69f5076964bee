"""Analyse a question for the word index: weights of its tokens, corrected typos, other forms of acronyms."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indices.acronyms import AcronymTable
from indices.query_weights import FORM_WEIGHT, word_weight
from indices.similar_words import MIN_LETTERS, MIN_LETTERS_TWO_EDITS, similar_words
from indices.tokens import index_tokens, token_runs
from indices.word_postings import WordPostings
from indices.word_query import WordQuery, parse_query
from kgrag.text import tokenize
from kgrag.text.stemming import stem_word

MAX_CORRECTIONS = 3
TYPO_WEIGHT, ACRONYM_WEIGHT = 0.6, 0.2
"""Weights of a word that replaces a misspelt one, divided by its edit distance, and of a word of an acronym's other form.

An acronym weight of 0.4 costs questions about manuals 2 % in the first 5; up to 0.2 costs nothing.
"""


@dataclass(frozen=True, slots=True)
class WordAnalysis:
    """A question as the word index searches for it.

    Attributes:
        query: The question's phrases and excluded words.
        weights: The weight of each token.
        sequence: The words that the index has, in order; for distances.
        tokens: Distinct tokens that a passage may have: the words, each misspelt one replaced, and forms in the index.
    """

    query: WordQuery
    weights: dict[str, float]
    sequence: list[str]
    tokens: list[str]


class QuestionAnalyzer:
    """Analyses questions with the vocabulary of an index.

    Args:
        postings: the rows of each token.
        signatures: (tokens,), the `word_signatures` of the tokens.
        acronyms: acronyms that the texts explain.
    """

    def __init__(self, postings: WordPostings, signatures: NDArray[np.uint32], acronyms: AcronymTable) -> None:
        self._postings, self._signatures, self._acronyms = postings, signatures, acronyms

    def analyze(self, question: str) -> WordAnalysis:
        """Return the tokens, weights, phrases and excluded words of a question."""
        query = parse_query(question, lambda option: self._postings.position(option) is not None)
        weights: defaultdict[str, float] = defaultdict(float)
        sequence: list[str] = []
        tokens: list[str] = []
        surfaces = {stem_word(token.text): token.text for token in tokenize(query.text)}
        for words, forms in token_runs(query.text):
            for word in words:
                if self._postings.position(word) is not None:
                    weights[word] += word_weight(word)
                    sequence.append(word)
                    tokens.append(word)
                    continue
                corrections = self._corrections(word, surfaces.get(word, ""))
                for replacement, distance in corrections:
                    weights[replacement] += TYPO_WEIGHT / distance
                tokens.append(corrections[0][0] if corrections else word)
            for form in forms:
                if self._postings.position(form) is not None:
                    weights[form] += FORM_WEIGHT
                    tokens.append(form)
        for form in self._acronyms.other_forms(query.text, index_tokens(query.text)):
            for words, _ in token_runs(form):
                for word in words:
                    weights[word] += ACRONYM_WEIGHT * word_weight(word)
        return WordAnalysis(query, dict(weights), sequence, list(dict.fromkeys(tokens)))

    def _corrections(self, stem: str, surface: str) -> list[tuple[str, int]]:
        """Return (word, edit distance) of the most similar words of the index, the most frequent first."""
        if len(surface) < MIN_LETTERS or not surface.isalpha():
            return []
        max_edits = 2 if len(surface) >= MIN_LETTERS_TWO_EDITS else 1
        found = similar_words(stem, max_edits, self._postings.words, self._signatures)
        nearest = [(number, distance) for distance, number in found if distance == found[0][0]]
        nearest.sort(key=lambda pair: -self._postings.row_count(pair[0]))
        return [(self._postings.words[number], max(1, distance)) for number, distance in nearest[:MAX_CORRECTIONS]]
