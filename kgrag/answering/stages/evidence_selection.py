"""Select the sentences of the retrieved passages that fit into the prompt's token budget."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kgrag.answering.prompt_budget import evidence_budget
from kgrag.answering.selected_passage import SelectedPassage
from kgrag.answering.stages.block_similarity import score_similarity
from kgrag.answering.stages.draft_prompt import build_draft_prompt
from kgrag.answering.stages.evidence_blocks import MAX_BLOCK_TOKENS, EvidenceBlock, group_blocks, split_paragraphs
from kgrag.answering.state import AnswerContext, AnswerState
from kgrag.protocols import Embedder
from kgrag.retrieve.boosted_trees import TreeEnsemble
from kgrag.retrieve.sentence_features import FEATURE_NAMES, HitSentence, sentence_features
from kgrag.text import detect_language
from kgrag.text.injected_text import injected_spans, is_injected_label
from kgrag.types import DiagnosticCode, Hit

TREES_FILE = "sentences.json"
SIMILARITY_WEIGHT = 0.7
"""Weight of a block's similarity to the question, beside the log-odds of its sentences."""
MAX_EMBEDDED_BLOCKS = 80
"""Blocks that are embedded for a question, a second's work on two processor cores."""
MIN_COMPARED_BLOCKS = 30
"""Fewer blocks do not show how far the most similar one stands above the others."""
MAX_EMBEDDED_CHARS = 700
"""Characters of a block that are embedded."""
MAX_BUDGET_SHARE = 1 / 3
"""Share of the budget that a block may take."""
PASSAGE_HEADER_TOKENS = 8
"""Tokens of a passage's number and title in the prompt."""


def select_passages(state: AnswerState, context: AnswerContext) -> AnswerState:
    """Select the evidence of the prompt within the profile's budget and the model's context."""
    llm, profile = context.resources.llm(), context.profile
    prompt = build_draft_prompt(replace(state, graph_answers=()), profile)
    budget = evidence_budget(llm, prompt, profile.evidence_tokens[state.form], profile.answer_tokens[state.form])
    embedder = context.resources.embedder_for(evidence_language(state.question, state.hits))
    selected, omitted = select_evidence(state.question, state.hits, budget, llm.count, embedder)
    state = replace(state, selected=tuple(selected)).add_diagnostics(DiagnosticCode.EVIDENCE_OMITTED, omitted)
    return state.add_diagnostics(DiagnosticCode.INJECTED_TEXT, injection_messages(state.hits))


def select_evidence(
    question: str,
    hits: Sequence[Hit],
    budget: int,
    count: Callable[[str], int],
    embedder: Embedder | None = None,
) -> tuple[list[SelectedPassage], list[str]]:
    """Select sentences for the prompt; return them by passage, with a message for each passage that was cut.

    The sentences of a paragraph are chosen one by one, list items, table rows and code as a whole
    (`kgrag.answering.stages.evidence_blocks`), in order of odds / sqrt(tokens). The odds that a sentence answers the
    question come from boosted trees over `kgrag.retrieve.sentence_features`, and from the meaning of its block if there is
    an embedder: a manual says in other words what its reader asks. The first choice is always included.

    Args:
        question: the user's question.
        hits: retrieved passages, best first.
        budget: tokens for all sentences together.
        count: returns the number of tokens of a text.
        embedder: compares the blocks with the question; it knows their language (`evidence_language`).
    """
    max_block_tokens = min(MAX_BLOCK_TOKENS, int(budget * MAX_BUDGET_SHARE))
    hit_sentences, _, parts, log_odds, _ = score_parts(question, hits, max_block_tokens, count, embedder)
    chosen = [parts[number] for number in fit_to_budget(parts, log_odds, budget)]
    shown_sentences = sorted(number for part in chosen for number in part.numbers)
    spans_by_hit: dict[int, list[tuple[int, int]]] = {}
    for number in shown_sentences:
        sentence = hit_sentences[number]
        spans_by_hit.setdefault(sentence.hit_index, []).append((sentence.start, sentence.end))
    selected = [
        SelectedPassage(n, hits[place], tuple(spans_by_hit[place])) for n, place in enumerate(sorted(spans_by_hit), 1)
    ]
    omitted_counts = Counter(sentence.hit_index for sentence in hit_sentences)
    omitted_counts.subtract(hit_sentences[number].hit_index for number in shown_sentences)
    dropped = [
        f"{number} sentence{'s' * (number > 1)} of {hits[place].title!r} left out of the prompt (budget of {budget} tokens)"
        for place, number in sorted(omitted_counts.items())
        if number
    ]
    return selected, dropped


def evidence_language(question: str, hits: Sequence[Hit]) -> str:
    """Return the language that an embedder has to know: Chinese if the question or the best passage is Chinese."""
    texts = [question, *(hit.passage.text for hit in hits[:1])]
    return "zh" if "zh" in map(detect_language, texts) else "en"


