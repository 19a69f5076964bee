"""Tests of the recognition of questions about many documents."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgrag.collection.questions import CollectionKind, parse_collection_question


@pytest.mark.parametrize(
    ("question", "kind", "topic"),
    [
        ("Which documents mention Ada Lovelace?", "mentions", "Ada Lovelace"),
        ("Please list all notes that talk about the bf16 format.", "mentions", "the bf16 format"),
        ("In which files is VACUUM mentioned?", "mentions", "VACUUM"),
        ("What reports are about “solar panels”?", "mentions", "solar panels"),
        ("How many of my papers cite Hinton?", "count", "Hinton"),
        ("In how many emails does Zhang Wei appear?", "count", "Zhang Wei"),
        ("What are these documents about?", "overview", ""),
        ("main themes of the corpus", "overview", ""),
        ("Can you summarize my notes?", "overview", ""),
        ("Which is the newest report?", "newest", ""),
        ("What is the oldest note about backups?", "oldest", "backups"),
        ("哪些文档提到了丘成桐？", "mentions", "丘成桐"),
        ("LoRA在哪些笔记中出现过？", "mentions", "LoRA"),
        ("列出所有提到bf16的笔记", "mentions", "bf16"),
        ("有多少篇文章討論過量化？", "count", "量化"),
        ("这些文档主要讲了什么？", "overview", ""),
        ("请总结一下我的笔记", "overview", ""),
        ("最新的报告是哪一份？", "newest", ""),
        ("哪篇笔记最早？", "oldest", ""),
    ],
)
def test_question_about_documents_is_recognised(question: str, kind: str, topic: str) -> None:
    parsed = parse_collection_question(question)
    assert parsed is not None and (parsed.kind, parsed.topic) == (CollectionKind(kind), topic)


@pytest.mark.parametrize(
    "question",
    [
        "",
        "?",
        "What is a PENDING lock?",
        "Which documents do I need for a visa?",
        "Who wrote the oldest novel?",
        "What does the document of 1215 say about taxes?",
        "How many documents can a collection hold?",
        "What is the latest version of SQLite?",
        "How do I list all files that contain a word?",
        "文档怎么转换成PDF？",
        "最近的车站在哪里？",
        "这个命令讲了什么？",
        "哪些文件系统支持快照？",
        "Which documents mention " + "x" * 400,
        'Which documents mention ""?',
        "Which documents mention the?",
        "哪些文档提到“”？",
    ],
)
def test_other_question_is_not(question: str) -> None:
    assert parse_collection_question(question) is None


@given(st.text(max_size=400))
def test_any_text_is_read_without_an_error(text: str) -> None:
    parsed = parse_collection_question(text)
    assert parsed is None or isinstance(parsed.kind, CollectionKind)
