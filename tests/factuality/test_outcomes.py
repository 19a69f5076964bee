"""Tests of outcomes, abstention detection, conditions, and claims."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from graphs.predicates import load_predicate_schema
from kgrag.factuality.experiment.conditions import (
    Condition,
    Edit,
    EvalCase,
    apply_condition,
    apply_edit,
    counterfactual_edit,
    make_cases,
    mentions_answer,
)
from kgrag.factuality.scoring.abstention_detector import load_abstention_examples, measure_detector
from kgrag.factuality.scoring.claim_verification import judge_by_known_answers
from kgrag.factuality.scoring.claims import extract_claims, is_short_answer, to_declarative
from kgrag.factuality.scoring.outcomes import Outcome, answer_matches, classify_outcome, outcome_rates
from kgrag.text.abstention import is_abstention
from kgrag.types import Path, Question, Triple
from tests.support.birthplace_world import QUESTIONS, UNANSWERABLE_QUESTION, make_hit


@pytest.mark.parametrize(
    ("answer", "accepted"),
    [
        ("Missolonghi", "Missolonghi"),
        ("missolonghi [1].", "Missolonghi"),
        ("He died in Missolonghi, in Greece.", "Missolonghi"),
        ("Ferdinand II of Aragón", "Ferdinand II of Aragon"),
        ("21 June 1948", "June 21, 1948"),
        ("1948年6月21日", "21 June 1948"),
        ("21 June 1948", "1948"),  # more exact than the accepted answer
        ("324 m", "1,063 ft"),
        ("Danish [3]", "Denmark"),
        ("The United States.", "American"),
        ("丹麦", "Danish"),
        ("Scottish", "Scotland"),
        ("Yes, both are.", "yes"),
        ("不是", "否"),
        ("浙江嘉兴。", "浙江嘉兴"),
        ("他出生于浙江嘉兴", "浙江嘉兴"),
        ("ENIAC", "the ENIAC"),
    ],
)
def test_answer_matches_equivalent_answer(answer: str, accepted: str) -> None:
    assert answer_matches(answer, [accepted]) and answer_matches(answer, ["Somebody else", accepted])


@pytest.mark.parametrize(
    ("answer", "accepted"),
    [
        ("Athens", "Missolonghi"),
        ("1948", "21 June 1948"),  # less exact
        ("French", "Argentine"),
        ("Scottish", "England"),
        ("British", "Scottish"),
        ("Danish", "Danish Film Institute"),
        ("22 June 1948", "21 June 1948"),
        ("15", "5"),
        ("No", "yes"),
        ("Yes", "no"),
        ("是", "否"),
        ("不是", "是"),
        ("不对", "对"),
        ("Ada", "Ada Lovelace"),
        ("Henry VII of England", "Henry VIII of England"),
        ("Battle of 1815", "Battle of 1816"),
        ("", "yes"),
        ("Paris, London, Rome, Oslo, Lima, Cairo, Delhi, Kyoto, Quito, Accra, Perth, Bonn, Graz, Riga", "Riga"),
    ],
)
def test_answer_matches_rejects_different_answer(answer: str, accepted: str) -> None:
    assert not answer_matches(answer, [accepted])


def test_answer_matches_uses_countries_of_the_schema() -> None:
    schema = replace(load_predicate_schema(), countries={"freedonia": "Freedonia", "freedonian": "Freedonia"})
    assert not answer_matches("Freedonian", ["Freedonia"])
    assert answer_matches("Freedonian", ["Freedonia"], schema)
    assert classify_outcome("Freedonian", ["Freedonia"], Condition.ANSWERABLE, schema=schema) is Outcome.CORRECT


def test_classify_outcome_returns_one_outcome() -> None:
    there, nowhere = Condition.ANSWERABLE, Condition.UNANSWERABLE
    assert classify_outcome("Paris", ["Paris"], there) is Outcome.CORRECT
    assert classify_outcome("Rome", ["Paris"], there) is Outcome.WRONG
    assert classify_outcome("I do not know.", ["Paris"], there) is Outcome.ABSTAINED
    assert classify_outcome(" ... ", ["Paris"], there) is classify_outcome("", [], nowhere) is Outcome.EMPTY
    assert classify_outcome("Paris", ["Paris"], nowhere) is Outcome.WRONG, "the evidence does not state it"
    assert classify_outcome("Paris", ["Paris"], nowhere, is_in_evidence=True) is Outcome.CORRECT
    assert classify_outcome("Rome", ["Paris"], nowhere, is_in_evidence=True) is Outcome.WRONG


def test_outcome_rates_equal_values_by_hand() -> None:
    outcomes = [Outcome.CORRECT] * 5 + [Outcome.WRONG] * 3 + [Outcome.ABSTAINED] * 1 + [Outcome.EMPTY] * 1
    rates = outcome_rates(outcomes, range(10), answerable=True)
    assert rates["hallucination"]["value"] == 0.3 and rates["hallucination_answered"]["value"] == 3 / 8
    assert rates["correct"]["value"] == 0.5 and rates["truthfulness"]["value"] == pytest.approx(0.2)
    assert rates["false_abstention"]["value"] == 0.1 and math.isnan(rates["correct_abstention"]["value"])
    assert rates["empty"]["value"] == 0.1
    unanswerable = outcome_rates([Outcome.ABSTAINED, Outcome.WRONG], range(2), answerable=False)
    assert unanswerable["correct_abstention"]["value"] == 0.5 and math.isnan(unanswerable["false_abstention"]["value"])
    assert math.isnan(outcome_rates([Outcome.ABSTAINED], range(1), answerable=True)["hallucination_answered"]["value"])
    assert math.isnan(outcome_rates([], [], answerable=True)["hallucination"]["value"])


def test_abstention_detector_on_held_out_examples() -> None:
    report = measure_detector()
    assert {*report} == {"en", "zh"} and all(row["examples"] == 42 for row in report.values())
    assert all(row[m]["value"] >= 0.95 for row in report.values() for m in ("precision", "recall"))
    texts = [e.text for e in load_abstention_examples()]
    assert len({*texts}) == len(texts), "seen and held-out examples are disjoint"


def test_measure_detector_shows_bad_detectors() -> None:
    report = measure_detector(lambda _: True)
    assert report["en"]["recall"]["value"] == 1 and report["en"]["precision"]["value"] == 0.5
    never = measure_detector(lambda _: False)
    assert never["zh"]["recall"]["value"] == 0 and math.isnan(never["zh"]["precision"]["value"])


def test_is_abstention_ignores_titles_and_citation_marks() -> None:
    assert (
        not is_abstention("《你不知道的事》")
        and not is_abstention("“Not Mentioned”")
        and is_abstention("《红楼梦》中没有提到。")
    )
    for abstention in (
        "不知道 [3]",
        "Unknown [1].",
        "I do not know. [2]",
        "N/A【1】【2】。",
        "[1]",
        "Not mentioned [1, 2]",
    ):
        assert is_abstention(abstention), abstention
    assert (
        not is_abstention("Unknown Pleasures [1]")
        and not is_abstention("1989 [1][2]")
        and not is_abstention("[1] 1989")
    )
    assert not is_abstention("He did not answer.") and is_abstention("The passages don’t say.") and is_abstention(" .")


def test_make_cases_for_each_condition() -> None:
    cases = make_cases([*QUESTIONS[:2], UNANSWERABLE_QUESTION], list(Condition))
    by_id = {case.id: case for case in cases}
    assert len(cases) == 7
    assert by_id["nobody/unanswerable"] == EvalCase(UNANSWERABLE_QUESTION, Condition.UNANSWERABLE, ())
    hidden = by_id["Ada Bell/unanswerable"]
    assert hidden.hidden == {"Ada Bell"} and hidden.is_synthetic and hidden.accepted == ("Paris",)
    turned = by_id["Ada Bell/counterfactual"]
    assert turned.edit == Edit(("Paris",), "Oslo") and turned.accepted == ("Oslo",)
    assert not make_cases([UNANSWERABLE_QUESTION], [Condition.ANSWERABLE, Condition.COUNTERFACTUAL])
    assert not make_cases([Question("1", "q", ("a",))], [Condition.UNANSWERABLE]), (
        "without gold documents there is nothing to hide"
    )


def test_counterfactual_edit_uses_answer_of_same_type() -> None:
    questions = [
        Question("1", "When was Ada born?", ("10 December 1815",), ("a",)),
        Question("2", "When was Ben born?", ("1791",), ("b",)),
        Question("3", "When did Cora die?", ("27 November 1852",), ("c",)),
        Question("4", "Are both from Rome?", ("yes",), ("d",)),
        Question("5", "Who is older, Ada Bell or Ben Cole?", ("Ada Bell",), ("e",)),
        Question("6", "Who built it?", ("Cora Dean", "Dean"), ("f",)),
        Question("7", "谁建造了它？", ("王选",), ("g",), "zh"),
        Question("8", "谁设计了它？", ("夏培肃",), ("h",), "zh"),
    ]
    edits = {q.id: counterfactual_edit(q, questions) for q in questions}
    assert edits["1"] == Edit(("10 December 1815",), "27 November 1852"), "a day is replaced by a day, not by a year"
    assert edits["2"] is None, "no other question has a year"
    assert edits["4"] is None and edits["5"] is None, "yes and no and names in the question are not edited"
    assert edits["6"] == Edit(("Cora Dean", "Dean"), "Ada Bell")
    assert edits["7"] == Edit(("王选",), "夏培肃")
    more = [
        Question("9", "Which film has the director who was born later?", ("Silver River",), ("i",)),
        Question("10", "Where did Ada study?", ("Yale",), ("j",)),
        Question("11", "Where was Ada born?", ("Lima",), ("k",)),
        Question("12", "What is the place of birth of Ben?", ("Oslo",), ("l",)),
        Question("13", "What nationality is Ben?", ("French",), ("m",)),
    ]
    new = {q.id: edit.new for q in [*questions, *more] if (edit := counterfactual_edit(q, [*questions, *more]))}
    assert new["6"] == "Ada Bell", "a question with 'which film' and 'who' asks for a film"
    assert new["11"] == "Oslo" and new["12"] == "Lima", "a town is replaced by a town, not by a school"
    assert not {"9", "10", "13"} & {*new}, "no other question has a film, school or nationality"
    assert counterfactual_edit(questions[0], questions, seed=1) == counterfactual_edit(questions[0], questions, seed=1)


def test_apply_edit_replaces_whole_words() -> None:
    edit = Edit(("New York City", "New York"), "Oslo")
    assert apply_edit("In New York City, new york and Newer Yorkers.", edit) == "In Oslo, Oslo and Newer Yorkers."
    assert apply_edit("陈省身生于嘉兴。", Edit(("嘉兴",), r"北\1京")) == r"陈省身生于北\1京。"
    case = EvalCase(QUESTIONS[0], Condition.COUNTERFACTUAL, ("Oslo",), edit=Edit(("Paris",), "Oslo"))
    (hit,) = apply_condition([make_hit("Ada Bell")], case)
    assert hit.passage.text.startswith("Ada Bell was born in Oslo.") and hit.passage.end == len(hit.passage.text)
    assert not hit.paths


def test_apply_condition_hides_documents_and_paths() -> None:
    case = EvalCase(QUESTIONS[0], Condition.UNANSWERABLE, ("Paris",), frozenset({"Ada Bell"}))
    hidden_path = Path(("a", "b"), ("A", "B"), (Triple("a", "knew", "b", "Ada Bell#0001", 0, 1, 1.0),))
    visible_path = Path(("a", "b"), ("A", "B"), (Triple("a", "knew", "b", "Ben Cole#0001", 0, 1, 1.0),))
    hits = [make_hit("Ada Bell"), replace(make_hit("Ben Cole", 2), paths=(hidden_path, visible_path))]
    (visible,) = apply_condition(hits, case)
    assert visible.passage.document_id == "Ben Cole" and visible.rank == 1 and visible.paths == (visible_path,)


def test_mentions_answer_in_any_date_format() -> None:
    assert mentions_answer("June 21, 1948", "It ran on 21 June 1948 at noon.") and mentions_answer(
        "1948年6月21日", "1948年6月21日运行。"
    )
    assert not mentions_answer("22 June 1948", "It ran on 21 June 1948.") and not mentions_answer("", "text")
    assert not mentions_answer("1948", "19480") and not mentions_answer("Ada", "Adana")


@pytest.mark.parametrize(
    ("question", "answer", "claim"),
    [
        ("Where did Lord Byron die?", "Missolonghi", "Lord Byron died in Missolonghi."),
        ("When was Ada Lovelace born?", "10 December 1815", "Ada Lovelace was born on 10 December 1815."),
        ("Who designed the Z3?", "Konrad Zuse", "Konrad Zuse designed the Z3."),
        ("What is the capital of France?", "Paris", "The capital of France is Paris."),
        ("In which city was Edsger Dijkstra born?", "Rotterdam", "Edsger Dijkstra was born in Rotterdam."),
        ("Which film was released first, A or B?", "B", "B, the film, was released first of A and B."),
        ("What nationality is the director?", "French", "The nationality of the director is French."),
        ("How much did it cost?", "$5", "How much did it cost: $5."),
        ("Are both from India?", "no", "It is not true: are both from India."),
        ("丘成桐的博士导师出生于哪里？", "浙江嘉兴", "丘成桐的博士导师出生于浙江嘉兴。"),
        ("103机一共生产了多少台？", "3台", "103机一共生产了3台。"),
        ("华罗庚是哪一年出生的？", "1910年", "华罗庚是1910年出生的。"),
        ("谁设计了银河一号？", "慈云桂", "慈云桂设计了银河一号。"),
        ("图灵是否上过大学？", "是", "图灵是上过大学。"),
        ("Which film came out first, A or B?", "Yes", "Which film came out first, A or B? Yes."),
        ("Who was born later, Ida Bell or Ben Cole?", "Ben Cole", "Ben Cole was born later of Ida Bell and Ben Cole."),
        (
            "Where did Ada Bell's father study?",
            "Ada Bell's father studied in Rome.",
            "Ada Bell's father studied in Rome.",
        ),
        (
            "Which film is older, A or The Baker Who Sold Bread To A Cat And A Dog?",
            "The Baker Who Sold Bread To A Cat And A Dog",
            "The Baker Who Sold Bread To A Cat And A Dog, the film, is older of A and The Baker Who Sold Bread To A Cat And A Dog.",
        ),
    ],
)
def test_to_declarative_builds_statement(question: str, answer: str, claim: str) -> None:
    assert to_declarative(question, answer) == claim


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [("21 June 1948", "SUPPORTED"), ("June 21, 1948", "SUPPORTED"), ("22 June 1948", "REFUTED"), ("Manchester", "REFUTED"),
     ("1948", None), ("It ran on 22 June 1948 for the first time.", None)],
)  # fmt: skip
def test_judge_by_known_answers_decides_phrases_only(answer: str, verdict: str | None) -> None:
    claim = extract_claims("When did the Baby first run?", answer)[0]
    judgement = judge_by_known_answers(claim, ["21 June 1948"])
    assert (judgement.verdict.name if judgement else None) == verdict and judge_by_known_answers(claim, []) is None


def test_extract_claims_adds_question_to_pronouns() -> None:
    text = (
        "Ada Lovelace met Charles Babbage in 1833 [1]. He was born in London. Ada Lovelace met Charles Babbage in 1833."
    )
    claims = extract_claims("Who?", text)
    assert [c.text for c in claims] == ["Ada Lovelace met Charles Babbage in 1833", "Who? He was born in London"]
    both = extract_claims("Who?", "Babbage was born in London; Lovelace was born there, too.")
    assert len(both) == 2
    assert [c.statement for c in extract_claims("谁？", "他生于江苏金坛，是数学家。他1985年在东京去世。")] == [
        "他生于江苏金坛，是数学家",
        "他1985年在东京去世",
    ]
    assert (
        extract_claims("Who?", "I do not know.")
        == extract_claims("Who?", "...")
        == extract_claims("谁？", "不知道")
        == []
    )
    assert is_short_answer("the Manchester Baby") and not is_short_answer("It was built in Manchester by three men")