class ScoredParts(NamedTuple):
    """Sentences of some hits, their blocks, the parts that are selected, and the log-odds of each sentence.

    ``prominence`` is how far the block that is most similar to the question stands above the other blocks
    (`kgrag.answering.stages.block_similarity.score_similarity`); None if too few were compared to tell.
    """

    sentences: list[HitSentence]
    blocks: list[EvidenceBlock]
    parts: list[EvidenceBlock]
    log_odds: list[float]
    prominence: float | None


def score_parts(
    question: str, hits: Sequence[Hit], max_block_tokens: int, count: Callable[[str], int], embedder: Embedder | None
) -> ScoredParts:
    """Return what can be selected of some hits, in blocks of so many tokens, with the log-odds that it answers.

    The other arguments are those of `select_evidence`.
    """
    hit_sentences, rows = _without_injections(*sentence_features(question, hits), hits)
    costs = [count(sentence.text) for sentence in hit_sentences]
    blocks = group_blocks(hits, hit_sentences, costs, max_block_tokens)
    parts = split_paragraphs(blocks, hit_sentences, costs)
    log_odds = score_sentences(rows)
    if embedder is None or not blocks:
        return ScoredParts(hit_sentences, blocks, parts, log_odds, None)
    texts = [block_text(hits, hit_sentences, block) for block in blocks]
    similarity = compare_blocks(question, blocks, texts, log_odds, embedder)
    for block, score in zip(blocks, similarity, strict=True):
        for number in block.numbers:
            log_odds[number] += SIMILARITY_WEIGHT * float(score)
    prominence = float(similarity.max()) if len(blocks) >= MIN_COMPARED_BLOCKS else None
    return ScoredParts(hit_sentences, blocks, parts, log_odds, prominence)


def block_text(hits: Sequence[Hit], hit_sentences: Sequence[HitSentence], block: EvidenceBlock) -> str:
    """Return what is embedded of a block: the headings above it, and its text."""
    hit = hits[block.hit_index]
    text = " ".join(hit_sentences[number].text for number in block.numbers)
    return " › ".join(dict.fromkeys([hit.title, *hit.passage.headings])) + "\n" + text[:MAX_EMBEDDED_CHARS]


def compare_blocks(
    question: str,
    blocks: Sequence[EvidenceBlock],
    texts: Sequence[str],
    log_odds: Sequence[float],
    embedder: Embedder,
) -> NDArray[np.float64]:
    """Return (blocks,): the similarity of each block to the question.

    Only the `MAX_EMBEDDED_BLOCKS` most probable blocks are embedded; the others count as the least similar of them.
    """
    best_odds = np.array([max(log_odds[number] for number in block.numbers) for block in blocks])
    likely = np.argsort(-best_odds, kind="stable")[:MAX_EMBEDDED_BLOCKS]
    scores = score_similarity(question, [texts[number] for number in likely], embedder)
    similarity = np.full(len(blocks), scores.min())
    similarity[likely] = scores
    return similarity


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


def injection_messages(hits: Sequence[Hit]) -> list[str]:
    """Return a message for each passage of which text was kept out of the prompt."""
    counts = [(hit, len(injected_spans(hit.passage.text))) for hit in hits]
    return [
        f"{number} sentence{'s' * (number > 1)} of {hit.source if is_injected_label(hit.title) else repr(hit.title)} left out of the prompt: written to command an answer"
        for hit, number in counts
        if number
    ]


def fit_to_budget(parts: Sequence[EvidenceBlock], log_odds: Sequence[float], budget: int) -> list[int]:
    """Return the indices of the parts to show, best value per token first.

    Args:
        parts: the candidates.
        log_odds: for each sentence, the log-odds that it answers the question; those of a part are its best sentence's.
        budget: tokens for all parts together; a passage's first part costs `PASSAGE_HEADER_TOKENS` more.
    """
    values = [max(log_odds[number] for number in part.numbers) - math.log(part.tokens + 1) / 2 for part in parts]
    chosen: list[int] = []
    opened_hits: set[int] = set()
    used_tokens = 0
    for index in sorted(range(len(parts)), key=lambda index: -values[index]):
        part = parts[index]
        cost = part.tokens + (1 if part.hit_index in opened_hits else PASSAGE_HEADER_TOKENS)
        if used_tokens + cost <= budget or not chosen:
            chosen.append(index)
            opened_hits.add(part.hit_index)
            used_tokens += cost
    return chosen


def score_sentences(rows: NDArray[np.float32]) -> list[float]:
    """Return the log-odds that each sentence answers the question.

    Args:
        rows: features of shape (sentences, features), as returned by `sentence_features`.
    """
    return [float(odds) for odds in _sentence_ranker().score(FEATURE_NAMES, rows)] if len(rows) else []


@lru_cache(maxsize=1)
def _sentence_ranker() -> TreeEnsemble:
    return TreeEnsemble.load_builtin(TREES_FILE)
