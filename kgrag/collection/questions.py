"""Recognise a question about many documents by its words (`kgrag/data/collection_questions.toml`)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files

from indices.bm25_index import index_tokens
from kgrag.text import has_cjk, to_simplified

MAX_QUESTION_CHARS = 300
"""A longer question asks for no list: bounds the time for a question of any length."""
_END = re.compile(r"[\s?？!！.。]+$")
_QUOTES = "\"'“”‘’「」『』《》` "


class CollectionKind(StrEnum):
    """Kind of a question about many documents."""

    MENTIONS = "mentions"
    COUNT = "count"
    OVERVIEW = "overview"
    NEWEST = "newest"
    OLDEST = "oldest"


@dataclass(frozen=True)
class CollectionQuestion:
    """A question about many documents; ``topic`` is what they shall mention, "" for anything."""

    kind: CollectionKind
    topic: str = ""


def parse_collection_question(question: str) -> CollectionQuestion | None:
    """Return what a question asks of many documents; None if it asks for something else."""
    text = fold_question(question)
    for kind, pattern in _load_patterns()["zh" if has_cjk(text) else "en"]:
        if match := pattern.fullmatch(text):
            topic = match.groupdict().get("topic") or ""
            # a topic without a word is in every document and in none
            return CollectionQuestion(kind, topic.strip(_QUOTES)) if not topic or index_tokens(topic) else None
    return None


def fold_question(question: str) -> str:
    """Return a question in simplified characters without its last mark; "" if it is too long to ask for a list."""
    text = " ".join(_END.sub("", to_simplified(question)).split())
    return text if len(text) <= MAX_QUESTION_CHARS else ""


@lru_cache(maxsize=1)
def _load_patterns() -> Mapping[str, list[tuple[CollectionKind, re.Pattern[str]]]]:
    """Return the patterns of each language, in order."""
    data = tomllib.loads(files("kgrag.data").joinpath("collection_questions.toml").read_text("utf-8"))
    patterns: dict[str, list[tuple[CollectionKind, re.Pattern[str]]]] = {}
    for language, words in data["words"].items():
        patterns[language] = [
            (CollectionKind(kind["name"]), re.compile(_fill(pattern, words), re.IGNORECASE))
            for kind in data["kind"]
            for pattern in kind[language]
        ]
    return patterns


def _fill(pattern: str, words: Mapping[str, str]) -> str:
    """Return a pattern with the words for its names in braces."""
    return re.sub(r"\{([a-z]+)\}", lambda match: words[match[1]], pattern)
