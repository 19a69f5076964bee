"""Questions that people have: of a file, with passages of their own or with the store's as evidence.

Two forms, both JSON lines: those of `kgrag.evaluate.questions` (``_id, text, answers, gold``), whose evidence is the store's,
and rows that bring their own (``passages``: a list of ``{title, text, gold}``), which need no store.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kgrag.answer import fact_lines
from kgrag.errors import ReadError, UsageError
from kgrag.evaluate.questions import load_questions
from kgrag.evidence import Shown
from kgrag.factuality.conditions import spoken
from kgrag.reader.walk import Candidate
from kgrag.steps import stepped
from kgrag.text import content_words, key, language, sentences
from kgrag.tune.example import Example
from kgrag.tune.questions.asked import Count, answered, messages, shown_for, silence, steps_of
from kgrag.tune.questions.made import GIVEN, UNANSWERABLE, digest
from kgrag.types import Hit, Passage, Triple

PASSAGES = 8
"""How many are shown at most."""
Search = Callable[[str, int], list[Hit]]
Read = Callable[[str], list[Candidate]]
"""The graph's answers to a question, best first."""


@dataclass(frozen=True)
class Given:
    """A question with accepted ``answers`` and its ``gold`` and other passages (``others``: a function, since to find them may take a search)."""

    id: str
    text: str
    answers: tuple[str, ...]
    gold: tuple[Hit, ...]
    others: Callable[[], list[Hit]]

    @property
    def documents(self) -> tuple[str, ...]:
        """The gold documents, each once."""
        return tuple(dict.fromkeys(hit.passage.document_id for hit in self.gold))


def read(path: Path, search: Search | None, gold: Callable[[Any], list[Hit]] | None, left: Counter[str]) -> list[Given]:
    """The questions of a file that have answers and evidence; ``left`` counts the others.

    Args:
        path: jsonl or jsonl.gz, of either form.
        search: brings passages of the store for a question; None without a store.
        gold: the passages of a question's gold documents; None without a store.
        left: counts, in words, what is left out.

    Raises:
        UsageError: there is no such file, no question has an answer, or they need a store and there is none.
        ReadError: a line is no question.
    """
    if not path.is_file():
        raise UsageError(f"Expected a file of questions at {path} and found none: check the path.")
    rows = list(numbered(path)) if _brings_passages(path) else None
    if rows is None and (search is None or gold is None):
        raise UsageError(
            f"The questions of {path} bring no passages, so they are asked of a store: name it with --store."
        )
    found = []
    if rows is not None:
        found = [_with_passages(path, number, row) for number, row in rows]
    elif search is not None and gold is not None:
        found = [_with_store(q, search, gold) for q in load_questions(path)]
    answered_ones = [q for q in found if q.answers]
    if not answered_ones:
        raise UsageError(
            f"None of the {len(found)} questions of {path} has an answer, and what is to be learned is answers: "
            'add "answers" to them, or leave the file out, so that questions are written from the store.'
        )
    if len(answered_ones) < len(found):
        left["a question without an answer"] += len(found) - len(answered_ones)
    return answered_ones


def _brings_passages(path: Path) -> bool:
    _, first = next(numbered(path), (0, {}))
    return isinstance(first, dict) and "passages" in first


