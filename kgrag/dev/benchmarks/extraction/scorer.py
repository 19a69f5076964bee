"""Extraction measured on public datasets: names, linked pairs, relations, and coreference.

Every figure is counted over all items together (micro); its interval is bootstrapped over items. Names are compared as
`kgrag.dev.benchmarks.extraction.name_matching.comparison_form` normalizes them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations, islice

from graphs.predicates import PredicateSchema, load_predicate_schema
from ingest.extraction import extract_documents
from kgrag.dev.benchmarks.extraction.datasets import LabelledSpan, LabelledText
from kgrag.dev.benchmarks.extraction.name_matching import (
    NormalizedTriple,
    comparison_form,
    comparison_forms,
    normalize_triples,
)
from kgrag.dev.benchmarks.extraction.relation_mapping import (
    RelationMapping,
    conll04_relations,
    entity_types,
    is_same_relation,
    relation_predicates,
)
from kgrag.metrics.precision_recall import MatchCounts, count_matches, micro_scores, micro_share
from kgrag.types import Document, Extraction, Interval, Mention

BATCH_SIZE = 64
QUOTES = '《》“”"「」『』'
Figures = dict[str, Interval]
ExtractionResults = Sequence[tuple[LabelledText, Extraction]]
GoldTriple = tuple[frozenset[str], str, frozenset[str]]
"""A fact of a dataset: comparison forms of its subject, its relation, comparison forms of its object."""


def extract_in_batches(
    documents: Iterable[Document],
    size: int,
    tick: Callable[[], None] = lambda: None,
    transform: Callable[[Extraction], Extraction] = lambda extraction: extraction,
) -> Iterator[Extraction]:
    """Yield the extraction of each document, changed by ``transform``; ``size`` is in characters of a passage."""
    remaining = iter(documents)
    while batch := list(islice(remaining, BATCH_SIZE)):
        for extraction in extract_documents(batch, size):
            yield transform(extraction)
            tick()


def measure_extraction(
    name: str,
    items: Sequence[LabelledText],
    size: int,
    tick: Callable[[], None] = lambda: None,
    transform: Callable[[Extraction], Extraction] = lambda extraction: extraction,
) -> Figures:
    """Return the figures of a dataset (one of `MEASURES`) on the present extraction, changed by ``transform``."""
    extractions = extract_in_batches((item.document for item in items), size, tick, transform)
    return MEASURES[name](list(zip(items, extractions, strict=True)))


def count_pairs(predicted: Sequence[NormalizedTriple], gold: Sequence[GoldTriple]) -> MatchCounts:
    """Count unordered pairs of names that triples link, against the pairs of a dataset's facts."""
    gold_pairs = list(dict.fromkeys(frozenset((s, o)) for s, _, o in gold))
    ends = [(*pair, *pair)[:2] for pair in gold_pairs]
    triples_by_pair: dict[frozenset[str], list[NormalizedTriple]] = defaultdict(list)
    for triple in predicted:
        triples_by_pair[frozenset((triple.triple.subject, triple.triple.object))].append(triple)
    correct = sum(
        any(triple.direction_between(a, b) for triple in same for a, b in ends) for same in triples_by_pair.values()
    )
    gold_found = sum(any(triple.direction_between(a, b) for triple in predicted) for a, b in ends)
    return MatchCounts(correct, len(triples_by_pair), len(gold_pairs), gold_found)


def count_relations(
    predicted: Sequence[NormalizedTriple],
    gold: Sequence[GoldTriple],
    predicate_table: Mapping[str, tuple[str, ...]],
    schema: PredicateSchema,
) -> tuple[MatchCounts, tuple[int, int]]:
    """Count triples against facts with their relation; and the facts with the right relation, of those linked.

    Args:
        predicted: our triples.
        gold: the dataset's facts.
        predicate_table: a dataset's relations -> our predicates, see `relation_predicates`.
        schema: our predicates.
    """

    def matches_fact(triple: NormalizedTriple, fact: GoldTriple) -> bool:
        direction = triple.direction_between(fact[0], fact[2])
        return direction != 0 and is_same_relation(
            fact[1], triple.predicate, predicate_table, schema, is_reversed=direction < 0
        )

    distinct = {(triple.triple.subject, triple.predicate, triple.triple.object): triple for triple in predicted}
    facts = list(dict.fromkeys(gold))
    joined_facts = [fact for fact in facts if any(triple.direction_between(fact[0], fact[2]) for triple in predicted)]
    matched_facts = sum(any(matches_fact(triple, fact) for triple in predicted) for fact in joined_facts)
    correct = sum(any(matches_fact(triple, fact) for fact in facts) for triple in distinct.values())
    return MatchCounts(correct, len(distinct), len(facts), matched_facts), (matched_facts, len(joined_facts))


