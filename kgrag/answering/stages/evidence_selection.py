"""Select the sentences of the retrieved passages that fit into the prompt's token budget."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from kgrag import prompts
from kgrag.answering.prompt_budget import evidence_budget
from kgrag.answering.selected_passage import SelectedPassage
from kgrag.answering.state import AnswerContext, AnswerState
from kgrag.protocols import Embedder
from kgrag.retrieve.boosted_trees import TreeEnsemble
from kgrag.retrieve.sentence_features import CUE_WORDS_FILE, FEATURE_NAMES, HitSentence, sentence_features
from kgrag.text import detect_language
from kgrag.text.injected_text import injected_spans, is_injected
from kgrag.types import DiagnosticCode, Hit

TREES_FILE = "sentences.json"
SIMILARITY_WEIGHT = 4.0
"""Weight of a sentence's cosine with the question, beside its log-odds."""
MAX_EMBEDDED_SENTENCES = 120
"""Sentences that are embedded for a question, a second's work on two processor cores."""
MAX_EMBEDDED_CHARS = 600
"""Characters of a sentence that are embedded; a longer one is a table or a list in one line."""
PASSAGE_HEADER_TOKENS = 8
"""Tokens of a passage's number and title in the prompt."""


def select_passages(state: AnswerState, context: AnswerContext) -> AnswerState:
    """Select the evidence of the prompt within the profile's budget and the model's context."""
    llm, profile = context.resources.llm(), context.profile
    prompt = prompts.grounded_prompt(state.question, [], form=state.form, cites_itself=profile.cites_itself)
    budget = evidence_budget(llm, prompt, profile.evidence_tokens[state.form], profile.answer_tokens[state.form])
    selected, omitted = select_evidence(state.question, state.hits, budget, llm.count, context.resources.embedder())
    state = replace(state, selected=tuple(selected)).add_diagnostics(DiagnosticCode.EVIDENCE_OMITTED, omitted)
    return state.add_diagnostics(DiagnosticCode.INJECTED_TEXT, _injection_messages(state.hits))


def select_evidence(
    question: str,
    hits: Sequence[Hit],
    budget: int,
    count: Callable[[str], int],
    embedder: Embedder | None = None,
) -> tuple[list[SelectedPassage], list[str]]:
    """Select sentences for the prompt; return them by passage, with a message for each passage that was cut.

    Sentences are chosen in order of probability / sqrt(tokens). The probability that a sentence answers the
    question comes from boosted trees over `kgrag.retrieve.sentence_features`, and from the meaning of the sentence if
    there is an embedder: a manual says in other words what its reader asks. The first sentence is always included.

    Args:
        question: the user's question.
        hits: retrieved passages, best first.
        budget: tokens for all sentences together.
        count: returns the number of tokens of a text.
        embedder: compares the sentences with the question, if it supports the question's language.
    """
    hit_sentences, rows = _without_injections(*sentence_features(question, hits), hits)
    log_odds = score_sentences(rows)
    if embedder is not None and hit_sentences and detect_language(question) in embedder.languages:
        log_odds = add_similarity(question, hit_sentences, log_odds, embedder)
    chosen = fit_to_budget(hit_sentences, log_odds, [count(sentence.text) for sentence in hit_sentences], budget)
    spans_by_hit: dict[int, list[tuple[int, int]]] = {}
    for number in chosen:
        spans_by_hit.setdefault(hit_sentences[number].hit_index, []).append(
            (hit_sentences[number].start, hit_sentences[number].end)
        )
    selected = [
        SelectedPassage(n, hits[place], tuple(sorted(spans_by_hit[place])))
        for n, place in enumerate(sorted(spans_by_hit), 1)
    ]
    omitted_counts = Counter(sentence.hit_index for sentence in hit_sentences)
    omitted_counts.subtract(hit_sentences[number].hit_index for number in chosen)
    dropped = [
        f"{number} sentence{'s' * (number > 1)} of {hits[place].title!r} left out of the prompt (budget of {budget} tokens)"
        for place, number in sorted(omitted_counts.items())
        if number
    ]
    return selected, dropped


