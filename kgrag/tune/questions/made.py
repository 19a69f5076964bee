"""Questions made of facts: of one step, of two over two documents. `kgrag.tune.questions.compared` makes comparisons."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from graphs.facts import LIKELY, Facts
from kgrag.dates import date
from kgrag.reader.walk import Candidate
from kgrag.reader.wording import Asking, Wording, filled, fitting
from kgrag.text import key, language
from kgrag.tune.questions.fact import Fact
from kgrag.types import Path

ONE, TWO, COMPARISON, UNANSWERABLE, GIVEN = "one-hop", "two-hop", "comparison", "unanswerable", "given"


@dataclass(frozen=True, slots=True)
class Made:
    """A question that facts answer. ``facts`` are in the order of its steps, each with its sentence and span; ``path`` is the
    walk that answers it (a comparison rests on a second, ``also``); ``asks`` is what it asks for, by which a sample is
    balanced."""

    text: str
    answer: str
    kind: str
    lang: str
    facts: tuple[Fact, ...]
    path: Path
    asks: str
    also: tuple[Path, ...] = ()

    @property
    def id(self) -> str:
        """The kind, and a digest of the question."""
        return f"{self.kind}-{digest(self.text):064x}"[: len(self.kind) + 13]

    @property
    def walk(self) -> Candidate:
        """The answer with the walks that it rests on."""
        return Candidate(self.answer, self.path, 1.0, self.also)

    @property
    def documents(self) -> tuple[str, ...]:
        """The gold documents, each once."""
        return tuple(dict.fromkeys(fact.document for fact in self.facts))

    @property
    def passages(self) -> tuple[str, ...]:
        """The gold passages, each once."""
        return tuple(dict.fromkeys(fact.triple.passage_id for fact in self.facts))

    @property
    def told_by(self) -> str:
        """The passage that says the answer; "" where it takes several."""
        if self.kind == COMPARISON:
            return next((f.triple.passage_id for f in self.facts if f.subject.name == self.answer), "")
        return self.facts[-1].triple.passage_id


def digest(*parts: object) -> int:
    """A number of 256 bits that depends on the parts alone: what chooses, the same everywhere and always."""
    said = "/".join(map(str, parts)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(said).digest(), "big")


def one_hop(facts: Sequence[Fact], words: Wording, seed: int) -> Iterator[Made]:
    """A question for each fact: what is the object?"""
    for fact in facts:
        asking = words.asking[fact.predicate]
        forms = fitting(asking.whole.get(fact.lang, ()), date(fact.answer))
        form = drawn(forms, seed, "one", fact.subject.entity, fact.predicate)
        if form and not _elsewise(fact, asking):
            text = filled(form, X=called(fact, asking, seed))
            if language(text) == fact.lang:
                yield Made(text, fact.answer, ONE, fact.lang, (fact,), path_of(fact), fact.predicate)


def two_hop(facts: Sequence[Fact], store: Facts, words: Wording, seed: int) -> Iterator[Made]:
    """A question for each two facts of two documents where the one is about what the other gives."""
    by_subject: defaultdict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        by_subject[fact.subject.entity].append(fact)
    steps = {path[0] for path in words.kin} | {name for name, asking in words.asking.items() if any(asking.of.values())}
    for first in facts:
        for second in by_subject.get(_meant(first, store), ()) if first.predicate in steps else ():
            text = _chained(first, second, words, seed)
            if text and language(text) == first.lang:
                nodes = (first.triple.subject, first.triple.object, second.triple.object)
                names = (first.subject.name, first.answer, second.answer)
                path = Path(nodes, names, (first.triple, second.triple))
                asks = f"{first.predicate} {second.predicate}"
                yield Made(text, second.answer, TWO, first.lang, (first, second), path, asks)


def _chained(first: Fact, second: Fact, words: Wording, seed: int) -> str:
    """The question for two steps; "" where they do not go together, or it would give its answer away."""
    asking, later = words.asking[first.predicate], words.asking[second.predicate]
    chain = (first.predicate, second.predicate)
    given = f" {key(first.subject.described)} "
    if (
        second.lang != first.lang
        or second.document == first.document
        or (later.about and asking.gives not in later.about)
        or (second.subject.sort and second.subject.sort != asking.gives)
        or f" {key(second.answer)} " in given
        or second.triple.object in (first.subject.entity, first.triple.object)
        or _elsewise(second, later)
    ):
        return ""
    x = called(first, asking, seed)
    kin = drawn(words.kin.get(chain, {}).get(first.lang, ()), seed, "kin", x)
    of = drawn(asking.of.get(first.lang, ()), seed, "of", x)
    whole = drawn(fitting(later.whole.get(first.lang, ()), date(second.answer)), seed, "two", x, *chain)
    return filled(kin, X=x) if kin else filled(whole, X=filled(of, X=x)) if of and whole else ""


def drawn(forms: Sequence[str], *parts: object) -> str:
    """One of some forms, by a digest; "" of none."""
    return forms[digest(*parts) % len(forms)] if forms else ""


def called(fact: Fact, asking: Asking, seed: int) -> str:
    """The subject as a question names it: every second work with what it is, "the film Dharti"."""
    subject = fact.subject
    plain = subject.described == subject.name
    if asking.work and plain and subject.kind and subject.kind not in key(subject.name).split():
        return (
            f"the {subject.kind} {subject.name}"
            if " " not in subject.name or digest(seed, subject.entity) % 2
            else subject.name
        )  # a single word may be anything
    return subject.described


def path_of(fact: Fact) -> Path:
    """The walk of one fact."""
    triple = fact.triple
    return Path((triple.subject, triple.object), (fact.subject.name, fact.answer), (triple,))


def _meant(fact: Fact, store: Facts) -> str:
    """The one entity with a document that the object may be; "" where there are several, or it is not sure."""
    read = store.readings(fact.triple.object, known=fact.triple)
    titled = {entity for entity, certain in read if certain >= LIKELY and store.title(entity)}
    if fact.lang == "en" and " " not in fact.triple.object:
        # of the many called Mary, only who is called nothing else
        titled = {entity for entity in titled if entity == fact.triple.object}
    return titled.pop() if len(titled) == 1 else ""


def _elsewise(fact: Fact, asking: Asking) -> bool:
    """Whether "which country" would be answered with "American", or asked of what is in none ("India", of a film)."""
    if asking.gives != "country" or fact.lang != "en":
        return False
    return fact.subject.sort == "work" or fact.type == "GROUP"
