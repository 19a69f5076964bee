"""Test the tokens of texts and questions."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indices.tokens import SURFACE_BITS, index_tokens, stem_code, token_runs, word_codes
from kgrag.text.stemming import stem_word

IDENTIFIERS = (
    "--force-with-lease", "core.bigFileThreshold", "ORA-00942", "40001", "v1.2.3", "2.10.1", "12.1.0.10", "2024-12-01",
    "/etc/apt/sources.list", "sqlite3_exec", "snake_case", "camelCase", ".gitattributes", "C++", "C#", ".NET", "WHO",
    "GPT-4", "SQLITE_IOERR_READ", "foo@bar.com", "std::vector",
)  # fmt: skip


def whole_token(identifier: str) -> str:
    """Return the whole of an identifier as a token; one of letters alone is stemmed."""
    whole = identifier if identifier == "WHO" else identifier.lower().removeprefix("v")
    return stem_word(whole) if whole.islower() and whole.isalpha() else whole


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Run sqlite3_exec() now", ["run", "sqlite3", "exec", "sqlite3_exec", "sqlite3exec", "now"]),
        ("使用WAL模式", ["使用", "wal", "模式"]),
        ("GPT-4模型", ["gpt", "4", "gpt-4", "gpt4", "模型"]),
        ("When was the WHO founded?", ["WHO", "found"]),
        ("What is IT?", ["IT"]),
        ("when was it founded?", ["found"]),
        ("When were The Who founded?", ["The", "Who", "found"]),
        ("The Who were founded.", ["Who", "found"]),
        ("It was founded. It closed.", ["found", "close"]),
        ("WHAT IS THE LICENCE OF IT?", ["licenc"]),
        ("WHAT IT IS\nA and WHO", ["WHO"]),
        ("WHERE x NOT IN y", ["WHERE", "x", "not", "IN", "y"]),
        ("on 1 December 2024", ["1", "decemb", "2024", "2024-12-01", "2024-12"]),
    ],
)
def test_index_tokens_of_identifiers_and_names(text: str, expected: list[str]) -> None:
    assert index_tokens(text) == expected


before = st.sampled_from(["", "see ", "(", "`", '"', "使用", "the file\n", "a, "])
after = st.sampled_from(["", " now", ")", "`", ".", ",", "。", "\n", "?", "："])


@given(st.sampled_from(IDENTIFIERS), before, after)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_identifier_whole_and_parts_anywhere(identifier: str, prefix: str, suffix: str) -> None:
    tokens = index_tokens(prefix + identifier + suffix)
    assert whole_token(identifier) in tokens
    alone = index_tokens(identifier)
    if alone != [identifier]:
        assert set(alone) <= set(tokens)


@given(st.text(alphabet=st.sampled_from("aB1 .-_/WHOit中文了\n'’+#:$"), max_size=40))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_index_tokens_are_stable(text: str) -> None:
    """The tokens are those of the runs, are never empty, and do not depend on earlier calls."""
    tokens = index_tokens(text)
    assert tokens == [token for words, forms in token_runs(text) for token in (*words, *forms)]
    assert all(token and not token.isspace() for token in tokens)
    assert index_tokens(text) == tokens


def test_word_codes_share_stem() -> None:
    engine, engines, the = word_codes("engine engines the")
    assert engine != engines
    assert engine >> SURFACE_BITS == engines >> SURFACE_BITS == stem_code("engin")
    assert the >> SURFACE_BITS != engine >> SURFACE_BITS
    assert word_codes("") == []
