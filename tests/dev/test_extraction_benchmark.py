"""Extraction benchmark: its measures, and the parsers of each public dataset's format, on synthetic texts."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from graphs.predicates import PredicateSchema, load_predicate_schema
from ingest.relations.classifier import load_classifier
from kgrag.cli.bench.extraction import ExtractionSet
from kgrag.cli.main import app
from kgrag.dev.benchmarks.extraction import scorer as measures
from kgrag.dev.benchmarks.extraction.datasets import FORMATS, LabelledSpan, detokenize, load_labelled_texts
from kgrag.dev.benchmarks.extraction.name_matching import NormalizedTriple, comparison_form, normalize_triples
from kgrag.dev.benchmarks.extraction.relation_mapping import (
    conll04_relations,
    entity_types,
    is_same_relation,
    relation_name_words,
    relation_predicates,
)
from kgrag.dev.benchmarks.extraction.two_wiki import edge_recall, load_documents, load_evidence
from kgrag.dev.benchmarks.pathquestion import (
    PathQuestion,
    chance_accuracy,
    load_path_sets,
    measure_path_answers,
    score_answer,
)
from kgrag.dev.benchmarks.relation_path_reader import RelationPathReader, relation_words
from kgrag.errors import KgragError, ReadError, UsageError
from kgrag.metrics.precision_recall import MatchCounts
from kgrag.types import Mention, Triple

SAMPLES: dict[str, str] = {
    "webnlg": json.dumps(
        [
            {
                "text": "Runa Vell ( born 4 May 1911 ) was born in Oslo .",
                "triple_list": [["Runa_Vell", "birthPlace", "Oslo"], ["Runa Vell", "shoeSize", "41"]],
            }
        ]
    ),
    "conll04": json.dumps(
        [
            {
                "tokens": ["Runa", "Vell", "works", "in", "Oslo", ",", "Norway", "."],
                "entities": [
                    {"type": "Peop", "start": 0, "end": 2},
                    {"type": "Loc", "start": 4, "end": 5},
                    {"type": "Loc", "start": 6, "end": 7},
                ],
                "relations": [{"type": "Located_In", "head": 1, "tail": 2}],
            }
        ]
    ),
    "redocred": json.dumps(
        [
            {
                "title": "Runa Vell",
                "sents": [
                    ["Runa", "Vell", "was", "a", "Norwegian", "painter", "."],
                    ["She", "was", "born", "in", "Oslo", "."],
                    ["Vell", "died", "in", "Rome", "."],
                ],
                "vertexSet": [
                    [
                        {"name": "Runa Vell", "sent_id": 0, "pos": [0, 2], "type": "PER"},
                        {"name": "She", "sent_id": 1, "pos": [0, 1], "type": "PER"},
                        {"name": "Vell", "sent_id": 2, "pos": [0, 1], "type": "PER"},
                    ],
                    [{"name": "Oslo", "sent_id": 1, "pos": [4, 5], "type": "LOC"}],
                    [{"name": "Rome", "sent_id": 2, "pos": [3, 4], "type": "LOC"}],
                ],
                "labels": [{"h": 0, "t": 1, "r": "P19"}, {"h": 0, "t": 2, "r": "P20"}],
            }
        ]
    ),
    "peoples-daily": "李 B-PER\n明 I-PER\n去 O\n上 B-LOC\n海 I-LOC\n。 O\n\n好 O\n。 O\n",
    "cluener": json.dumps(
        {"text": "李明在上海读《红楼梦》。", "label": {"name": {"李明": [[0, 1]]}, "book": {"《红楼梦》": [[6, 10]]}}},
        ensure_ascii=False,
    ),
}


def triple(subject: str, predicate: str, object: str) -> Triple:
    return Triple(subject, predicate, object, "d#0001", 0, 10, 0.9)


def normalized_triple(subject: str, predicate: str, object: str) -> NormalizedTriple:
    return NormalizedTriple(frozenset({subject}), predicate, frozenset({object}), triple(subject, predicate, object))


def fact(subject: str, relation: str, object: str) -> measures.GoldTriple:
    return frozenset({subject}), relation, frozenset({object})


@pytest.fixture(params=[False, True], ids=["plain", "gzip"])
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    def write(text: str) -> Path:
        path = tmp_path / "set.bin"
        path.write_bytes(gzip.compress(text.encode()) if request.param else text.encode())
        return path

    return write


# Formats ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SAMPLES)
def test_load_labelled_texts_spans_match_names(name: str, written: Any) -> None:
    items = load_labelled_texts(name, written(SAMPLES[name]))
    assert items[0].document.lang == ("zh" if name in ("peoples-daily", "cluener") else "en")
    assert all(item.document.text[m.start : m.end] == m.text for item in items for m in item.names)
    assert len(load_labelled_texts(name, written(SAMPLES[name]), 1)) == 1


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("other", SAMPLES)
def test_load_labelled_texts_other_format_is_refused(name: str, other: str, written: Any) -> None:
    if name != other:
        with pytest.raises(ReadError, match=r"expected .*found"):
            load_labelled_texts(name, written(SAMPLES[other]))


def test_load_labelled_texts_content_of_each_format(written: Any) -> None:
    webnlg = load_labelled_texts("webnlg", written(SAMPLES["webnlg"]))[0]
    assert webnlg.document.text == "Runa Vell (born 4 May 1911) was born in Oslo."
    assert webnlg.document.title == "" and webnlg.facts[0].relation == "birthPlace"
    conll04 = load_labelled_texts("conll04", written(SAMPLES["conll04"]))[0]
    assert conll04.document.text == "Runa Vell works in Oslo, Norway."
    assert [(f.subject, f.relation, f.object) for f in conll04.facts] == [(("Oslo",), "Located_In", ("Norway",))]
    redocred = load_labelled_texts("redocred", written(SAMPLES["redocred"]))[0]
    assert [m.text for m in redocred.names] == ["Runa Vell", "Vell", "Oslo", "Rome"], "a pronoun is no name"
    assert [f.sentence_spans for f in redocred.facts] == [(), ((57, 75),)], "only sentences with named mentions count"
    daily = load_labelled_texts("peoples-daily", written(SAMPLES["peoples-daily"]))
    assert [[(m.text, m.type) for m in item.names] for item in daily] == [[("李明", "PER"), ("上海", "LOC")], []]
    cluener = load_labelled_texts("cluener", written(SAMPLES["cluener"]))[0]
    assert [(m.text, m.type) for m in cluener.names] == [("李明", "name"), ("《红楼梦》", "book")]


def test_load_labelled_texts_unreadable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="found none"):
        load_labelled_texts("webnlg", tmp_path / "none.json")
    broken = tmp_path / "broken.gz"
    broken.write_bytes(gzip.compress(b"[]" * 99)[:20])
    with pytest.raises(ReadError):
        load_labelled_texts("webnlg", broken)
    empty = tmp_path / "empty"
    empty.write_text("")
    for name in FORMATS:
        with pytest.raises(ReadError, match=r"(?i)expected"):
            load_labelled_texts(name, empty)


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_categories=("Z", "C")), min_size=1, max_size=5), max_size=12)
)
def test_detokenize_keeps_words_and_order(words: list[str]) -> None:
    text, spans = detokenize(words)
    assert [text[start:end] for start, end in spans] == words
    assert "".join(text.split()) == "".join("".join(words).split())
    assert all(a[1] <= b[0] <= a[1] + 1 for a, b in pairwise(spans))


def test_detokenize_worked_example() -> None:
    line = 'He said : " No ( so the well - known Ada Lovelace \'s son ) " , 1990 - 91 .'
    assert detokenize(line.split())[0] == 'He said: "No (so the well-known Ada Lovelace\'s son)", 1990 - 91.'


# Names and relations ------------------------------------------------------------------------------------------------


def test_comparison_form_of_names_dates_and_numbers() -> None:
    assert comparison_form("Runa_Vell") == comparison_form("runa vell")
    assert (
        comparison_form("13 March 1963")
        == comparison_form("March 13 , 1963")
        == comparison_form("1963-03-13")
        == comparison_form("13 march 1963")
    )
    assert comparison_form("May 2001") == "2001-05" and comparison_form("September 1901") == comparison_form(
        "Sept 1901"
    )
    assert comparison_form("50,000") == comparison_form("50000") != comparison_form("5,000")
    assert comparison_form("1963") != comparison_form("13 March 1963")


def test_relation_tables_name_known_predicates_and_types() -> None:
    predicates = set(load_predicate_schema().predicates)
    for name in ("webnlg", "2wiki"):
        mapped = {p.removeprefix("^") for targets in relation_predicates(name).values() for p in targets}
        assert mapped and mapped <= predicates
    classes = {name.removeprefix("^") for name in load_classifier().classes}
    assert {p for kind in conll04_relations().values() for p in kind.predicates} <= predicates | classes
    types = {"PERSON", "PLACE", "ORGANISATION", "WORK", "MISC", "DATE", ""}
    assert {
        kind for name in ("conll04", "redocred", "peoples-daily", "cluener") for kind in entity_types(name).values()
    } <= types
    assert len(entity_types("cluener")) == 10 and set(conll04_relations()) == {
        "Live_In",
        "OrgBased_In",
        "Located_In",
        "Work_For",
        "Kill",
    }


def test_is_same_relation_by_table_inverse_and_words() -> None:
    schema, table = load_predicate_schema(), {"parent": ("father",), "made": ("^author",), "wed": ("spouse",)}

    def right(relation: str, predicate: str, is_reversed: bool = False) -> bool:
        return is_same_relation(relation, predicate, table, schema, is_reversed=is_reversed)

    assert right("parent", "father") and not right("parent", "father", True) and not right("parent", "mother")
    assert right("parent", "child", True) and not right("parent", "child")
    assert right("made", "author", True) and not right("made", "author")
    assert right("wed", "spouse") and right("wed", "spouse", True)
    assert relation_name_words("shoeSize") == relation_name_words("shoe_size") and right("shoeSize", "shoe_size")
    assert not right("shoeSize", "shoe_size", True) and not right("shoeSize", "award")


# Metrics ------------------------------------------------------------------------------------------------------------


def test_count_pairs_ignores_direction_and_duplicates() -> None:
    predicted = [
        normalized_triple("a", "author", "b"),
        normalized_triple("a", "creator", "b"),
        normalized_triple("a", "child", "z"),
    ]
    assert measures.count_pairs(
        predicted, [fact("b", "x", "a"), fact("a", "y", "b"), fact("a", "y", "c")]
    ) == MatchCounts(1, 2, 2, 1)


def test_count_pairs_of_one_name_with_itself() -> None:
    assert measures.count_pairs([normalized_triple("a", "part_of", "a")], [fact("a", "x", "a")]) == MatchCounts(
        1, 1, 1, 1
    )


def test_count_relations_accuracy_of_linked_facts() -> None:
    table = {"wrote": ("author",), "lives": ("located_in",)}
    predicted = [normalized_triple("book", "author", "ada"), normalized_triple("ada", "child", "oslo")]
    gold = [fact("book", "wrote", "ada"), fact("ada", "lives", "oslo"), fact("ada", "lives", "rome")]
    counts, accuracy = measures.count_relations(predicted, gold, table, load_predicate_schema())
    assert accuracy == (1, 2) and counts == MatchCounts(1, 2, 3, 1)


def test_count_typed_relations_by_predicate_and_type() -> None:
    predicted = [
        normalized_triple("acme", "located_in", "oslo"),
        normalized_triple("ada", "employer", "acme"),
        normalized_triple("ada", "award", "medal"),
    ]
    gold = [fact("acme", "OrgBased_In", "oslo"), fact("acme", "Work_For", "ada")]
    types = {"acme": "ORGANISATION", "ada": "PERSON"}
    assert measures.count_typed_relations(predicted, gold, types, conll04_relations()) == MatchCounts(1, 2, 2, 1), (
        "the direction counts, the award does not"
    )


def test_count_coreference_by_span_then_text() -> None:
    def mention(entity: str, start: int, surface: str) -> Mention:
        return Mention(entity, "d#0001", start, start + len(surface), "PERSON", surface)

    labelled = [
        LabelledSpan(0, 3, "PER", "Ada", 0),
        LabelledSpan(10, 14, "PER", "Lady", 0),
        LabelledSpan(20, 23, "PER", "Ada", 0),
    ]
    labelled += [LabelledSpan(30, 34, "LOC", "Oslo", 1), LabelledSpan(40, 46, "LOC", "unseen", 1)]
    mentions = [mention("ada", 0, "Ada"), mention("lady", 10, "Lady"), mention("oslo", 30, "Oslo")]
    assert measures.count_coreference(labelled, mentions) == MatchCounts(1, 1, 4, 1)
    assert measures.count_coreference(labelled, mentions, different_spellings_only=True) == MatchCounts(0, 0, 3, 0)
    merged = [replace(m, entity_id="ada") for m in mentions[:2]]
    assert measures.count_coreference(labelled, [*merged, mentions[2]]) == MatchCounts(3, 3, 4, 3)


# The extraction itself ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SAMPLES)
def test_measure_extraction_keys_of_each_set(name: str, written: Any) -> None:
    ticks: list[int] = []
    figures = measures.measure_extraction(
        name, load_labelled_texts(name, written(SAMPLES[name])), 1800, lambda: ticks.append(1)
    )
    expected = {
        "webnlg": {"pairs_precision", "pairs_recall", "pairs_f1", "relation_accuracy", "relation_f1"},
        "conll04": {"relation_precision", "relation_recall", "relation_f1", "pairs_f1", "name_f1"},
        "redocred": {"pair_recall", "pair_recall_document", "cluster_f1", "name_f1"},
        "peoples-daily": {"name_f1", "name_precision", "name_recall", "name_f1_person", "name_recall_organisation"},
        "cluener": {"name_f1", "name_of_our_types_f1", "name_f1_work"},
    }[name]
    assert expected <= set(figures) and ticks


def test_normalize_triples_untitled_text_has_no_id_name(written: Any) -> None:
    item = load_labelled_texts("webnlg", written(SAMPLES["webnlg"]))[0]
    (extraction,) = measures.extract_in_batches([item.document], 1800)
    triples = normalize_triples(extraction, load_predicate_schema())
    assert triples
    assert not any("webnlg" in name for t in triples for name in t.subject | t.object), "an id is no name"


def test_measure_extraction_titled_text_links_subject(written: Any) -> None:
    figures = measures.measure_extraction(
        "redocred", load_labelled_texts("redocred", written(SAMPLES["redocred"])), 1800
    )
    assert figures["pair_recall"].value == figures["pair_recall_document"].value == 1.0


# 2wiki --------------------------------------------------------------------------------------------------------------

QUESTION = {
    "_id": "1",
    "text": "?",
    "gold": ["v"],
    "triples": [["Runa Vell", "place of birth", "Oslo"], ["Runa Vell", "employer", "Rome"], ["Runa Vell", "x", "Mars"]],
}
DOCUMENT = {"_id": "v", "title": "Runa Vell", "text": "Runa Vell was a painter. She was born in Oslo and died in Rome."}


@pytest.fixture
def wiki(tmp_path: Path) -> Path:
    file = tmp_path / "questions.dev.jsonl"
    file.write_text(json.dumps(QUESTION) + "\n\n", "utf-8")
    (tmp_path / "corpus.jsonl.gz").write_bytes(gzip.compress(json.dumps(DOCUMENT).encode()))
    return file


def test_edge_recall_worked_example(wiki: Path) -> None:
    evidence = load_evidence(wiki)
    documents = load_documents(wiki.parent / "corpus.jsonl.gz", {"v", "w"})
    figures, missing = edge_recall(evidence, documents, 1800)
    rounded = {name: round(figure.value, 3) for name, figure in figures.items()}
    assert rounded == {
        "edge_recall": 0.667,
        "predicate_recall": 0.333,
        "mention_recall": 0.667,
        "edge_or_mention_recall": 0.667,
    }
    assert missing == 0 and edge_recall(evidence, {}, 1800)[1] == 1


def test_load_evidence_invalid_line_is_refused(wiki: Path) -> None:
    with pytest.raises(ReadError, match="line 1: expected"):
        load_evidence(wiki.parent / "corpus.jsonl.gz")
    wiki.write_text('{"title": 1}')
    with pytest.raises(ReadError, match="line 1: expected"):
        load_documents(wiki, {"v"})
    wiki.write_text("\n")
    with pytest.raises(ReadError, match="found none"):
        load_evidence(wiki)


# Paths --------------------------------------------------------------------------------------------------------------

GRAPH = [
    ("runa_vell", "spouse", "olav_berg"),
    ("runa_vell", "religion", "quakers"),
    ("olav_berg", "religion", "bahai"),
    ("olav_berg", "__people__person__place_of_birth", "oslo"),
    ("oslo", "country", "norway"),
]


def test_path_reader_follows_words_in_order() -> None:
    reader = RelationPathReader(GRAPH, load_predicate_schema(), None)
    assert reader.answer("what religion does runa_vell 's husband have ?")[0].node == "bahai", "husband is a spouse"
    first = reader.answer("what is the country of the place of birth of Runa Vell 's spouse ?")[0]
    assert first.node == "norway" and first.score == 1.0
    assert first.chains == (("spouse", "__people__person__place_of_birth", "country"),)
    assert reader.answer("religion of runa_vell")[0].node == "quakers"
    assert reader.answer("who is unknown ?") == [] and reader.answer("runa_vell") == []


def test_path_reader_uses_vectors_of_words() -> None:
    near = {"faith": [1.0, 0.0], "religion": [1.0, 0.0]}

    def embed(texts: Any) -> Any:
        return np.array([near.get(text, [0.0, 1.0]) for text in texts], np.float32)

    reader = RelationPathReader(GRAPH, PredicateSchema({}, {}, {}), embed)
    reader.precompute_fits(["the faith of runa_vell"])
    assert reader.answer("the faith of runa_vell")[0].node == "quakers"


@given(
    st.lists(
        st.tuples(*[st.sampled_from(["ada", "bo", "cy", "dee"])] * 2, st.sampled_from(["knows", "likes"])), max_size=9
    )
)
def test_path_reader_answers_are_distinct_and_sorted(edges: list[tuple[str, str, str]]) -> None:
    triples = [(a, r, b) for a, b, r in edges]
    answers = RelationPathReader(triples, PredicateSchema({}, {}, {}), None).answer("who knows whom ada likes ?")
    nodes = [answer.node for answer in answers]
    assert len(set(nodes)) == len(nodes) <= 20 and set(nodes) <= {b for _, _, b in triples}
    scores = [answer.score for answer in answers]
    assert scores == sorted(scores, reverse=True) and all(0 <= s <= 1 for s in scores)


def test_relation_words_of_each_spelling() -> None:
    assert (
        relation_words("__people__person__place_of_birth")
        == relation_words("place_of_birth")
        == relation_words("placeOfBirth")
    )


def test_measure_path_answers_from_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="found none"):
        load_path_sets(tmp_path)
    line = "what is runa_vell 's spouse 's religion ?\tbahai(bahai/)\truna_vell#spouse#olav_berg#religion#bahai#<end>#bahai\n"
    (tmp_path / "PQ-2H.txt").write_text(line)
    with pytest.raises(UsageError, match="graph 2H-kb"):
        load_path_sets(tmp_path)
    lines = "".join("\t".join(triple) + "\n" for triple in GRAPH)
    (tmp_path / "2H-kb.txt.gz").write_bytes(gzip.compress(lines.encode()))
    sets = load_path_sets(tmp_path)
    question = sets["PQ-2H"][1][0]
    assert question == PathQuestion(line.split("\t")[0], frozenset({"bahai"}), ("spouse", "religion"), "bahai")
    figures = measure_path_answers(sets, None)
    for measure in ("answer_hit1", "answer_recall", "path_recall"):
        assert figures[measure].value == figures[f"{measure}_2_hops"].value == figures[f"{measure}_pq_2h"].value == 1.0
    assert score_answer(question, []) == (False, False, False)
    # five nodes are within three steps: the spouse, both religions, the town, the country
    assert figures["chance_hit1"].value == pytest.approx(1 / 5) and figures["chance_recall"].value == 1.0
    (tmp_path / "PQ-2H.txt").write_text("no tabs here\n")
    with pytest.raises(ReadError, match="line 1: expected"):
        load_path_sets(tmp_path)
    (tmp_path / "2H-kb.txt.gz").write_bytes(b"a\tb\n")
    with pytest.raises(ReadError, match="line 1: expected"):
        load_path_sets(tmp_path)


def test_chance_accuracy_worked_example() -> None:
    question = PathQuestion("?", frozenset({"a"}), ("r",), "a")
    assert chance_accuracy(question, {"b"}) == (0.0, 0.0) == chance_accuracy(question, ())
    first, among_first_twenty = chance_accuracy(question, {"a", *map(str, range(39))})
    assert first == 1 / 40 and among_first_twenty == pytest.approx(20 / 40)


def test_path_reader_stop_word_name_needs_capital() -> None:
    reader = RelationPathReader([("Them", "country", "Norway")], load_predicate_schema(), None)
    assert reader.answer("the country of Them ?")[0].node == "Norway"
    assert reader.answer("the country of them ?") == []


# The commands -------------------------------------------------------------------------------------------------------


def test_bench_extraction_prints_table_and_json(wiki: Path, written: Any) -> None:
    table = CliRunner().invoke(app, ["bench", "extraction", "redocred", str(written(SAMPLES["redocred"]))])
    assert table.exit_code == 0 and "cluster_f1" in table.stdout
    report = json.loads(CliRunner().invoke(app, ["bench", "extraction", "2wiki", str(wiki), "--json"]).stdout)
    assert report["mention_recall"] == pytest.approx(2 / 3) and report["questions"] == 1
    assert {"edge_recall", "edge_recall_low", "edge_recall_high", "predicate_recall"} <= report.keys()
    assert all(isinstance(figure, int | float) or figure is None for figure in report.values())


def test_bench_extraction_names_missing_input(wiki: Path, written: Any) -> None:
    sample = str(written(SAMPLES["webnlg"]))
    (wiki.parent / "corpus.jsonl.gz").unlink()
    for arguments, message in (
        (["2wiki", str(wiki)], "--corpus FILE or --store DIR"),
        (["webnlg", sample, "--corpus", sample], "with 2wiki only"),
        (["conll04", sample], "not of the format conll04"),
    ):
        failed = CliRunner().invoke(app, ["bench", "extraction", *arguments])
        assert failed.exit_code != 0 and isinstance(failed.exception, KgragError) and message in str(failed.exception)


def test_bench_extraction_formats_match_parsers() -> None:
    assert {f.value for f in ExtractionSet} == {*FORMATS, "2wiki"} and set(FORMATS) == set(measures.MEASURES)
