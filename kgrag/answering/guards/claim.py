"""Compare a claim with the sentences of the cited passages, and choose those that support it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kgrag.answering.guards.asked_conditions import unmet_condition
from kgrag.answering.guards.asked_identifiers import conflicting_identifier
from kgrag.answering.guards.clause_polarity import opposed_clause
from kgrag.answering.guards.literal_text import mask_placeholders
from kgrag.answering.guards.literals import CODE_KINDS, Literal, LiteralKind, find_literals
from kgrag.answering.guards.match_words import match_words
from kgrag.answering.guards.sibling_sentences import closer_sibling
from kgrag.answering.guards.source_sentences import SourceSentence
from kgrag.answering.guards.statements import Statement
from kgrag.text import detect_language, has_cjk, normalize_name
from kgrag.text.polarity import EXPLICIT_ANSWERS

MIN_WORD_SHARE = 0.4
"""Share of a statement's new words that the source must have. Of statements about other subjects, 95 % have less."""
MIN_PHRASE_SHARE = 0.6
"""The same for an answer of a few words, where a paraphrase is rare."""
MAX_PHRASE_WORDS, MAX_PHRASE_PAIRS = 4, 6
MAX_SUPPORT = 4
"""Sentences that may support one statement together."""
MIN_ADDED_SHARE = 0.2
"""Share of the new words that each further sentence must add: a statement is not gathered from scattered words."""
MIN_RIVAL_RATIO = {
    LiteralKind.NUMBER: 0.5,
    LiteralKind.NAME: 0.5,
    LiteralKind.CODE: 0.33,
    LiteralKind.OPTION: 0.33,
    LiteralKind.COMPOUND: 0.0,
    LiteralKind.COMMAND: 0.5,
}
"""Share of the weight of the best sentence with another literal that the sentence with the literal must have."""
SHORT_SENTENCE_WORDS = 4
"""A sentence of at most so many words, such as a line of code, is understood from its neighbours."""
MIN_PART_WORDS = 2
"""New words of a part of a statement that is compared for itself."""
_PART_EDGE = re.compile(r"[()（）\[\]【】<>;；]|--+|[—–]+|\s-\s")
_OPERATOR = re.compile(r"[!$%&*+/:;<=>@^|~-]{2,}")


@dataclass(frozen=True)
class Support:
    """Sentences that support a claim, best first, or the reason why none do."""

    sentences: tuple[SourceSentence, ...] = ()
    reason: str = ""


