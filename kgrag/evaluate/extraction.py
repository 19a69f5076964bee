"""The present extraction held against public sets: names, pairs that are joined, relations, and one node for a thing.

Every figure is counted over all items together (micro); its interval draws items. Names are compared as
`kgrag.evaluate.called.value` has them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations, islice

from graphs.vocabulary import Vocabulary
from ingest.extract import extract
from ingest.patterns import vocabulary
from kgrag.evaluate.called import Stated, stated, value, values
from kgrag.evaluate.counts import Count, count, scores, share
from kgrag.evaluate.extraction_sets import Item, Marked
from kgrag.evaluate.relation_names import Kind, agrees, kinds, predicates_of, types_of
from kgrag.types import Document, Extraction, Interval, Mention

BATCH = 64
QUOTES = '《》“”"「」『』'
Figures = dict[str, Interval]
Read = Sequence[tuple[Item, Extraction]]
Gold = tuple[frozenset[str], str, frozenset[str]]
"""A fact of a set: the values of its subject, its relation, the values of its object."""


def read(
    documents: Iterable[Document],
    size: int,
    tick: Callable[[], None] = lambda: None,
    further: Callable[[Extraction], Extraction] = lambda extraction: extraction,
) -> Iterator[Extraction]:
    """What the extraction finds in each document, and ``further`` makes of it; ``size`` is the longest passage, in
    characters."""
    rest = iter(documents)
    while batch := list(islice(rest, BATCH)):
        for extraction in extract(batch, size):
            yield further(extraction)
            tick()


def measure(
    name: str,
    items: Sequence[Item],
    size: int,
    tick: Callable[[], None] = lambda: None,
    further: Callable[[Extraction], Extraction] = lambda extraction: extraction,
) -> Figures:
    """The figures of a set (one of `MEASURES`) on the extraction as it is, and as ``further`` changes it."""
    found = read((item.document for item in items), size, tick, further)
    return MEASURES[name](list(zip(items, found, strict=True)))


def pairs(ours: Sequence[Stated], gold: Sequence[Gold]) -> Count:
    """Unordered pairs of names that triples join, against the pairs of subject and object of a set's facts."""
    wanted = list(dict.fromkeys(frozenset((s, o)) for s, _, o in gold))
    ends = [(*pair, *pair)[:2] for pair in wanted]
    joined: dict[frozenset[str], list[Stated]] = defaultdict(list)
    for one in ours:
        joined[frozenset((one.triple.subject, one.triple.object))].append(one)
    right = sum(any(one.joins(a, b) for one in same for a, b in ends) for same in joined.values())
    found = sum(any(one.joins(a, b) for one in ours) for a, b in ends)
    return Count(right, len(joined), len(wanted), found)


def relations(
    ours: Sequence[Stated], gold: Sequence[Gold], table: Mapping[str, tuple[str, ...]], known: Vocabulary
) -> tuple[Count, tuple[int, int]]:
    """Triples against facts with their relation; and of the facts whose ends are joined at all, how many rightly.

    Args:
        table: a set's relations -> our predicates (`predicates_of`).
    """

    def right(one: Stated, fact: Gold) -> bool:
        way = one.joins(fact[0], fact[2])
        return way != 0 and agrees(fact[1], one.predicate, table, known, turned=way < 0)

    distinct = {(one.triple.subject, one.predicate, one.triple.object): one for one in ours}
    facts = list(dict.fromkeys(gold))
    joined = [fact for fact in facts if any(one.joins(fact[0], fact[2]) for one in ours)]
    met = sum(any(right(one, fact) for one in ours) for fact in joined)
    good = sum(any(right(one, fact) for fact in facts) for one in distinct.values())
    return Count(good, len(distinct), len(facts), met), (met, len(joined))


def sorts(ours: Sequence[Stated], gold: Sequence[Gold], types: Mapping[str, str], wanted: Mapping[str, Kind]) -> Count:
    """Triples as one of a set's few relations each, by predicate and type of subject, against its facts, directed.

    Args:
        types: of our entities, by id; MISC where there is none.
        wanted: the relations, in the order in which they are tried; a triple that is none of them is left out.
    """
    as_set: dict[tuple[str, str, str], Stated] = {}
    for one in ours:
        kind = types.get(one.triple.subject, "MISC")
        names = [name for name, k in wanted.items() if one.predicate in k.predicates and kind in k.subjects]
        if names:
            as_set[one.triple.subject, names[0], one.triple.object] = one
    facts = list(dict.fromkeys(gold))

    def right(relation: str, one: Stated, fact: Gold) -> bool:
        return relation == fact[1] and one.joins(fact[0], fact[2]) > 0

    good = sum(any(right(r, one, fact) for fact in facts) for (_, r, _), one in as_set.items())
    met = sum(any(right(r, one, fact) for (_, r, _), one in as_set.items()) for fact in facts)
    return Count(good, len(as_set), len(facts), met)


def clusters(marked: Sequence[Marked], mentions: Sequence[Mention], *, differing: bool = False) -> Count:
    """Pairs of a set's mentions that are one thing, against pairs that have one entity of ours.

    A mention has the entity of ours that is named at the same span, else of one with the same text, but for an article
    before it, anywhere in the document; without either it is a thing of its own.

    Args:
        differing: only pairs of mentions that are spelt differently.
    """
    at = {(m.start, m.end): m.entity_id for m in mentions}
    spelt: dict[str, str] = {}
    for mention in mentions:
        spelt.setdefault(_spelling(mention.surface), mention.entity_id)
    ours = [at.get((m.start, m.end)) or spelt.get(_spelling(m.text)) for m in marked]
    both = [
        (marked[a].thing == marked[b].thing, ours[a] is not None and ours[a] == ours[b])
        for a, b in combinations(range(len(marked)), 2)
        if not differing or value(marked[a].text) != value(marked[b].text)
    ]
    right = sum(same and one for same, one in both)
    return Count(right, sum(one for _, one in both), sum(same for same, _ in both), right)


