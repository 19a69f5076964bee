"""The measures of the extraction, and the reading of each public set's format, on texts made up here."""

from __future__ import annotations

import gzip
import json
import math
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
from kgrag.metrics.precision_recall import MatchCounts, count_matches, micro_scores, micro_share
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


def one(subject: str, predicate: str, object: str) -> NormalizedTriple:
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
def test_each_format_is_read_with_spans_that_spell_its_names(name: str, written: Any) -> None:
    items = load_labelled_texts(name, written(SAMPLES[name]))
    assert items[0].document.lang == ("zh" if name in ("peoples-daily", "cluener") else "en")
    assert all(item.document.text[m.start : m.end] == m.text for item in items for m in item.names)
    assert len(load_labelled_texts(name, written(SAMPLES[name]), 1)) == 1


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("other", SAMPLES)
def test_a_file_of_another_format_says_what_was_expected_and_found(name: str, other: str, written: Any) -> None:
    if name != other:
        with pytest.raises(ReadError, match=r"expected .*found"):
            load_labelled_texts(name, written(SAMPLES[other]))


def test_what_is_read_of_each_format(written: Any) -> None:
    webnlg = load_labelled_texts("webnlg", written(SAMPLES["webnlg"]))[0]
    assert webnlg.document.text == "Runa Vell (born 4 May 1911) was born in Oslo."
    assert webnlg.document.title == "" and webnlg.facts[0].relation == "birthPlace"
    conll04 = load_labelled_texts("conll04", written(SAMPLES["conll04"]))[0]
    assert conll04.document.text == "Runa Vell works in Oslo, Norway."
    assert [(f.subject, f.relation, f.object) for f in conll04.facts] == [(("Oslo",), "Located_In", ("Norway",))]
    redocred = load_labelled_texts("redocred", written(SAMPLES["redocred"]))[0]
    assert [m.text for m in redocred.names] == ["Runa Vell", "Vell", "Oslo", "Rome"], "a pronoun is no name"
    assert [f.sentence_spans for f in redocred.facts] == [(), ((57, 75),)], "only named mentions make a sentence count"
    daily = load_labelled_texts("peoples-daily", written(SAMPLES["peoples-daily"]))
    assert [[(m.text, m.type) for m in item.names] for item in daily] == [[("李明", "PER"), ("上海", "LOC")], []]
    cluener = load_labelled_texts("cluener", written(SAMPLES["cluener"]))[0]
    assert [(m.text, m.type) for m in cluener.names] == [("李明", "name"), ("《红楼梦》", "book")]


def test_broken_and_missing_and_empty_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="found none"):
        load_labelled_texts("webnlg", tmp_path / "none.json")
    broken = tmp_path / "broken.gz"
    broken.write_bytes(gzip.compress(b"[]" * 99)[:20])
    with pytest.raises(ReadError):
        load_labelled_texts("webnlg", broken)
    empty = tmp_path / "empty"
    empty.write_text("")
    for name in FORMATS:
        with pytest.raises(ReadError, match="expected"):
            load_labelled_texts(name, empty)


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_categories=("Z", "C")), min_size=1, max_size=5), max_size=12)
)
def test_words_put_together_keep_their_spelling_and_order(words: list[str]) -> None:
    text, spans = detokenize(words)
    assert [text[start:end] for start, end in spans] == words
    assert "".join(text.split()) == "".join("".join(words).split())
    assert all(a[1] <= b[0] <= a[1] + 1 for a, b in pairwise(spans))


def test_words_are_put_together_as_they_are_written() -> None:
    line = 'He said : " No ( so the well - known Ada Lovelace \'s son ) " , 1990 - 91 .'
    assert detokenize(line.split())[0] == 'He said: "No (so the well-known Ada Lovelace\'s son)", 1990 - 91.'


# Names and relations ------------------------------------------------------------------------------------------------


def test_names_dates_and_numbers_by_value() -> None:
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