def numbered(path: Path) -> Iterator[tuple[int, Any]]:
    """The objects of a file of JSON lines, gzip or plain, each with the number of its line.

    Raises:
        ReadError: it cannot be read to its end, or a line is no JSON.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    try:
                        yield number, json.loads(line)
                    except ValueError as error:
                        raise ReadError(
                            f"{path}, line {number}: expected a JSON object, found another ({error})."
                        ) from error
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ReadError(f"{path} could not be read to its end ({error}).") from error


def _with_passages(path: Path, number: int, row: Any) -> Given:
    try:
        hits = [_hit(p["title"], p["text"]) for p in row["passages"]]
        right = [bool(p.get("gold")) for p in row["passages"]]
        answers = tuple(str(a) for a in row.get("answers", ()) if str(a).strip())
        gold = tuple(hit for hit, is_gold in zip(hits, right, strict=True) if is_gold)
        others = [hit for hit, is_gold in zip(hits, right, strict=True) if not is_gold]
        return Given(str(row.get("_id", number)), str(row["text"]), answers, gold, lambda: others)
    except (KeyError, TypeError, AttributeError) as error:
        raise ReadError(
            f'{path}, line {number}: expected a JSON object with "text", "answers" and "passages" (each with "title", "text" '
            f'and "gold"; {type(error).__name__}: {error}); mend that line.'
        ) from error


def _hit(title: Any, text: Any) -> Hit:
    """A passage that is of no store; its document is known by what it says."""
    if not isinstance(title, str) or not isinstance(text, str):
        raise TypeError("title and text are texts")
    document = f"{digest(title, text):064x}"[:16]
    return Hit(Passage(f"{document}#0001", document, text, 0, len(text)), title, "", 1.0, 1)


def _with_store(question: Any, search: Search, gold: Callable[[Any], list[Hit]]) -> Given:
    return Given(
        question.id, question.text, question.answers, tuple(gold(question)), lambda: search(question.text, PASSAGES + 8)
    )


def settled(questions: Sequence[Given]) -> list[Given]:
    """Questions with gold passages: where nobody says which they are, those that were found, say an answer, and have the most
    of the question's words."""
    found = []
    for question in questions:
        if not question.gold:
            hits = question.others()
            telling = [h for h in hits[:PASSAGES] if any(spoken(a, h.passage.text) for a in question.answers)]
            asked = {*content_words(question.text)}
            shared = [len(asked & {*content_words(f"{h.title} {h.passage.text}")}) for h in telling]
            gold = tuple(h for h, words in zip(telling, shared, strict=True) if words == max(shared))
            question = replace(question, gold=gold[:3], others=_given(hits))
        found.append(question)
    return found


def _given(hits: list[Hit]) -> Callable[[], list[Hit]]:
    return lambda: hits


def examples(
    questions: Sequence[Given],
    count: Count,
    seed: int,
    left: Counter[str],
    tick: Callable[[int], None] = lambda _: None,
    read: Read = lambda _: [],
    *,
    stepwise: bool = False,
) -> Iterator[Example]:
    """An example of each question that its evidence answers; one in five is asked with its gold passages taken away.

    Questions that bring the same passages are shown the same of them, in the same order. Where the graph's answer is right
    and walks through the gold passages, its steps come before the answer.

    Args:
        questions: with their gold passages.
        count: tokens of a text.
        seed: the same seed makes the same examples.
        left: counts, in words, the questions that became none.
        tick: told how many more are done.
        read: asks the store's graph; without a store there are no steps.
        stepwise: leave out what takes several gold passages where the graph does not say in which steps.
    """
    groups: defaultdict[tuple[str, ...], list[Given]] = defaultdict(list)
    for question in questions:
        known = tuple(h.passage.id for h in question.gold)
        groups[known or (question.id,)].append(question)
    strangers = [hit for q in questions for hit in q.gold]
    for group in groups.values():
        for start in range(0, len(group), 6):
            some = group[start : start + 6]
            walks = {q.id: _walk(q, read) for q in some}
            if stepwise:
                untold = {q.id for q in some if len(q.documents) > 1 and walks[q.id] is None}
                left["takes several passages, and no facts say in which steps"] += len(untold)
                some = [q for q in some if q.id not in untold]
            yield from _pack(some, walks, strangers, count, seed, left, read)
            tick(len(group[start : start + 6]))


def _walk(question: Given, read: Read) -> Candidate | None:
    """The graph's best answer, if it is an accepted one, read in gold passages alone."""
    best = next(iter(read(question.text)), None)
    gold = {h.passage.id for h in question.gold}
    if best is None or key(best.text) not in {key(answer) for answer in question.answers}:
        return None
    return best if {t.passage_id for t in _triples(best)} <= gold else None