def _spelling(name: str) -> str:
    return value(name).removeprefix("the ")


def _gold(item: Item) -> list[Gold]:
    return [(values(f.subject), f.relation, values(f.object)) for f in item.facts]


def _webnlg(results: Read) -> Figures:
    known, table = vocabulary(), predicates_of("webnlg")
    together, judged = [], []
    for item, extraction in results:
        ours, gold = stated(extraction, known), _gold(item)
        together.append(pairs(ours, gold))
        judged.append(relations(ours, gold, table, known))
    return {
        **scores("pairs", together),
        **share("relation_accuracy", [right for _, right in judged]),
        **scores("relation", [both for both, _ in judged]),
    }


def _conll04(results: Read) -> Figures:
    known, table, wanted = vocabulary(), types_of("conll04"), kinds()
    sorted_, together = [], []
    for item, extraction in results:
        ours, gold = stated(extraction, known), _gold(item)
        types = {m.entity_id: m.type for m in sorted(extraction.mentions, key=lambda m: m.type != "MISC")}
        sorted_.append(sorts(ours, gold, types, wanted))
        together.append(pairs(ours, gold))
    return {**scores("relation", sorted_), **scores("pairs", together), **_names(results, table), **_spans(results)}


def _redocred(results: Read) -> Figures:
    known, table = vocabulary(), types_of("redocred")
    near, far, same, differing, spans = [], [], [], [], []
    for item, extraction in results:
        ours = stated(extraction, known)
        places: dict[frozenset[frozenset[str]], tuple[tuple[int, int], ...]] = {}
        for fact in item.facts:
            places.setdefault(frozenset((values(fact.subject), values(fact.object))), fact.places)
        met = {pair: [one.triple for one in ours if one.joins(*(*pair, *pair)[:2])] for pair in places}
        inside = {pair: spans_ for pair, spans_ in places.items() if spans_}
        hits = [any(t.start < e and s < t.end for t in met[p] for s, e in spans_) for p, spans_ in inside.items()]
        near.append((sum(hits), len(inside)))
        far.append((sum(map(bool, met.values())), len(places)))
        named = [m for m in item.names if table.get(m.type) not in ("DATE", "", None)]
        same.append(clusters(named, extraction.mentions))
        differing.append(clusters(named, extraction.mentions, differing=True))
        found = [(m.start, m.end) for m in extraction.mentions if m.type != "DATE"]
        spans.append(count(found, [(m.start, m.end) for m in named]))
    return {
        **share("pair_recall", near),
        **share("pair_recall_document", far),
        **scores("cluster", same),
        **scores("cluster_differing", differing),
        **scores("name", spans),
    }


def _peoples_daily(results: Read) -> Figures:
    table = types_of("peoples-daily")
    return _names(results, table) | _by_type(results, table)


def _cluener(results: Read) -> Figures:
    table = types_of("cluener")
    ours = {kind: name for kind, name in table.items() if name}
    return {
        **_names(results, table),
        **scores("name_of_our_types", _name_counts(results, ours), ("f1",)),
        **_by_type(results, ours),
    }


def _names(results: Read, table: Mapping[str, str]) -> Figures:
    """Spans with their type, of the types that a set has; one that is no type of ours is always missed.

    CoNLL-04's "Other" is no type but the lack of one, and is left out.
    """
    return scores("name", _name_counts(results, {t: k for t, k in table.items() if t != "Other"}))


def _by_type(results: Read, table: Mapping[str, str]) -> Figures:
    found: Figures = {}
    for kind in dict.fromkeys(table.values()):
        part = {t: k for t, k in table.items() if k == kind}
        found |= scores(f"name_{kind.lower()}", _name_counts(results, part))
    # name_person_f1 as name_f1_person
    return {"_".join((name.split("_")[0], *name.split("_")[:0:-1])): figure for name, figure in found.items()}


def _name_counts(results: Read, table: Mapping[str, str]) -> list[Count]:
    kept = {kind for kind in table.values() if kind}
    return [
        count(
            [(*_bare(m.surface, m.start), m.type) for m in extraction.mentions if m.type in kept],
            [(*_bare(n.text, n.start), table[n.type] or n.type) for n in item.names if n.type in table],
        )
        for item, extraction in results
    ]


def _spans(results: Read) -> Figures:
    """Which marked names are found at all, whatever their type: spans alone."""
    return share(
        "name_recall_untyped",
        [
            (
                len({(m.start, m.end) for m in e.mentions} & (spans := {(n.start, n.end) for n in item.names})),
                len(spans),
            )
            for item, e in results
        ],
    )


def _bare(text: str, start: int) -> tuple[int, int]:
    """A span without quotes and book-title marks at its ends, which sets count in and the extraction does not."""
    inner = text.lstrip(QUOTES)
    start += len(text) - len(inner)
    return start, start + len(inner.rstrip(QUOTES))


MEASURES: dict[str, Callable[[Read], Figures]] = {
    "webnlg": _webnlg,
    "conll04": _conll04,
    "redocred": _redocred,
    "peoples-daily": _peoples_daily,
    "cluener": _cluener,
}