def test_the_tables_name_predicates_and_types_that_there_are() -> None:
    known = set(load_predicate_schema().predicates)
    for name in ("webnlg", "2wiki"):
        assert {p.removeprefix("^") for ours in relation_predicates(name).values() for p in ours} <= known
    guessed = {name.removeprefix("^") for name in load_classifier().classes}
    assert {p for kind in conll04_relations().values() for p in kind.predicates} <= known | guessed
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


def test_relations_agree_by_table_by_inverse_and_by_words() -> None:
    known, table = load_predicate_schema(), {"parent": ("father",), "made": ("^author",), "wed": ("spouse",)}

    def right(relation: str, predicate: str, turned: bool = False) -> bool:
        return is_same_relation(relation, predicate, table, known, is_reversed=turned)

    assert right("parent", "father") and not right("parent", "father", True) and not right("parent", "mother")
    assert right("parent", "child", True) and not right("parent", "child")
    assert right("made", "author", True) and not right("made", "author")
    assert right("wed", "spouse") and right("wed", "spouse", True)
    assert relation_name_words("shoeSize") == relation_name_words("shoe_size") and right("shoeSize", "shoe_size")
    assert not right("shoeSize", "shoe_size", True) and not right("shoeSize", "award")


# Metrics ------------------------------------------------------------------------------------------------------------


def test_pairs_do_not_mind_direction_and_count_a_pair_once() -> None:
    ours = [one("a", "author", "b"), one("a", "creator", "b"), one("a", "child", "z")]
    assert measures.count_pairs(ours, [fact("b", "x", "a"), fact("a", "y", "b"), fact("a", "y", "c")]) == MatchCounts(
        1, 2, 2, 1
    )


def test_a_pair_of_one_name_is_a_pair() -> None:
    assert measures.count_pairs([one("a", "part_of", "a")], [fact("a", "x", "a")]) == MatchCounts(1, 1, 1, 1)


def test_relation_accuracy_is_of_joined_facts_only() -> None:
    table = {"wrote": ("author",), "lives": ("located_in",)}
    ours = [one("book", "author", "ada"), one("ada", "child", "oslo")]
    gold = [fact("book", "wrote", "ada"), fact("ada", "lives", "oslo"), fact("ada", "lives", "rome")]
    both, accuracy = measures.count_relations(ours, gold, table, load_predicate_schema())
    assert accuracy == (1, 2) and both == MatchCounts(1, 2, 3, 1)


def test_few_relations_by_predicate_and_type_of_subject() -> None:
    ours = [one("acme", "located_in", "oslo"), one("ada", "employer", "acme"), one("ada", "award", "medal")]
    gold = [fact("acme", "OrgBased_In", "oslo"), fact("acme", "Work_For", "ada")]
    types = {"acme": "ORGANISATION", "ada": "PERSON"}
    assert measures.count_typed_relations(ours, gold, types, conll04_relations()) == MatchCounts(1, 2, 2, 1), (
        "the direction counts, the award does not"
    )


def test_clusters_by_span_else_by_text() -> None:
    def mention(entity: str, start: int, surface: str) -> Mention:
        return Mention(entity, "d#0001", start, start + len(surface), "PERSON", surface)

    marked = [
        LabelledSpan(0, 3, "PER", "Ada", 0),
        LabelledSpan(10, 14, "PER", "Lady", 0),
        LabelledSpan(20, 23, "PER", "Ada", 0),
    ]
    marked += [LabelledSpan(30, 34, "LOC", "Oslo", 1), LabelledSpan(40, 46, "LOC", "nobody", 1)]
    found = [mention("ada", 0, "Ada"), mention("lady", 10, "Lady"), mention("oslo", 30, "Oslo")]
    assert measures.count_coreference(marked, found) == MatchCounts(1, 1, 4, 1)
    assert measures.count_coreference(marked, found, different_spellings_only=True) == MatchCounts(0, 0, 3, 0)
    same = [m.__class__("ada", m.passage_id, m.start, m.end, m.type, m.surface) for m in found[:2]]
    assert measures.count_coreference(marked, [*same, found[2]]) == MatchCounts(3, 3, 4, 3)