def count_typed_relations(
    predicted: Sequence[NormalizedTriple],
    gold: Sequence[GoldTriple],
    types: Mapping[str, str],
    relation_mappings: Mapping[str, RelationMapping],
) -> MatchCounts:
    """Count triples against a dataset's directed facts, each triple as one of the dataset's few relations.

    Predicate and type of the subject determine the relation.

    Args:
        predicted: our triples.
        gold: the dataset's facts.
        types: of our entities, by id; MISC for an entity without a type.
        relation_mappings: the relations, in the order in which they are compared; a triple that is none is left out.
    """
    triples_by_relation: dict[tuple[str, str, str], NormalizedTriple] = {}
    for triple in predicted:
        kind = types.get(triple.triple.subject, "MISC")
        names = [
            name for name, k in relation_mappings.items() if triple.predicate in k.predicates and kind in k.subjects
        ]
        if names:
            triples_by_relation[triple.triple.subject, names[0], triple.triple.object] = triple
    facts = list(dict.fromkeys(gold))

    def matches_fact(relation: str, triple: NormalizedTriple, fact: GoldTriple) -> bool:
        return relation == fact[1] and triple.direction_between(fact[0], fact[2]) > 0

    correct = sum(
        any(matches_fact(r, triple, fact) for fact in facts) for (_, r, _), triple in triples_by_relation.items()
    )
    matched_facts = sum(
        any(matches_fact(r, triple, fact) for (_, r, _), triple in triples_by_relation.items()) for fact in facts
    )
    return MatchCounts(correct, len(triples_by_relation), len(facts), matched_facts)


def count_coreference(
    labelled: Sequence[LabelledSpan], mentions: Sequence[Mention], *, different_spellings_only: bool = False
) -> MatchCounts:
    """Count pairs of mentions that share an entity of ours, against the pairs that share a labelled entity.

    A labelled mention has the entity of ours with the same span, else one with the same text, but for an article before
    it, anywhere in the document. Without either it is an entity of its own.

    Args:
        labelled: mentions of the dataset.
        mentions: ours.
        different_spellings_only: count only pairs of mentions that are spelt differently.
    """
    entity_by_span = {(m.start, m.end): m.entity_id for m in mentions}
    entity_by_spelling: dict[str, str] = {}
    for mention in mentions:
        entity_by_spelling.setdefault(_comparable_spelling(mention.surface), mention.entity_id)
    entity_ids = [
        entity_by_span.get((m.start, m.end)) or entity_by_spelling.get(_comparable_spelling(m.text)) for m in labelled
    ]
    pair_outcomes = [
        (
            labelled[a].entity_number == labelled[b].entity_number,
            entity_ids[a] is not None and entity_ids[a] == entity_ids[b],
        )
        for a, b in combinations(range(len(labelled)), 2)
        if not different_spellings_only or comparison_form(labelled[a].text) != comparison_form(labelled[b].text)
    ]
    correct = sum(is_same and joined for is_same, joined in pair_outcomes)
    return MatchCounts(
        correct, sum(joined for _, joined in pair_outcomes), sum(is_same for is_same, _ in pair_outcomes), correct
    )


def _comparable_spelling(name: str) -> str:
    return comparison_form(name).removeprefix("the ")


def _gold_triples(item: LabelledText) -> list[GoldTriple]:
    return [(comparison_forms(f.subject), f.relation, comparison_forms(f.object)) for f in item.facts]


def _measure_webnlg(results: ExtractionResults) -> Figures:
    schema, table = load_predicate_schema(), relation_predicates("webnlg")
    pair_counts, relation_counts = [], []
    for item, extraction in results:
        predicted, gold = normalize_triples(extraction, schema), _gold_triples(item)
        pair_counts.append(count_pairs(predicted, gold))
        relation_counts.append(count_relations(predicted, gold, table, schema))
    return {
        **micro_scores("pairs", pair_counts),
        **micro_share("relation_accuracy", [right for _, right in relation_counts]),
        **micro_scores("relation", [both for both, _ in relation_counts]),
    }


def _measure_conll04(results: ExtractionResults) -> Figures:
    schema, table, relation_mappings = load_predicate_schema(), entity_types("conll04"), conll04_relations()
    relation_counts, pair_counts = [], []
    for item, extraction in results:
        predicted, gold = normalize_triples(extraction, schema), _gold_triples(item)
        types = {m.entity_id: m.type for m in sorted(extraction.mentions, key=lambda m: m.type != "MISC")}
        relation_counts.append(count_typed_relations(predicted, gold, types, relation_mappings))
        pair_counts.append(count_pairs(predicted, gold))
    return {
        **micro_scores("relation", relation_counts),
        **micro_scores("pairs", pair_counts),
        **_name_scores(results, table),
        **_untyped_recall(results),
    }