class Claim:
    """The part of a statement that its question does not contain.

    Args:
        question: the user's question.
        statement: a statement of the answer.
    """

    def __init__(self, question: str, statement: Statement) -> None:
        self.text, self.question = statement.claim_text, question
        known = f"{question}\n{statement.lead_in}"
        question_words, words = match_words(known), match_words(mask_placeholders(self.text))
        self.is_yes_no = normalize_name(self.text) in EXPLICIT_ANSWERS
        if self.is_yes_no:
            # "yes" claims the question itself: the passages must support that
            words, question_words = question_words, frozenset()
        self.question_words = match_words(question)
        self.words = words
        self.new_words = frozenset(word for word in words - question_words if word not in EXPLICIT_ANSWERS)
        self.literals = find_literals(self.text, known, statement.is_code)
        wanted = self.new_words or self.words
        pairs = frozenset(word for word in wanted if len(word) > 1 or not has_cjk(word))
        max_words = MAX_PHRASE_PAIRS if has_cjk(self.text) else MAX_PHRASE_WORDS
        self.is_phrase = len(pairs) <= max_words or self.is_yes_no or not self.new_words
        # scattered characters make no phrase
        single = frozenset(word for word in wanted - pairs if not any(word in pair for pair in pairs))
        self.wanted_words = pairs | single if self.is_phrase else wanted
        self.codes = [literal.text for literal in find_literals(self.text, "") if literal.kind in CODE_KINDS]
        self.is_lead_in = statement.is_lead_in
        self.is_code = statement.is_code

    def find_support(self, pool: Sequence[SourceSentence]) -> Support:
        """Return the sentences that together support the claim, or the reason why there are none."""
        if not pool:
            return Support(reason="no passage is cited")
        if not self.words and not self.literals:
            return Support(reason="the statement has no words to compare")
        rarity = _rarity(pool)
        held = [[literal.is_held_by(sentence) for sentence in pool] for literal in self.literals]
        anchors: list[SourceSentence] = []
        for place, literal in enumerate(self.literals):
            anchor = self._anchor(place, pool, held, rarity)
            if anchor is None or self._has_rival_slot(literal, pool):
                return Support(reason=f"no sentence says this with {literal.text!r}")
            if anchor not in anchors:
                anchors.append(anchor)
        chosen = self._cover_words(self.wanted_words, anchors, pool, rarity)
        is_foreign = not chosen and self._is_foreign(pool)
        if is_foreign:
            chosen = self._cover_identifiers(anchors, pool, rarity)
        if not chosen:
            return Support(reason="too few of its words are in the cited passages")
        nearby = [text for sentence in chosen for text in sentence.nearby]
        if reason := self._mismatch(chosen, pool):
            return Support(reason=reason)
        if is_foreign or self.is_yes_no:
            return Support(tuple(chosen))
        clause = opposed_clause(self.text, self.question, nearby, [sentence.text for sentence in pool])
        if clause:
            return Support(reason=f"the cited passage states the opposite of {clause!r}")
        if part := self._added_part(pool):
            return Support(reason=f"no passage says {part!r}")
        return Support(tuple(chosen))

    def _added_part(self, pool: Sequence[SourceSentence]) -> str:
        """Return a part in brackets or beside a semicolon or a dash of which no sentence has any word, or ""."""
        parts = _PART_EDGE.split(mask_placeholders(self.text)) if not self.is_code else []
        for part in parts if len(parts) > 1 else ():
            words = match_words(part) - self.question_words
            # a Chinese character is a word of its own beside the pairs
            counted = frozenset(word for word in words if len(word) > 1 or not has_cjk(word))
            if len(counted) >= MIN_PART_WORDS and not any(counted & sentence.window_words for sentence in pool):
                return part.strip()
        return ""

    def _anchor(
        self,
        place: int,
        pool: Sequence[SourceSentence],
        held: Sequence[Sequence[bool]],
        rarity: dict[str, float],
    ) -> SourceSentence | None:
        """Return the sentence that has a literal and most of what stands around it in the claim.

        None if no sentence has it, or if one that has another literal in its place has far more.
        """
        literal = self.literals[place]
        own_words = match_words(literal.text)
        clause_words = match_words(literal.clause) - own_words
        other_words = self.question_words - own_words - clause_words
        best: tuple[float, SourceSentence] | None = None
        best_rival = 0.0
        for n, sentence in enumerate(pool):
            near_words, far_words = sentence.words | sentence.context_words, sentence.neighbour_words
            far_share = 1.0 if len(sentence.words) <= SHORT_SENTENCE_WORDS else 0.5
            weight = sum(row[n] for other, row in enumerate(held) if other != place) * 0.5
            for words, share in ((clause_words, 1.0), (other_words, 0.5)):
                weight += share * _weight(near_words & words, rarity)
                weight += share * far_share * _weight((far_words - near_words) & words, rarity)
            if held[place][n]:
                if best is None or weight > best[0]:
                    best = (weight, sentence)
            elif weight > best_rival and literal.has_rival_in(sentence):
                best_rival = weight
        return best[1] if best is not None and best[0] >= MIN_RIVAL_RATIO[literal.kind] * best_rival else None

    def _has_rival_slot(self, literal: Literal, pool: Sequence[SourceSentence]) -> bool:
        """Whether the sources have other literals, and never this one, next to the word that stands next to it here."""
        if literal.keyword_after:
            keywords = {word for s in pool for word in literal.keywords_in_slot(s)}
            return bool(keywords) and literal.text not in keywords
        if literal.number is None or not literal.before:
            return False
        found = {number for s in pool for number in literal.numbers_in_slot(s)}
        return bool(found) and literal.number.value not in found

    def _mismatch(self, chosen: Sequence[SourceSentence], pool: Sequence[SourceSentence]) -> str:
        """Return why the best sentence is about something else than the question, or ""."""
        sentence = chosen[0]
        if identifier := conflicting_identifier(self.question, self.text, sentence):
            return f"the cited passage is not about {identifier!r}"
        if condition := unmet_condition(self.question, sentence.text):
            return f"the cited sentence does not meet {condition!r}"
        has_code = any(literal.kind in CODE_KINDS for literal in self.literals)
        if self.is_phrase and not self.is_yes_no and not has_code:
            sibling = closer_sibling(sentence, self.question_words, pool)
            if sibling is not None and sibling not in chosen and not self._is_covered_by(sibling):
                return f"the question is about {sibling.text!r}"
        return ""

    def _cover_identifiers(
        self, anchors: Sequence[SourceSentence], pool: Sequence[SourceSentence], rarity: dict[str, float]
    ) -> list[SourceSentence]:
        """Return the sentences in another language that have the identifiers or operators of the claim, or []."""
        code_words = frozenset(word for code in self.codes for word in match_words(code))
        if code_words:
            return self._cover_words(code_words, anchors, pool, rarity)
        operators = set(_OPERATOR.findall(self.text))
        holders = [s for s in pool if any(operator in s.text for operator in operators)]
        are_held = all(any(operator in s.text for s in holders) for operator in operators)
        return holders[:MAX_SUPPORT] if are_held else []

    def _is_covered_by(self, sentence: SourceSentence) -> bool:
        words = self.wanted_words & (sentence.words | sentence.context_words)
        return len(words) >= MIN_PHRASE_SHARE * len(self.wanted_words)

    def _cover_words(
        self,
        wanted: frozenset[str],
        anchors: Sequence[SourceSentence],
        pool: Sequence[SourceSentence],
        rarity: dict[str, float],
    ) -> list[SourceSentence]:
        """Return the anchors and further sentences whose surroundings have enough of the wanted words, or []."""
        chosen = list(anchors)
        missing = set(wanted)
        for anchor in chosen:
            missing -= anchor.window_words
        # a command says more than the few words around it
        has_code = any(literal.kind in CODE_KINDS for literal in self.literals)
        min_share = MIN_PHRASE_SHARE if self.is_phrase and not has_code else MIN_WORD_SHARE
        min_added = 0.0 if self.is_yes_no else MIN_ADDED_SHARE * len(wanted)
        while (_share(missing, wanted) < min_share or not chosen) and len(chosen) - len(anchors) < MAX_SUPPORT:
            best = max(
                pool,
                key=lambda s: (
                    len(self._words_of(s) & missing) + 2 * len(s.words & missing),
                    _weight((s.words | s.context_words) & self.question_words, rarity),
                    _weight(s.words & self.words, rarity),
                    -s.selected.number,
                    -s.position,
                ),
            )
            found = missing & self._words_of(best)
            if (wanted and not found) or (chosen and len(found) < min_added):
                break
            missing -= found
            chosen.append(best)
        if _share(missing, wanted) < min_share and not self.is_lead_in:
            return []
        if not chosen:  # the items below a lead-in are what needs support
            chosen = [max(pool, key=lambda s: _weight(s.words & self.words, rarity))]
        return sorted(
            dict.fromkeys(chosen),
            key=lambda s: -_weight((s.words | s.context_words) & (self.words | self.question_words), rarity),
        )

    def _words_of(self, sentence: SourceSentence) -> frozenset[str]:
        """Return the words of a sentence that count for the claim: those around it too, unless the claim is a phrase."""
        return sentence.words | sentence.context_words if self.is_phrase else sentence.window_words

    def _is_foreign(self, pool: Sequence[SourceSentence]) -> bool:
        """Whether the claim and most of the sentences are in different languages."""
        language = detect_language(self.text)
        return sum(detect_language(sentence.text) != language for sentence in pool) > 0.5 * len(pool)


def _share(missing: set[str], wanted: frozenset[str]) -> float:
    return 1.0 if not wanted else 1 - len(missing) / len(wanted)


def _weight(words: frozenset[str] | set[str], rarity: dict[str, float]) -> float:
    return sum(rarity.get(word, 1.0) for word in words)


def _rarity(pool: Sequence[SourceSentence]) -> dict[str, float]:
    counts: dict[str, int] = {}
    for sentence in pool:
        for word in sentence.words | sentence.context_words:
            counts[word] = counts.get(word, 0) + 1
    return {word: 1 / (1 + count) ** 0.5 for word, count in counts.items()}