@given(st.lists(st.integers(0, 9)), st.lists(st.integers(0, 9)))
def test_counts_of_sets_are_within_both(ours: list[int], gold: list[int]) -> None:
    found = count_matches(ours, gold)
    assert 0 <= found.correct == found.gold_found <= min(found.predicted, found.gold)
    assert count_matches(gold, ours) == MatchCounts(found.correct, found.gold, found.predicted, found.correct)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)), max_size=8))
def test_scores_are_the_usual_ones_with_their_values_in_range(rows: list[tuple[int, int, int]]) -> None:
    counts = [MatchCounts(min(r), r[1], r[2], min(r)) for r in rows]
    right, ours, gold = sum(c.correct for c in counts), sum(c.predicted for c in counts), sum(c.gold for c in counts)
    found = micro_scores("x", counts)
    assert list(found) == ["x_precision", "x_recall", "x_f1"]
    for figure in found.values():
        assert math.isnan(figure.value) or 0 <= figure.value <= 1
        assert math.isnan(figure.value) or math.isnan(figure.low) or 0 <= figure.low <= figure.high <= 1
    assert math.isnan(found["x_precision"].value) == (not ours) and math.isnan(found["x_recall"].value) == (not gold)
    if gold:
        assert found["x_f1"].value == pytest.approx(2 * right / (ours + gold))


def test_a_share_and_its_interval() -> None:
    figure = micro_share("kept", [(1, 1)] * 30 + [(0, 1)] * 10)["kept"]
    assert figure.value == 0.75 and 0.5 < figure.low < 0.75 < figure.high < 0.95
    assert math.isnan(micro_share("kept", [(0, 0)])["kept"].value)
    assert micro_share("kept", [(1, 1)])["kept"].low == 1.0


# The extraction itself ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SAMPLES)
def test_every_set_is_measured_under_its_keys(name: str, written: Any) -> None:
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


def test_a_text_without_a_title_has_its_subject_from_its_first_words(written: Any) -> None:
    item = load_labelled_texts("webnlg", written(SAMPLES["webnlg"]))[0]
    (found,) = measures.extract_in_batches([item.document], 1800)
    ours = normalize_triples(found, load_predicate_schema())
    assert ours
    assert not any("webnlg" in name for o in ours for name in o.subject | o.object), "an id is no name"


def test_a_titled_text_joins_its_subject(written: Any) -> None:
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


def test_evidence_is_joined_rightly_joined_or_mentioned(wiki: Path) -> None:
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


def test_lines_that_are_no_questions_or_documents(wiki: Path) -> None:
    with pytest.raises(ReadError, match="line 1: expected"):
        load_evidence(wiki.parent / "corpus.jsonl.gz")
    wiki.write_text('{"title": 1}')
    with pytest.raises(ReadError, match="line 1: expected"):
        load_documents(wiki, {"v"})
    wiki.write_text("\n")
    with pytest.raises(ReadError, match="no questions"):
        load_evidence(wiki)


# Paths --------------------------------------------------------------------------------------------------------------

GRAPH = [
    ("runa_vell", "spouse", "olav_berg"),
    ("runa_vell", "religion", "quakers"),
    ("olav_berg", "religion", "bahai"),
    ("olav_berg", "__people__person__place_of_birth", "oslo"),
    ("oslo", "country", "norway"),
]


def test_relations_are_followed_in_the_order_of_their_words() -> None:
    reader = RelationPathReader(GRAPH, load_predicate_schema(), None)
    assert reader.answer("what religion does runa_vell 's husband have ?")[0].node == "bahai", "husband is a spouse"
    first = reader.answer("what is the country of the place of birth of Runa Vell 's spouse ?")[0]
    assert first.node == "norway" and first.score == 1.0
    assert first.chains == (("spouse", "__people__person__place_of_birth", "country"),)
    assert reader.answer("religion of runa_vell")[0].node == "quakers"
    assert reader.answer("who is nobody ?") == [] and reader.answer("runa_vell") == []


