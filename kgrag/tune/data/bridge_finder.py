"""Find the two steps from a question's entity to its answer in the gold passages, if the graph lacks them.

With passages and answer given, this is easier than for the graph: one passage is about the question's entity and names
the subject of the other passage, which states the answer. The question itself names the relations ("the father of X",
"X's maternal grandmother").
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from graphs.gazetteer import NameMatch
from graphs.predicates import PredicateSchema
from kgrag.factuality.experiment.conditions import mentions_answer
from kgrag.graphqa.question_parser import QuestionParser, mask_entity, strip_preamble
from kgrag.graphqa.traversal import GraphAnswer
from kgrag.text import normalize_name, sentence_spans, strip_disambiguation
from kgrag.tune.data.user_questions import UserQuestion
from kgrag.types import Hit, Path, Triple


class BridgeFinder:
    """Finder of two-step paths, with the relation words of a predicate schema."""

    def __init__(self, vocabulary: PredicateSchema) -> None:
        self._parser = QuestionParser(vocabulary)

    def find(self, question: UserQuestion) -> GraphAnswer | None:
        """Return the first accepted answer with its steps, or None.

        There must be two gold passages. The question names the subject of one, which names the subject of the other,
        which states an answer; and the question asks for two relations.
        """
        if len(question.gold) != 2 or len(question.documents) != 2:
            return None
        for first, second in (question.gold, question.gold[::-1]):
            steps = self._predicates_asked(question.text, first.title)
            bridge_mention = next(_find_name(first, _title_variants(second.title)), None) if len(steps) == 2 else None
            answer_mention = next(_find_name(second, question.answers), None)
            if (
                bridge_mention is None
                or answer_mention is None
                or normalize_name(answer_mention[0]) in {normalize_name(first.title), normalize_name(bridge_mention[0])}
            ):
                continue
            entity_ids = (normalize_name(first.title), normalize_name(second.title), normalize_name(answer_mention[0]))
            facts = tuple(
                Triple(entity_ids[n], steps[n], entity_ids[n + 1], hit.passage.id, *span, 1.0)
                for n, (hit, (_, span)) in enumerate(((first, bridge_mention), (second, answer_mention)))
            )
            names = (strip_disambiguation(first.title), bridge_mention[0], answer_mention[0])
            return GraphAnswer(answer_mention[0], Path(entity_ids, names, facts), 1.0)
        return None

    def _predicates_asked(self, question: str, title: str) -> list[str]:
        """Return the predicates that a question asks for, outward from a title in it; none if it lacks the title."""
        text = strip_preamble(question)
        for name in (title, strip_disambiguation(title)):
            if match := re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE):
                chain, last, _ = self._parser.parse_relation_path(mask_entity(text, NameMatch(0, *match.span())))
                return [*chain, *last[:1]]
        return []


def _find_name(hit: Hit, names: tuple[str, ...]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield each name that a passage mentions: its surface form, and its sentence's span in the document."""
    text = hit.passage.text
    for name in names:
        for start, end in sentence_spans(text):
            if mentions_answer(name, text[start:end]):
                match = re.search(re.escape(name), text[start:end], re.IGNORECASE)
                surface = match.group() if match else name
                yield surface, (hit.passage.start + start, hit.passage.start + end)


def _title_variants(title: str) -> tuple[str, ...]:
    """Return the names by which a passage may mention another's subject: its title, or the title without qualifiers."""
    plain = strip_disambiguation(title)
    return tuple(dict.fromkeys((plain, plain.split(",")[0], re.split(r",| of ", plain)[0])))