def _triples(walk: Candidate) -> list[Triple]:
    return [triple for path in (walk.path, *walk.also) for triple in path.triples]


def _pack(
    group: Sequence[Given],
    walks: Mapping[str, Candidate | None],
    strangers: Sequence[Hit],
    count: Count,
    seed: int,
    left: Counter[str],
    read: Read,
) -> Iterator[Example]:
    compared = bool(group) and bool(digest(seed, "instruction", group[0].id) % 2)
    silent = [q for q in group if q.gold and digest(seed, "silent", q.id) % 5 == 0]
    spoken_of = [q for q in group if q not in silent]
    if spoken_of:
        first = spoken_of[0]
        others = [h for h in first.others() if h.passage.id not in {g.passage.id for g in first.gold}]
        gold = first.gold
        walked = [t for q in spoken_of if (walk := walks[q.id]) for t in _triples(walk)]
        shown = _shown(spoken_of, [*gold, *others], gold, count, seed, walked)
        for question in spoken_of:
            said, walk = _said(question, shown, gold), walks[question.id]
            if said:
                lang = language(question.text)
                # of half of the questions the lines of facts that `kgrag ask` would show
                lines = fact_lines(read(question.text), shown) if digest(seed, "lines", question.id) % 2 else []
                asked = messages(question.text, shown, lines, compared=compared)
                steps = steps_of(question.text, walk, shown) if walk else []
                yield Example(question.id, asked, stepped(steps, said, lang), GIVEN, lang)
            else:
                left["its passages do not say any of its answers"] += 1
    for question in silent:
        hidden = {*question.documents}
        rest = [h for h in question.others() if h.passage.document_id not in hidden]
        if not rest:  # its gold passages are all there are: others' stand there
            place = digest(seed, "strangers", question.id) % max(len(strangers), 1)
            rest = [h for h in (*strangers[place:], *strangers[:place])[:40] if h.passage.document_id not in hidden][:3]
        rest = [h for h in rest if not any(spoken(a, f"{h.title}. {h.passage.text}") for a in question.answers)]
        if not rest:
            left["nothing to show in the place of its gold passages"] += 1
            continue
        shown = _shown([question], rest, (), count, seed)
        lang = language(question.text)
        asked = messages(question.text, shown, compared=compared)
        yield Example(question.id, asked, silence(question.text, compared=compared), UNANSWERABLE, lang)


def _shown(
    questions: Sequence[Given],
    hits: Sequence[Hit],
    gold: Sequence[Hit],
    count: Count,
    seed: int,
    walked: Sequence[Triple] = (),
) -> list[Shown]:
    """What of the passages is shown: the sentences of a walk, of other gold passages those that say an answer, or else the
    first, and what else there is room for."""
    budget = 300 + digest(seed, "budget", questions[0].id) % 101
    hits = list({h.passage.id: h for h in hits}.values())[:PASSAGES]
    there = {hit.passage.id for hit in hits}
    must = list(dict.fromkeys((t.passage_id, t.start, t.end) for t in walked if t.passage_id in there))
    walked_in = {t.passage_id for t in walked}
    for hit in gold:
        text, spans = hit.passage.text, sentences(hit.passage.text)
        telling = [span for span in spans if any(spoken(a, text[slice(*span)]) for q in questions for a in q.answers)]
        must += [
            (hit.passage.id, hit.passage.start + a, hit.passage.start + b)
            for a, b in telling or spans[: hit.passage.id not in walked_in]
        ]
    shown = shown_for([q.text for q in questions], hits, must[:8], budget, count)
    order = sorted(shown, key=lambda s: digest(seed, questions[0].id, s.hit.passage.id))
    return [replace(s, number=n) for n, s in enumerate(order, 1)]


def _said(question: Given, shown: Sequence[Shown], gold: Sequence[Hit]) -> str:
    """The first accepted answer that a passage shown says, with marks; "" where none is."""
    passages = [h.passage.id for h in gold]
    said = (answered(question.text, answer, shown, passages) for answer in question.answers)
    return next((text for text in said if text), "")