def add_similarity(
    question: str, hit_sentences: Sequence[HitSentence], log_odds: Sequence[float], embedder: Embedder
) -> list[float]:
    """Return the log-odds with the cosine of question and sentence, times `SIMILARITY_WEIGHT`, added.

    Only the `MAX_EMBEDDED_SENTENCES` most probable sentences are embedded; the others count as the least similar of them.
    """
    odds = np.asarray(log_odds, float)
    likely = np.argsort(-odds, kind="stable")[:MAX_EMBEDDED_SENTENCES]
    vectors = embedder.embed([hit_sentences[number].text[:MAX_EMBEDDED_CHARS] for number in likely])
    cosines = vectors @ embedder.embed_query(question)
    similarity = np.full(len(odds), float(cosines.min()))
    similarity[likely] = cosines
    return [float(value) for value in odds + SIMILARITY_WEIGHT * similarity]


def _without_injections(
    hit_sentences: Sequence[HitSentence], rows: NDArray[np.float32], hits: Sequence[Hit]
) -> tuple[list[HitSentence], NDArray[np.float32]]:
    """Return the sentences, and their rows, that command no answer (`kgrag.text.injected_text`)."""
    spans_by_hit = [injected_spans(hit.passage.text) for hit in hits]
    if not any(spans_by_hit):
        return list(hit_sentences), rows
    is_kept = np.ones(len(hit_sentences), bool)
    for number, sentence in enumerate(hit_sentences):
        offset = hits[sentence.hit_index].passage.start
        is_kept[number] = not any(
            sentence.start < offset + end and offset + start < sentence.end
            for start, end in spans_by_hit[sentence.hit_index]
        )
    return [sentence for sentence, kept in zip(hit_sentences, is_kept, strict=True) if kept], rows[is_kept]


def _injection_messages(hits: Sequence[Hit]) -> list[str]:
    """Return a message for each passage of which text was kept out of the prompt."""
    counts = [(hit, len(injected_spans(hit.passage.text))) for hit in hits]
    return [
        f"{number} sentence{'s' * (number > 1)} of {hit.source if is_injected(hit.title) else repr(hit.title)} left out of the prompt: written to command an answer"
        for hit, number in counts
        if number
    ]


def fit_to_budget(
    hit_sentences: Sequence[HitSentence], log_odds: Sequence[float], costs: Sequence[int], budget: int
) -> list[int]:
    """Return the indices of the sentences to show, ordered by value per token.

    Args:
        hit_sentences: the candidate sentences.
        log_odds: for each sentence, the log-odds that it answers the question.
        costs: for each sentence, its tokens.
        budget: tokens for all sentences together; a passage's first sentence costs `PASSAGE_HEADER_TOKENS` more.
    """
    values = [1 / (1 + math.exp(-o)) / math.sqrt(cost + 1) for o, cost in zip(log_odds, costs, strict=True)]
    chosen: list[int] = []
    opened_hits: set[int] = set()
    used_tokens = 0
    for number in sorted(range(len(hit_sentences)), key=lambda n: -values[n]):
        cost = costs[number] + (1 if hit_sentences[number].hit_index in opened_hits else PASSAGE_HEADER_TOKENS)
        if used_tokens + cost <= budget or not chosen:
            chosen.append(number)
            opened_hits.add(hit_sentences[number].hit_index)
            used_tokens += cost
    return chosen


def score_sentences(rows: NDArray[np.float32]) -> list[float]:
    """Return the log-odds that each sentence answers the question.

    Args:
        rows: features of shape (sentences, features), as returned by `sentence_features`.
    """
    return [float(odds) for odds in _sentence_ranker().score(FEATURE_NAMES, rows)] if len(rows) else []


@lru_cache(maxsize=1)
def selector_fingerprint() -> str:
    """Return a hash of the trees and cue words, so that caches do not mix selections of different versions."""
    data = files("kgrag") / "data"
    return hashlib.sha256((data / TREES_FILE).read_bytes() + (data / CUE_WORDS_FILE).read_bytes()).hexdigest()[:12]


@lru_cache(maxsize=1)
def _sentence_ranker() -> TreeEnsemble:
    return TreeEnsemble.load_builtin(TREES_FILE)