def test_words_that_are_not_equal_are_near_by_their_vectors() -> None:
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
def test_what_is_reached_is_in_the_graph_and_each_once(edges_: list[tuple[str, str, str]]) -> None:
    triples = [(a, r, b) for a, b, r in edges_]
    found = RelationPathReader(triples, PredicateSchema({}, {}, {}), None).answer("who knows whom ada likes ?")
    nodes = [reached.node for reached in found]
    assert len(set(nodes)) == len(nodes) <= 20 and set(nodes) <= {b for _, _, b in triples}
    scores_ = [reached.score for reached in found]
    assert scores_ == sorted(scores_, reverse=True) and all(0 <= s <= 1 for s in scores_)


def test_relations_are_spoken_without_what_leads_to_them() -> None:
    assert (
        relation_words("__people__person__place_of_birth")
        == relation_words("place_of_birth")
        == relation_words("placeOfBirth")
    )


def test_pathquestion_from_its_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="found none"):
        load_path_sets(tmp_path)
    asked = "what is runa_vell 's spouse 's religion ?\tbahai(bahai/)\truna_vell#spouse#olav_berg#religion#bahai#<end>#bahai\n"
    (tmp_path / "PQ-2H.txt").write_text(asked)
    with pytest.raises(UsageError, match="graph 2H-kb"):
        load_path_sets(tmp_path)
    lines = "".join("\t".join(triple) + "\n" for triple in GRAPH)
    (tmp_path / "2H-kb.txt.gz").write_bytes(gzip.compress(lines.encode()))
    sets = load_path_sets(tmp_path)
    question = sets["PQ-2H"][1][0]
    assert question == PathQuestion(asked.split("\t")[0], frozenset({"bahai"}), ("spouse", "religion"), "bahai")
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


def test_chance_is_what_any_order_gives() -> None:
    asked = PathQuestion("?", frozenset({"a"}), ("r",), "a")
    assert chance_accuracy(asked, {"b"}) == (0.0, 0.0) == chance_accuracy(asked, ())
    first, among = chance_accuracy(asked, {"a", *map(str, range(39))})
    assert first == 1 / 40 and among == pytest.approx(20 / 40)


def test_a_name_that_is_a_stop_word_has_its_capital() -> None:
    reader = RelationPathReader([("Them", "country", "Norway")], load_predicate_schema(), None)
    assert reader.answer("the country of Them ?")[0].node == "Norway"
    assert reader.answer("the country of them ?") == []


# The commands -------------------------------------------------------------------------------------------------------


def test_the_command_prints_a_table_and_flat_json(wiki: Path, written: Any) -> None:
    shown = CliRunner().invoke(app, ["bench", "extraction", "redocred", str(written(SAMPLES["redocred"]))])
    assert shown.exit_code == 0 and "cluster_f1" in shown.stdout
    given_ = CliRunner().invoke(app, ["bench", "extraction", "2wiki", str(wiki), "--json"])
    report = json.loads(given_.stdout)
    assert report["mention_recall"] == pytest.approx(2 / 3) and report["questions"] == 1
    assert {"edge_recall", "edge_recall_low", "edge_recall_high", "predicate_recall"} <= report.keys()
    assert all(isinstance(figure, int | float) or figure is None for figure in report.values())


def test_the_command_names_what_is_missing(wiki: Path, written: Any) -> None:
    sample = str(written(SAMPLES["webnlg"]))
    (wiki.parent / "corpus.jsonl.gz").unlink()
    for arguments, said in (
        (["2wiki", str(wiki)], "--corpus FILE or --store DIR"),
        (["webnlg", sample, "--corpus", sample], "with 2wiki only"),
        (["conll04", sample], "not of the format conll04"),
    ):
        failed = CliRunner().invoke(app, ["bench", "extraction", *arguments])
        assert failed.exit_code != 0 and isinstance(failed.exception, KgragError) and said in str(failed.exception)


def test_the_formats_of_the_command_are_those_that_are_read() -> None:
    assert {f.value for f in ExtractionSet} == {*FORMATS, "2wiki"} and set(FORMATS) == set(measures.MEASURES)
