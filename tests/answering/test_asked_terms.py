"""Tests of terms that a question asks about."""

from __future__ import annotations

import pytest

from kgrag.answering.stages.asked_terms import missing_name, missing_term
from tests.support.answering import make_pipeline, messages
from tests.support.fake_retriever import make_hit

HIT = make_hit(
    "Settings", "lock_timeout is 0 by default. git gc --auto packs objects. core.autocrlf converts line ends."
)


@pytest.mark.parametrize(
    ("question", "term"),
    [
        ("What's the default of transaction_timeout?", "transaction_timeout"),
        ("What does core.longpaths do?", "core.longpaths"),
        ("What is the effect of --prune-all on the packs?", "--prune-all"),
        ("What does sqlite3_exec() return?", "sqlite3_exec()"),
        ("What do I install to export an iSCSI target?", "iSCSI"),
        ("transaction_timeout 的默认值是多少？", "transaction_timeout"),
        ("What is the default of keep-monthly?", "keep-monthly"),
        ("keep-monthly 的默认值是多少？", "keep-monthly"),
        ("参数 core.longpaths 有什么用？", "core.longpaths"),
    ],
)
def test_term_that_no_passage_has_is_missing(question: str, term: str) -> None:
    assert missing_term(question, [HIT]) == term


@pytest.mark.parametrize(
    "question",
    [
        "What's the default of lock_timeout?",
        "What does git gc --auto do?",
        "What is `core.autocrlf` for?",
        "Why does my query on user_events ignore the index?",
        "How do I add a column to user_events?",
        "How do I import data.csv into my_table?",
        "What happens to report.txt?",
        "Who is Ada Lovelace?",
        "lock_timeout 是什么？",
        "给 user_events 表加一列怎么写？",
        "What is the well-known port?",
        "What is the meaning of line-ends?",
    ],
)
def test_known_and_made_up_terms_are_not_missing(question: str) -> None:
    assert missing_term(question, [HIT]) == ""


def test_pipeline_abstains_before_the_model_is_asked() -> None:
    pipeline, llm = make_pipeline("0", HIT)
    answer = pipeline.answer("What's the default of transaction_timeout?")
    assert answer.abstained and not llm.calls and messages(answer) == ["no retrieved passage has 'transaction_timeout'"]
    assert answer.evidence == (HIT,)


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("How do I connect the pump to WiFi?", "WiFi"),
        ("How do I stream it to S3 with Litestream?", "Litestream"),
        ("怎么用 Kubernetes 部署水泵？", "Kubernetes"),
        ("Which ggplot2 layer starts it?", "ggplot2"),
        ("Start it. Which pumps does Norden make?", ""),
        ("How do I use PostgreSQL with it?", ""),
        ("Why does it need Postgres?", ""),
        ("How do I rename the branch Foo?", ""),
        ("怎么删除名为 Foo 的文件？", ""),
        ("What does `FooBar` do, or “FooBar”?", ""),
        ("It runs out of RAM: OOM?", ""),
        ("How do I open docs/Foo.md or Foo.md?", ""),
    ],
)
def test_name_that_no_passage_has_is_found(question: str, name: str) -> None:
    hits = [make_hit("Pump", "Norden makes the pump. It stores its log in Postgres.")]
    assert missing_name(question, hits) == name
    assert not missing_name(question, [*hits, make_hit(f"About {name}", "Nothing.", 2)])
