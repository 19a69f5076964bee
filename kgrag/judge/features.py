"""Features of a claim and its evidence: shared words and their order, literal details, and style.

All are shares, or counts of the claim alone, so that they mean the same for short and for long evidence. They follow
extractive fragments (Grusky et al. 2018) and skip-bigrams (Lin 2004), and record which sentences the claim's words come
from: a summary that wrongly joins two sentences has all its words in the evidence, but no sentence holds all of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from kgrag.judge.literal_checks import DetailKind, DetailMatch, LiteralChecks, is_negated, is_opposite
from kgrag.judge.tokenization import ClaimPair, StemmedSentence

UNDEFINED = -1.0
MAX_PAIR_DISTANCE = 6
"""Maximum distance in words of a near pair in a sentence; in a claim two less."""
FIRST_PERSON = frozenset(["i", "my", "me", "mine", "we", "our", "us", "i'm", "i've", "i'd", "i'll"])
SECOND_PERSON = frozenset(["you", "your", "yours", "yourself"])
PRONOUNS = frozenset(["he", "she", "it", "they", "his", "her", "its", "their", "him", "them", "this", "these"])
FEATURE_NAMES = (
    "covered", "covered loosely", "covered plain", "covered by one", "covered by two", "covered by neighbours", "one of all", "missing",
    "missing rare", "missing run", "missing early", "missing late", "least clause", "least sentence", "copied 2", "copied 3", "copied 4",
    "longest copy", "copies", "density", "common 1", "common 2", "backwards", "near pairs", "pairs of one", "steps", "needed",
    "names", "names lacked", "names elsewhere", "amounts", "amounts lacked", "amounts against", "dates", "dates lacked",
    "dates against", "negated", "unlike", "opposed", "words", "sentences", "first person", "second person", "asks", "pronouns",
    "place", "evidence", "missing verbs", "missing loosely", "details lacked", "details against",
)  # fmt: skip
"""Names of the features that `claim_features` returns, in order."""
INCREASING_FEATURES = frozenset([
    "covered", "covered loosely", "covered plain", "covered by one", "covered by two", "covered by neighbours", "one of all",
    "least clause", "least sentence", "copied 2", "copied 3", "copied 4", "longest copy", "density", "common 1", "common 2",
    "near pairs", "pairs of one",
])  # fmt: skip
"""Features that never decrease the support as they grow."""
DECREASING_FEATURES = frozenset([
    "missing", "missing rare", "missing run", "missing early", "missing late", "missing verbs", "missing loosely", "copies",
    "backwards", "steps", "names lacked", "names elsewhere", "amounts lacked", "amounts against", "dates lacked", "dates against",
    "opposed", "details lacked", "details against", "first person", "second person",
])  # fmt: skip
"""Features that never increase the support as they grow."""
MONOTONE_SIGNS = tuple((name in INCREASING_FEATURES) - (name in DECREASING_FEATURES) for name in FEATURE_NAMES)
"""Monotone constraint of each feature (1, -1 or 0), so that a small training set cannot reverse a known effect."""


def claim_features(pair: ClaimPair, checks: LiteralChecks) -> NDArray[np.float32]:
    """Return the features of a claim, (`FEATURE_NAMES`,), with `UNDEFINED` where there is nothing to count.

    Args:
        pair: a claim and its evidence, with ``is_scorable``.
        checks: the literal checks of ``pair``.
    """
    best_sentence = pair.best_sentence or pair.evidence[0]
    values = [*_coverage_features(pair), *_order_features(pair, best_sentence), *_pair_features(pair)]
    values += [*_detail_features(pair, best_sentence, checks.matches), *_style_features(pair, best_sentence)]
    lacked = sum(match.lacked for match in checks.matches.values())
    contradicted = sum(match.contradicted for match in checks.matches.values())
    values += [float(lacked), contradicted + float(checks.is_reversed)]
    assert len(values) == len(FEATURE_NAMES)
    return np.nan_to_num(np.array(values, np.float32), nan=UNDEFINED)


def _coverage_features(pair: ClaimPair) -> Iterable[float]:
    claim, ranked, numbers_by_stem = pair.claim, pair.ranked_sentences, pair.sentences_by_stem
    count = len(pair.evidence)
    all_sentences = range(len(pair.evidence))
    covered = pair.coverage(all_sentences)
    best_coverage = pair.coverage(ranked[:1])
    starts = {max(0, place + step) for place in ranked[:3] for step in (-1, 0)}
    neighbour_coverage = max((pair.coverage(range(n, min(n + 2, count))) for n in starts), default=0.0)
    total = sum(pair.stem_weights.values())
    prefix_coverage = sum(pair.stem_weights[s] for s in pair.prefix_matched_stems) / total if total else math.nan
    yield from (
        covered,
        covered + prefix_coverage,
        pair.coverage(all_sentences, weighted=False),
        best_coverage,
        pair.coverage(ranked[:2]),
        neighbour_coverage,
    )
    yield best_coverage / covered if covered else 0.0
    content = [w for w in claim.words if w.is_content]
    is_missing = [w.stem not in numbers_by_stem for w in content]
    yield float(sum(is_missing))
    missing_long = sum(len(w.folded) > 6 for w, missing in zip(content, is_missing, strict=True) if missing)
    yield missing_long / max(1, len(content))
    yield float(_longest_true_run(is_missing))
    third = max(1, len(content) // 3)
    yield sum(is_missing[:third]) / third
    yield sum(is_missing[-third:]) / third
    yield min(_clause_coverages(pair, ",;，；、:()（）"), default=covered)
    yield min(_clause_coverages(pair, ".!?。！？"), default=covered)


def _clause_coverages(pair: ClaimPair, marks: str) -> Iterable[float]:
    """Yield the coverage of each part of the claim between punctuation marks that has two or more content words."""
    text, group = pair.claim.text, list[str]()
    end = 0
    for word in pair.claim.words:
        if any(c in marks for c in text[end : word.start]):
            if len(group) > 1:
                yield _covered_share(group, pair)
            group = []
        if word.is_content:
            group.append(word.stem)
        end = word.end
    if len(group) > 1:
        yield _covered_share(group, pair)


def _covered_share(group: Sequence[str], pair: ClaimPair) -> float:
    total = sum(pair.stem_weights[s] for s in group)
    return sum(pair.stem_weights[s] for s in group if s in pair.sentences_by_stem) / total


def _order_features(pair: ClaimPair, best_sentence: StemmedSentence) -> Iterable[float]:
    claim_stems = [w.stem for w in pair.claim.words]
    sentences = [[w.stem for w in s.words] for s in pair.evidence]
    for size in (2, 3, 4):
        evidence_grams = {tuple(s[i : i + size]) for s in sentences for i in range(len(s) - size + 1)}
        claim_grams = [tuple(claim_stems[i : i + size]) for i in range(len(claim_stems) - size + 1)]
        yield sum(gram in evidence_grams for gram in claim_grams) / len(claim_grams) if claim_grams else math.nan
    copies = _copied_run_lengths(claim_stems, sentences)
    yield max(copies, default=0) / len(claim_stems)
    yield len(copies) / len(claim_stems)
    yield sum(n * n for n in copies) / len(claim_stems) ** 2
    best_sentence_stems = [w.stem for w in best_sentence.words]
    top_two_stems = [s for n in pair.ranked_sentences[:2] for s in sentences[n]] or best_sentence_stems
    yield _common_subsequence_length(claim_stems, best_sentence_stems) / len(claim_stems)
    yield _common_subsequence_length(claim_stems, top_two_stems) / len(claim_stems)
    # share of the stems common to the claim and its best sentence that occur in another order
    best_stems = set(best_sentence_stems)
    shared_stems = [stem for stem in claim_stems if stem in best_stems]
    yield (
        1 - _common_subsequence_length(shared_stems, best_sentence_stems) / len(shared_stems)
        if shared_stems
        else math.nan
    )


def _pair_features(pair: ClaimPair) -> Iterable[float]:
    content = [w.stem for w in pair.claim.words if w.is_content]
    positions_by_stem: list[dict[str, list[int]]] = []
    for sentence in pair.evidence:
        stem_positions: dict[str, list[int]] = {}
        for number, word in enumerate(w for w in sentence.words if w.is_content):
            stem_positions.setdefault(word.stem, []).append(number)
        positions_by_stem.append(stem_positions)
    near_count = together_count = pair_count = 0
    for i, stem in enumerate(content):
        for other_stem in content[i + 1 : i + MAX_PAIR_DISTANCE - 1]:
            if stem == other_stem:
                continue
            pair_count += 1
            shared_sentences = [p for p in positions_by_stem if stem in p and other_stem in p]
            together_count += bool(shared_sentences)
            near_count += any(
                0 < b - a <= MAX_PAIR_DISTANCE for p in shared_sentences for a in p[stem] for b in p[other_stem]
            )
    yield near_count / pair_count if pair_count else math.nan
    yield together_count / pair_count if pair_count else math.nan
    numbers_by_stem = pair.sentences_by_stem
    covered_stems = [s for s in content if s in numbers_by_stem]
    is_separate = [not set(numbers_by_stem[a]) & set(numbers_by_stem[b]) for a, b in pairwise(covered_stems)]
    yield sum(is_separate) / len(is_separate) if is_separate else math.nan
    yield float(len(pair.ranked_sentences))


def _detail_features(
    pair: ClaimPair, best_sentence: StemmedSentence, matches: Mapping[DetailKind, DetailMatch]
) -> Iterable[float]:
    near_stems = {w.stem for n in pair.ranked_sentences[:2] for w in pair.evidence[n].words}
    name, amount, date = (matches[kind] for kind in (DetailKind.NAME, DetailKind.AMOUNT, DetailKind.DATE))
    text = pair.claim.text
    capitalized_stems = [w.stem for w in pair.claim.words if w.is_content and text[w.start].isupper() and w.start]
    yield float(sum(name))
    yield name.lacked / sum(name) if sum(name) else 0.0
    yield sum(s not in near_stems for s in capitalized_stems) / len(capitalized_stems) if capitalized_stems else 0.0
    for match in (amount, date):
        yield float(sum(match))
        yield (match.lacked + match.contradicted) / sum(match) if sum(match) else 0.0
        yield float(match.contradicted)
    yield float(is_negated(pair.claim))
    yield float(is_negated(best_sentence)) - float(is_negated(pair.claim))
    yield float(is_opposite(pair.claim, best_sentence))


def _style_features(pair: ClaimPair, best_sentence: StemmedSentence) -> Iterable[float]:
    folded = [w.folded for w in pair.claim.words]
    evidence_words = {w.folded for s in pair.evidence for w in s.words}
    yield math.log1p(len(folded))
    yield float(sum(pair.claim.text.count(c) for c in ".!?。！？"))
    yield sum(w in FIRST_PERSON for w in folded if w not in evidence_words) / len(folded)
    yield sum(w in SECOND_PERSON for w in folded if w not in evidence_words) / len(folded)
    yield float(any(c in pair.claim.text for c in "?？"))
    yield sum(w in PRONOUNS for w in folded) / len(folded)
    yield best_sentence.number / len(pair.evidence)
    yield math.log1p(sum(len(s.words) for s in pair.evidence))
    yield sum(
        w.folded.endswith(("ed", "ing")) and w.stem not in pair.sentences_by_stem
        for w in pair.claim.words
        if w.is_content
    ) / len(folded)
    yield float(len(pair.claim.stems - pair.sentences_by_stem.keys() - pair.prefix_matched_stems))


def _longest_true_run(flags: Sequence[bool]) -> int:
    longest = run = 0
    for flag in flags:
        run = run + 1 if flag else 0
        longest = max(longest, run)
    return longest


def _copied_run_lengths(claim_stems: Sequence[str], sentences: Sequence[Sequence[str]]) -> list[int]:
    """Return the lengths of the runs that a claim copies from sentences, greedily from its beginning."""
    starts: dict[str, list[tuple[Sequence[str], int]]] = {}
    for sentence in sentences:
        for place, stem in enumerate(sentence):
            starts.setdefault(stem, []).append((sentence, place))
    run_lengths = []
    position = 0
    while position < len(claim_stems):
        longest = 0
        for sentence, place in starts.get(claim_stems[position], ()):
            length = 1
            while (
                position + length < len(claim_stems)
                and place + length < len(sentence)
                and claim_stems[position + length] == sentence[place + length]
            ):
                length += 1
            longest = max(longest, length)
        if longest:
            run_lengths.append(longest)
        position += max(1, longest)
    return run_lengths


def _common_subsequence_length(a: Sequence[str], b: Sequence[str]) -> int:
    """Return the length of the longest common subsequence."""
    row = [0] * (len(b) + 1)
    for left_item in a:
        diagonal = 0
        for place, right_item in enumerate(b, 1):
            above = row[place]
            row[place] = diagonal + 1 if left_item == right_item else max(above, row[place - 1])
            diagonal = above
    return row[-1]
