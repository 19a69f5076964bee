"""The two steps from what a question names to its answer, read off its gold passages where the graph does not know them.

With the passages and the answer given, less has to be found out than the graph has to: the one passage is about what the
question names, the other about what the first one leads to, and it says the answer. What the steps are called the question
says itself ("the father of X", "X's maternal grandmother").
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from graphs.gazetteer import Found
from graphs.vocabulary import Vocabulary
from kgrag.factuality.conditions import spoken
from kgrag.reader.questions import Questions, marked, unframed
from kgrag.reader.walk import Candidate
from kgrag.text import key, sentences, unbracketed
from kgrag.tune.questions.given import Given
from kgrag.types import Hit, Path, Triple


class Bridges:
    """Finds the steps in the words of a vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._questions = Questions(vocabulary)

    def find(self, question: Given) -> Candidate | None:
        """The first accepted answer that the steps lead to, with them; None unless there are two gold passages, of which the
        question names the one and the one names the other, the question asks in two steps, and the other says an answer."""
        if len(question.gold) != 2 or len(question.documents) != 2:
            return None
        for first, second in (question.gold, question.gold[::-1]):
            steps = self._asked(question.text, first.title)
            middle = next(_naming(first, _shorter(second.title)), None) if len(steps) == 2 else None
            last = next(_naming(second, question.answers), None)
            if middle is None or last is None or key(last[0]) in {key(first.title), key(middle[0])}:
                continue
            nodes = (key(first.title), key(second.title), key(last[0]))
            facts = tuple(
                Triple(nodes[n], steps[n], nodes[n + 1], hit.passage.id, *span, 1.0)
                for n, (hit, (_, span)) in enumerate(((first, middle), (second, last)))
            )
            names = (unbracketed(first.title), middle[0], last[0])
            return Candidate(last[0], Path(nodes, names, facts), 1.0)
        return None

    def _asked(self, question: str, title: str) -> list[str]:
        """The predicates that a question asks for, outward from a title that it names; none where it does not."""
        text = unframed(question)
        for name in (title, unbracketed(title)):
            if found := re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE):
                chain, last, _ = self._questions.parse(marked(text, Found(0, *found.span())))
                return [*chain, *last[:1]]
        return []


def _naming(hit: Hit, names: tuple[str, ...]) -> Iterator[tuple[str, tuple[int, int]]]:
    """The first of some names that a sentence of a passage says, as the sentence writes it, and the sentence's span in the
    document."""
    text = hit.passage.text
    for name in names:
        for start, end in sentences(text):
            if spoken(name, text[start:end]):
                found = re.search(re.escape(name), text[start:end], re.IGNORECASE)
                written = found.group() if found else name
                yield written, (hit.passage.start + start, hit.passage.start + end)


def _shorter(title: str) -> tuple[str, ...]:
    """What a passage may call another's subject: its title, or that without what tells it from others."""
    plain = unbracketed(title)
    return tuple(dict.fromkeys((plain, plain.split(",")[0], re.split(r",| of ", plain)[0])))
