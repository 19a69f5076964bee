"""Supported and unsupported claims, made from the sentences of a passage and from answered questions.

After Kryściński et al. 2020, whose classifier learned from swapped entities, numbers and pronouns and from negations.
Added here: reversed relations, added clauses, and exchanged answers. Everything follows from a seed.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ingest.entities.recognition import RecognizedEntity, recognize_entities
from kgrag.judge.polarity_lexicon import load_word_lists
from kgrag.judge.tokenization import question_answer_to_claim
from kgrag.text import has_cjk, sentence_spans
from kgrag.text.dates import MONTH_NAMES

PERTURBATION_KINDS = ("entity", "number", "date", "relation", "negation", "addition")
_YEAR = re.compile(r"(?<!\d)(1[0-9]\d\d|20[0-2]\d)(?!\d)")
_NUMBER = re.compile(r"(?<![\d.,:-])\d{1,3}(?:,\d{3})+(?![\d,])|(?<![\d.,:-])\d+(?:\.\d+)?(?![\d,:-]|\.\d)")
_MONTH = re.compile(rf"\b(?:{'|'.join(MONTH_NAMES)})\b|(?<=年)\d{{1,2}}(?=月)")
_COPULA = re.compile(r"\b(is|are|was|were|has|had|can|will|would|could|did|does)\b(?! not| no |n't)")
_NOT = re.compile(r"\b(?:not|never) |n't\b")
_COPULA_ZH = re.compile(
    r"(?<![不没未还只也可要便就若但于])(?:是(?![否非])|(?<![所拥])有(?!关|限|效|些|时|名)|能够|可以|曾(?!经)|曾经|位于|属于)"
)
_BRACKETS = re.compile(r"\s?[(（][^()（）]*[)）]")
_CLAUSES = re.compile(r"[，,；;] ?")
_PRONOUN = re.compile(r"\b(he|she|his|her|He|She|His|Her|him)\b")
_OPPOSITE_PRONOUN = {"he": "she", "she": "he", "his": "her", "her": "his", "him": "her", "He": "She", "She": "He", "His": "Her", "Her": "His"}  # fmt: skip


@dataclass(frozen=True)
class PerturbedClaim:
    """A claim about ``evidence``; ``kind`` is one of `PERTURBATION_KINDS`, or the source of a supported claim."""

    evidence: str
    claim: str
    supported: bool
    kind: str


@dataclass(frozen=True)
class ClaimSource:
    """A passage to make claims from, with its names, and questions with an answer in the passage."""

    text: str
    names: tuple[RecognizedEntity, ...]
    answered_questions: tuple[tuple[str, str], ...] = ()


def build_sources(
    texts: Sequence[str], lang: str, answered_questions: Sequence[Sequence[tuple[str, str]]] = ()
) -> list[ClaimSource]:
    """Return passages with their names; ``answered_questions`` has one sequence of (question, answer) a passage."""
    names_by_text = recognize_entities(texts, lang)
    questions_by_text = answered_questions or [()] * len(texts)
    return [
        ClaimSource(text, tuple(names), tuple(q))
        for text, names, q in zip(texts, names_by_text, questions_by_text, strict=True)
    ]


def perturb_claims(
    pool: Sequence[ClaimSource], lang: str, seed: int, claims_per_label: int = 2
) -> Iterator[PerturbedClaim]:
    """Yield claims about each passage: ``claims_per_label`` supported ones, and as many unsupported ones.

    Args:
        pool: passages; a replacement comes from the same passage if possible, else from another.
        lang: ``"en"`` or ``"zh"``, of all of them.
        seed: determines the claims.
        claims_per_label: claims of each label a passage.
    """
    rng = random.Random(seed)
    counts_by_kind = Counter[str]()
    for source in pool:
        true_claims = list(_true_claims(source, lang, rng))
        rng.shuffle(true_claims)
        true_claims.sort(key=lambda claim: claim[1] != "question" or rng.random() < 0.5)
        for claim, kind, _ in true_claims[:claims_per_label]:
            yield PerturbedClaim(source.text, claim, True, kind)
        # a false claim is made from another true one, so that neither reveals the label of the other
        for claim, _, names in true_claims[claims_per_label : 2 * claims_per_label] or true_claims[:claims_per_label]:
            # few claims have a number: a claim gets the rarest kind so far among those it can have
            for kind in sorted(
                rng.sample(PERTURBATION_KINDS, len(PERTURBATION_KINDS)), key=lambda kind: counts_by_kind[kind]
            ):
                perturbed = _PERTURBATIONS[kind](claim, names, source, pool, lang, rng)
                if (
                    perturbed
                    and _letters_only(perturbed) != _letters_only(claim)
                    and _letters_only(perturbed) not in _letters_only(source.text)
                ):
                    yield PerturbedClaim(source.text, perturbed, False, kind)
                    counts_by_kind[kind] += 1
                    break


def _true_claims(
    source: ClaimSource, lang: str, rng: random.Random
) -> Iterator[tuple[str, str, tuple[RecognizedEntity, ...]]]:
    """Yield claims that a passage supports, their kind, and the names in them (whose offsets are void)."""
    for start, end in sentence_spans(source.text):
        sentence = source.text[start:end]
        if not (12 if lang == "zh" else 30) <= len(sentence) <= (120 if lang == "zh" else 300):
            continue
        names = tuple(n for n in source.names if start <= n.start and n.end <= end)
        claim, kind = sentence, "sentence"
        if rng.random() < 0.6:
            claim, kind = _shorten(sentence, lang, rng), "shortened"
        yield claim, kind, tuple(n for n in names if n.text in claim)
    for question, answer in source.answered_questions:
        if len(answer) <= (20 if lang == "zh" else 60) and (statement := question_answer_to_claim(question, answer)):
            # a perturbation may only exchange the answer
            names = tuple(n for n in source.names if n.text in answer)
            yield statement, "question", names


def _shorten(sentence: str, lang: str, rng: random.Random) -> str:
    """Remove the brackets of a sentence, and often its last clauses if it has several."""
    shortened = _BRACKETS.sub("", sentence)
    pieces = _CLAUSES.split(shortened)
    min_length = 8 if lang == "zh" else 25
    if len(pieces) > 1 and rng.random() < 0.8:
        kept_clauses = pieces[: rng.randrange(1, len(pieces))]
        shortened = ("，" if lang == "zh" else ", ").join(kept_clauses)
        if len(shortened) < min_length:
            return sentence
        shortened = shortened.rstrip("。.") + ("。" if lang == "zh" else ".")
    return shortened


def _swap_entity(
    claim: str,
    names: tuple[RecognizedEntity, ...],
    source: ClaimSource,
    pool: Sequence[ClaimSource],
    lang: str,
    rng: random.Random,
) -> str:
    claim_names = [n for n in names if n.type != "DATE" and n.text in claim]
    if not claim_names:
        return ""
    chosen_name = rng.choice(claim_names)
    same_type_in_claim = [
        n
        for n in claim_names
        if n.type == chosen_name.type
        and n.text != chosen_name.text
        and n.text not in chosen_name.text
        and chosen_name.text not in n.text
    ]
    if same_type_in_claim and rng.random() < 0.35:  # exchanged: who did what to whom
        other_text = rng.choice(same_type_in_claim).text
        return claim.replace(chosen_name.text, "\0").replace(other_text, chosen_name.text).replace("\0", other_text)
    replacements = [
        n.text
        for n in source.names
        if n.type == chosen_name.type and n.text not in claim and chosen_name.text not in n.text
    ]
    if not replacements or rng.random() < 0.25:
        pool_names = [n.text for _ in range(40) for n in rng.choice(pool).names if n.type == chosen_name.type]
        replacements = [n for n in pool_names if n not in source.text] or replacements
    return claim.replace(chosen_name.text, rng.choice(replacements)) if replacements else ""


def _change_number(
    claim: str,
    names: tuple[RecognizedEntity, ...],
    source: ClaimSource,
    pool: Sequence[ClaimSource],
    lang: str,
    rng: random.Random,
) -> str:
    matches = [m for m in _NUMBER.finditer(claim) if not _YEAR.fullmatch(m.group())]
    if not matches:
        return ""
    match = rng.choice(matches)
    old_text = match.group()
    digits = [i for i, c in enumerate(old_text) if c.isdigit()]
    digit_position = rng.choice(digits[:2])
    new_digit = rng.choice([d for d in "123456789" if d != old_text[digit_position]])
    return (
        claim[: match.start()]
        + old_text[:digit_position]
        + new_digit
        + old_text[digit_position + 1 :]
        + claim[match.end() :]
    )


def _change_date(
    claim: str,
    names: tuple[RecognizedEntity, ...],
    source: ClaimSource,
    pool: Sequence[ClaimSource],
    lang: str,
    rng: random.Random,
) -> str:
    matches = [*_YEAR.finditer(claim), *_MONTH.finditer(claim)]
    if not matches:
        return ""
    match = rng.choice(matches)
    old_text = match.group()
    other_years = [y for y in _YEAR.findall(source.text) if y not in claim]
    if old_text in MONTH_NAMES:
        new_text = rng.choice([m for m in MONTH_NAMES if m != old_text])
    elif len(old_text) < 3:
        new_text = str(rng.choice([m for m in range(1, 13) if m != int(old_text)]))
    elif other_years and rng.random() < 0.5:
        new_text = rng.choice(other_years)
    else:
        new_text = str(int(old_text) + rng.choice([-1, 1]) * rng.randrange(1, 25))
    return claim[: match.start()] + new_text + claim[match.end() :]


def _reverse_relation(
    claim: str,
    names: tuple[RecognizedEntity, ...],
    source: ClaimSource,
    pool: Sequence[ClaimSource],
    lang: str,
    rng: random.Random,
) -> str:
    opposites = load_word_lists().opposites
    if lang == "en" and rng.random() < 0.15 and (match := _PRONOUN.search(claim)):
        return claim[: match.start()] + _OPPOSITE_PRONOUN[match.group()] + claim[match.end() :]
    if lang == "zh":
        matches = [(claim.find(w), w) for w in opposites if has_cjk(w) and len(w) > 1 and w in claim]
        matches = [(at, w) for at, w in matches if not any(n.text.find(w) >= 0 for n in names)]
    else:
        matches = [(m.start(), m.group()) for m in re.finditer(r"\b[a-z]+\b", claim) if m.group() in opposites]
    if not matches:
        return ""
    position, word = rng.choice(matches)
    return claim[:position] + rng.choice(sorted(opposites[word])) + claim[position + len(word) :]


def _negate(
    claim: str,
    names: tuple[RecognizedEntity, ...],
    source: ClaimSource,
    pool: Sequence[ClaimSource],
    lang: str,
    rng: random.Random,
) -> str:
    if lang == "zh":
        if not (match := _COPULA_ZH.search(claim)):
            return ""
        verb = match.group()
        negations = {
            "是": "不是",
            "有": "没有",
            "能够": "不能",
            "可以": "不可以",
            "曾": "未曾",
            "曾经": "从未",
            "位于": "不在",
            "属于": "不属于",
        }
        return claim[: match.start()] + negations[verb] + claim[match.end() :]
    if match := _NOT.search(claim):
        return claim[: match.start()] + claim[match.end() :]
    if match := _COPULA.search(claim):
        return claim[: match.end()] + rng.choice([" not", " not", " never"]) + claim[match.end() :]
    return ""


def _add_clause(
    claim: str,
    names: tuple[RecognizedEntity, ...],
    source: ClaimSource,
    pool: Sequence[ClaimSource],
    lang: str,
    rng: random.Random,
) -> str:
    """Add a clause, a place or a prefix of another passage to the claim."""
    other_source = rng.choice(pool)
    if other_source is source:
        return ""
    lines = [other_source.text[s:e] for s, e in sentence_spans(other_source.text)]
    clauses = [c.strip(" 。.") for line in lines for c in _CLAUSES.split(_BRACKETS.sub("", line))]
    low, high = (5, 18) if lang == "zh" else (15, 70)
    clauses = [c for c in clauses if low <= len(c) <= high and c not in source.text and not c[0].isdigit()]
    places = [n.text for n in other_source.names if n.type == "PLACE" and n.text not in source.text]
    end = "。" if lang == "zh" else "."
    body = claim.rstrip("。. ")
    if places and rng.random() < 0.3:
        return f"{body}，地点在{rng.choice(places)}。" if lang == "zh" else f"{body} in {rng.choice(places)}."
    if not clauses:
        return ""
    clause = rng.choice(clauses)
    if lang == "zh":
        return f"{clause}，{body}{end}" if rng.random() < 0.2 else f"{body}，{clause}{end}"
    appended_clause = (
        clause[:1].lower() + clause[1:] if not any(clause.startswith(n.text) for n in other_source.names) else clause
    )
    return f"{body}{rng.choice([', and ', ', ', ' and '])}{appended_clause}{end}"


def _letters_only(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())


_Perturbation = Callable[
    [str, tuple[RecognizedEntity, ...], ClaimSource, Sequence[ClaimSource], str, random.Random], str
]
_PERTURBATIONS: dict[str, _Perturbation] = {
    "entity": _swap_entity,
    "number": _change_number,
    "date": _change_date,
    "relation": _reverse_relation,
    "negation": _negate,
    "addition": _add_clause,
}