def _measure_redocred(results: ExtractionResults) -> Figures:
    schema, table = load_predicate_schema(), entity_types("redocred")
    same_sentence, whole_document, cluster_counts, differing_counts, span_counts = [], [], [], [], []
    for item, extraction in results:
        predicted = normalize_triples(extraction, schema)
        spans_by_pair: dict[frozenset[frozenset[str]], tuple[tuple[int, int], ...]] = {}
        for fact in item.facts:
            spans_by_pair.setdefault(
                frozenset((comparison_forms(fact.subject), comparison_forms(fact.object))), fact.sentence_spans
            )
        triples_by_pair = {
            pair: [normalized.triple for normalized in predicted if normalized.direction_between(*(*pair, *pair)[:2])]
            for pair in spans_by_pair
        }
        spans_by_near_pair = {pair: spans_ for pair, spans_ in spans_by_pair.items() if spans_}
        sentence_matches = [
            any(t.start < e and s < t.end for t in triples_by_pair[p] for s, e in spans_)
            for p, spans_ in spans_by_near_pair.items()
        ]
        same_sentence.append((sum(sentence_matches), len(spans_by_near_pair)))
        whole_document.append((sum(map(bool, triples_by_pair.values())), len(spans_by_pair)))
        labelled_names = [m for m in item.names if table.get(m.type) not in ("DATE", "", None)]
        cluster_counts.append(count_coreference(labelled_names, extraction.mentions))
        differing_counts.append(count_coreference(labelled_names, extraction.mentions, different_spellings_only=True))
        predicted_spans = [(m.start, m.end) for m in extraction.mentions if m.type != "DATE"]
        span_counts.append(count_matches(predicted_spans, [(m.start, m.end) for m in labelled_names]))
    return {
        **micro_share("pair_recall", same_sentence),
        **micro_share("pair_recall_document", whole_document),
        **micro_scores("cluster", cluster_counts),
        **micro_scores("cluster_differing", differing_counts),
        **micro_scores("name", span_counts),
    }


def _measure_peoples_daily(results: ExtractionResults) -> Figures:
    table = entity_types("peoples-daily")
    return _name_scores(results, table) | _scores_by_type(results, table)


def _measure_cluener(results: ExtractionResults) -> Figures:
    table = entity_types("cluener")
    our_types = {kind: name for kind, name in table.items() if name}
    return {
        **_name_scores(results, table),
        **micro_scores("name_of_our_types", _name_counts(results, our_types), ("f1",)),
        **_scores_by_type(results, our_types),
    }


def _name_scores(results: ExtractionResults, table: Mapping[str, str]) -> Figures:
    """Score spans with their type, of the types that a dataset has; a type that we lack is always missed.

    CoNLL-04's "Other" is the lack of a type, and is left out.
    """
    return micro_scores("name", _name_counts(results, {t: k for t, k in table.items() if t != "Other"}))


def _scores_by_type(results: ExtractionResults, table: Mapping[str, str]) -> Figures:
    figures: Figures = {}
    for kind in dict.fromkeys(table.values()):
        type_table = {t: k for t, k in table.items() if k == kind}
        figures |= micro_scores(f"name_{kind.lower()}", _name_counts(results, type_table))
    # name_person_f1 as name_f1_person
    return {"_".join((name.split("_")[0], *name.split("_")[:0:-1])): figure for name, figure in figures.items()}


def _name_counts(results: ExtractionResults, table: Mapping[str, str]) -> list[MatchCounts]:
    kept_types = {kind for kind in table.values() if kind}
    return [
        count_matches(
            [(*_unquoted_span(m.surface, m.start), m.type) for m in extraction.mentions if m.type in kept_types],
            [(*_unquoted_span(n.text, n.start), table[n.type] or n.type) for n in item.names if n.type in table],
        )
        for item, extraction in results
    ]


def _untyped_recall(results: ExtractionResults) -> Figures:
    """Return the recall of labelled names of any type: spans alone."""
    return micro_share(
        "name_recall_untyped",
        [
            (
                len({(m.start, m.end) for m in e.mentions} & (spans := {(n.start, n.end) for n in item.names})),
                len(spans),
            )
            for item, e in results
        ],
    )


def _unquoted_span(text: str, start: int) -> tuple[int, int]:
    """Return a span without quotes and book-title marks at its ends.

    Datasets include them, and the extraction does not.
    """
    inner = text.lstrip(QUOTES)
    start += len(text) - len(inner)
    return start, start + len(inner.rstrip(QUOTES))


MEASURES: dict[str, Callable[[ExtractionResults], Figures]] = {
    "webnlg": _measure_webnlg,
    "conll04": _measure_conll04,
    "redocred": _measure_redocred,
    "peoples-daily": _measure_peoples_daily,
    "cluener": _measure_cluener,
}
