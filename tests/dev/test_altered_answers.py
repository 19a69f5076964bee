"""Alterations of right answers: one number, name, option or negation, with the opposite meaning."""

from __future__ import annotations

import pytest

from kgrag.dev.benchmarks.manuals.altered_answers import AnswerAlterer
from kgrag.dev.benchmarks.manuals.negation import negate, reverse_yes_no
from kgrag.dev.benchmarks.manuals.questions import ManualQuestion


def make_question(
    answer: str, text: str = "?", corpus: str = "git", **fields: tuple[tuple[str, ...], ...]
) -> ManualQuestion:
    nuggets = fields.get("nuggets", ((answer,),))
    return ManualQuestion(answer[:9] + text, text, corpus, "en", "fact", nuggets=nuggets, answer=answer)


def alter(question: ManualQuestion, *others: ManualQuestion) -> dict[str, str]:
    """Return kind -> altered answer."""
    return {each.kind: each.text for each in AnswerAlterer([question, *others]).alter(question)}


@pytest.mark.parametrize(
    ("answer", "altered"),
    [
        ("It defaults to 512 MiB.", "It defaults to 612 MiB."),
        ("9418, its port", "8418, its port"),
        ("4MB of memory", "5MB of memory"),
        ("At 00:00", "At 10:00"),
        ("Two weeks", "Three weeks"),
        ("after ten days", "after nine days"),
        ("减40字节", "减50字节"),
        ("(2^32 - 1) bytes", "(3^32 - 1) bytes"),
        ("with -DSAFE=1)", "with -DSAFE=2)"),
    ],
)
def test_alter_number_changes_one_number(answer: str, altered: str) -> None:
    assert alter(make_question(answer))["number"] == altered


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("It is 512 MiB.", "Is it 512 or more?"),  # the check does not look at words of the question
        ("1) the file, 2) the folder", "which?"),  # numbers of list items
        ("use utf8 and /dev/md0", "which?"),  # parts of names
        ("someone", "which?"),
    ],
)
def test_alter_number_leaves_some_numbers(answer: str, text: str) -> None:
    assert "number" not in alter(make_question(answer, text))


def test_alter_number_never_makes_an_accepted_answer() -> None:
    question = make_question("Wait 14 days.", nuggets=(("14 days", "24 days"),))
    assert "number" not in alter(question)


@pytest.mark.parametrize(
    ("answer", "other", "altered"),
    [
        ("Set core.bigFileThreshold.", "See gc.pruneExpire.", "Set gc.pruneExpire."),
        ("Edit /etc/nologin.", "It is /etc/default/grub", "Edit /etc/default/grub."),
        ("Use work_mem here.", "in_failed_sql_transaction", "Use in_failed_sql_transaction here."),
        (r"Load \toprule first.", r"See \input", r"Load \input first."),
        ("Run git push now.", "git fetch --all", "Run git fetch now."),
        ("It is DEFERRED.", "It is EXCLUSIVE.", "It is EXCLUSIVE."),
        ("Read SQLITE_FULL.", "SQLITE_BUSY", "Read SQLITE_BUSY."),
    ],
)
def test_alter_name_takes_one_of_the_same_shape(answer: str, other: str, altered: str) -> None:
    assert alter(make_question(answer), make_question(other))["name"] == altered


def test_alter_name_needs_another_of_its_corpus() -> None:
    question = make_question("Set work_mem.")
    assert "name" not in alter(question)
    assert "name" not in alter(question, make_question("pg_wal", corpus="other"))
    assert "name" not in alter(make_question("Set work_mem.", "What is work_mem?"), make_question("pg_wal"))
    assert "name" not in alter(make_question("Set work_mem.", "Not pg_wal?"), make_question("pg_wal"))


@pytest.mark.parametrize(
    ("answer", "other", "altered"),
    [
        ("git clone --sparse", "use --soft", "git clone --soft"),
        ("test -s file", "set -o x", "test -o file"),
        ("build -us", "cache -fsv", "build -fsv"),
    ],
)
def test_alter_option_takes_one_of_the_same_length(answer: str, other: str, altered: str) -> None:
    assert alter(make_question(answer), make_question(other))["option"] == altered
    assert "option" not in alter(make_question(answer), make_question("--Other-x" if "--" not in answer else "-q"))


@pytest.mark.parametrize(
    ("statement", "opposite"),
    [
        ("It is not kept.", "It is kept."),
        ("The file must not exist.", "The file must exist."),
        ("It cannot be used.", "It can be used."),
        ("It can't be used.", "It can be used."),
        ("They aren't kept.", "They are kept."),
        ("It never waits.", "It always waits."),
        ("It can be used.", "It cannot be used."),
        ("The column is indexed.", "The column is not indexed."),
        ("不需要锁。", "需要锁。"),
        ("它会换页。", "它不会换页。"),
        ("可以看到更多。", "不可以看到更多。"),
        ("没有其他成员。", "有其他成员。"),
        ("这是一个文件。", "这不是一个文件。"),
    ],
)
def test_negate_reverses_a_statement(statement: str, opposite: str) -> None:
    change = negate(statement)
    assert change is not None
    assert statement[: change[0]] + change[2] + statement[change[1] :] == opposite


@pytest.mark.parametrize(
    "statement",
    [
        "git fetch",
        "No rewrite is done without it.",
        "Use is.na(x).",
        "可能如此。",
        "它的功能",
        "但是如此",
        "只能等",
        "机会",
    ],
)
def test_negate_leaves_statements_without_a_sure_rule(statement: str) -> None:
    assert negate(statement) is None


def test_reverse_yes_no_changes_the_answer_alone() -> None:
    assert reverse_yes_no("No, it is.") == (0, 2, "Yes") and reverse_yes_no("Yes: x") == (0, 3, "No")
    assert reverse_yes_no("None.") is None and reverse_yes_no("Say No.") is None


def test_altered_words_stay_within_their_statement() -> None:
    question = make_question("The first sentence ends here. Wait for 14 days. Then go on.")
    (alteration,) = (each for each in AnswerAlterer([question]).alter(question) if each.kind == "number")
    assert (alteration.original_words, alteration.altered_words) == ("for 14 days.", "for 24 days.")


def test_alterations_are_the_same_in_every_run() -> None:
    questions = [make_question("Set work_mem to 4MB, it is kept."), make_question("pg_wal is --not --so")]
    assert AnswerAlterer(questions).alter(questions[0]) == AnswerAlterer(questions).alter(questions[0])
    assert [each.kind for each in AnswerAlterer(questions).alter(questions[0])] == ["number", "name", "negation"]


def test_unanswerable_questions_are_not_altered() -> None:
    question = ManualQuestion("1", "?", "git", "en", "unanswerable", answer="The page is silent for 14 days.")
    assert AnswerAlterer([question]).alter(question) == []
