"""Find the literals of a statement: the numbers, names, options and paths that its source must have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from kgrag.answering.guards.literal_text import (
    HYPHENATED,
    OPTION,
    fold_literal,
    holds_code,
    holds_command,
    holds_name,
    holds_run,
    is_code_like,
    mask_placeholders,
)
from kgrag.answering.guards.match_words import match_words
from kgrag.answering.guards.number_literals import NumberLiteral, find_numbers, has_number, numbers_at, plain_number
from kgrag.answering.guards.source_sentences import SourceSentence
from kgrag.text import CJK, STOPWORDS, has_cjk, tokenize
from kgrag.text.stemming import stem_word

_CHUNK = re.compile(rf"[^\s{CJK}，。；：、！？（）《》「」“”]+")
_EDGES = "\"'`.,;:!?()[]{}<>*|…"
_CLAUSE_END = re.compile(r"[;,()。；，、（）\n]|[:：.!?](?=\s|$)")
_CODE_LIKE = re.compile(r"[A-Za-z0-9][_./:=@\\]+[A-Za-z]|(?<!\w)[$%/\\-][A-Za-z]|[a-z][A-Z]|\b[A-Z]{2,}")
_NAME_LIKE = re.compile(r"[\w,)] [A-Z][a-z]")
_EXAMPLE_FILE = re.compile(r"[\w-]+(?:\.\d+)*\.(?:csv|db|tar\.gz|t?gz|zip|img|iso|txt|log|json|pdf|png)")
"""A file in the working directory: the name is the user's to choose."""
_KEYWORD_AFTER = re.compile(r" ([A-Z]{2,}|[a-z]+_[a-z_]+)\b")
_COMMAND = re.compile(
    r"(?:^|[`(:;.,$>]\s*|\b(?:[Uu]se|[Rr]un|with|then|via|type) |[\u3400-\u9fff] ?)([a-z]{2,}) ([a-z][a-z-]+)(?= +(?:\w+ )?(?:--?[A-Za-z]|<|/|\.\.\.| ))",
    re.MULTILINE,
)
"""A command and its subcommand, before an option, a path or a placeholder."""
_VERBS = frozenset(
    ["use", "run", "pass", "add", "set", "give", "call", "type", "write", "create", "start", "see", "make"]
)
_BEFORE = re.compile(r"(--?[A-Za-z][\w-]*|[A-Za-z]{3,})[ =]$")


MIN_CLAUSE_WORDS = 3
"""A clause of at most so many words says too little of what is around a literal: the whole statement does."""


class LiteralKind(StrEnum):
    """Kind of a literal.

    A compound is a word with hyphens (``non-volatile``), a command a program with its subcommand (``git push``).
    """

    CODE = "code"
    OPTION = "option"
    NAME = "name"
    NUMBER = "number"
    COMPOUND = "compound"
    COMMAND = "command"


CODE_KINDS = (LiteralKind.CODE, LiteralKind.OPTION)
"""Kinds that are the same in every language."""


@dataclass(frozen=True)
class Literal:
    """A literal of a claim.

    ``clause`` is the text around it. ``before`` is the word or the option before a number, and ``keyword_after`` the
    word in capitals after another; both are "" if there is none.
    """

    kind: LiteralKind
    text: str
    clause: str
    number: NumberLiteral | None = None
    before: str = ""
    keyword_after: str = ""

    def keywords_in_slot(self, sentence: SourceSentence) -> set[str]:
        """Return the words in capitals of a sentence that stand before the keyword after this one."""
        return set(re.findall(rf"\b([A-Z]{{2,}}) {re.escape(self.keyword_after)}(?!\w)", fold_literal(sentence.text)))

    def numbers_in_slot(self, sentence: SourceSentence) -> set[str]:
        """Return the numbers of a sentence that follow the word before this number."""
        pattern = rf"(?<![\w-]){re.escape(self.before)}[\s=]{{1,2}}(\d[\d,.]*)(?!\w)"
        found = re.findall(pattern, fold_literal(sentence.text), re.IGNORECASE)
        return {plain_number(value.rstrip(".,")) for value in found}

    def is_held_by(self, sentence: SourceSentence) -> bool:
        """Whether a sentence, its passage's title or its headings have the literal."""
        text = fold_literal(f" {sentence.context}\n{sentence.text} ")
        if self.number is not None:
            return has_number(find_numbers(text), self.number)
        if self.kind is LiteralKind.COMMAND:
            return holds_command(text, self.text)
        if self.kind is LiteralKind.COMPOUND:
            parts = {stem_word(part) for part in self.text.lower().split("-") if len(part) > 3}
            return parts <= sentence.window_words or holds_run(text, self.text)
        return holds_name(text, self.text) if self.kind is LiteralKind.NAME else holds_code(text, self.text)

    def has_rival_in(self, sentence: SourceSentence) -> bool:
        """Whether a sentence has another literal of the kind."""
        if self.number is not None:
            unit = self.number.unit
            return any(not unit or number.unit == unit for number in find_numbers(fold_literal(sentence.text)))
        if self.kind is LiteralKind.OPTION:
            return re.search(r"(?<![\w-])--?[A-Za-z]", sentence.text) is not None
        if self.kind is LiteralKind.CODE:
            return _CODE_LIKE.search(sentence.text) is not None
        return self.kind is LiteralKind.NAME and _NAME_LIKE.search(sentence.text) is not None


def find_literals(text: str, question: str, is_code: bool = False) -> list[Literal]:
    """Return the literals of a statement that its question does not contain.

    Args:
        text: the statement, without citation marks.
        question: the user's question.
        is_code: the statement is a block of code, where every word is a literal.
    """
    folded = mask_placeholders(fold_literal(text))
    folded_question = fold_literal(question)
    found: dict[tuple[LiteralKind, str], Literal] = {}

    def add(kind: LiteralKind, literal: str, start: int, number: NumberLiteral | None = None) -> None:
        if (kind, literal) in found:
            return
        before = _BEFORE.search(folded, max(0, start - 40), start)
        keyword = ""
        if literal.isupper() and (after := _KEYWORD_AFTER.match(folded, start + len(literal))):
            keyword = after.group(1)
        slot = before.group(1) if before and before.group(1).lower() not in STOPWORDS else ""
        found[kind, literal] = Literal(kind, literal, _clause_at(folded, start), number, slot, keyword)

    masked = list(folded)
    in_backticks = [range(*m.span()) for m in re.finditer(r"`[^`\n]+`", folded)]
    for match in _CHUNK.finditer(folded):
        for start, end in _code_spans(folded, match):
            run = folded[start:end]
            is_quoted = is_code or any(start in span for span in in_backticks)
            if HYPHENATED.fullmatch(run) and "-" in run and not is_quoted:
                if not holds_code(folded_question, run):
                    add(LiteralKind.COMPOUND, run, start)
                continue
            if not (is_code_like(run) or (is_quoted and re.search(r"[A-Za-z]", run))):
                continue
            masked[start:end] = " " * (end - start)
            if not holds_code(folded_question, run) and not _EXAMPLE_FILE.fullmatch(run):
                add(LiteralKind.OPTION if OPTION.match(run) else LiteralKind.CODE, run, start)
    for match in _COMMAND.finditer(folded):
        if match[1] not in STOPWORDS | _VERBS and match[2] not in STOPWORDS:
            command = f"{match[1]} {match[2]}"
            if not holds_command(folded_question, command):
                add(LiteralKind.COMMAND, command, match.start(1))
    rest = "".join(masked)
    question_numbers = find_numbers(folded_question)
    for number, start in numbers_at(rest):
        if not has_number(question_numbers, number):
            add(LiteralKind.NUMBER, number.value, start, number)
    for name, start in _names(rest, folded_question):
        add(LiteralKind.NAME, name, start)
    return list(found.values())


def _clause_at(text: str, offset: int) -> str:
    """Return the clause around an offset, or the whole text if the clause has few words."""
    ends = [m.start() for m in _CLAUSE_END.finditer(text)]
    left = max((end for end in ends if end < offset), default=0)
    right = min((end for end in ends if end >= offset), default=len(text))
    return text[left:right] if len(match_words(text[left:right])) > MIN_CLAUSE_WORDS else text


def _code_spans(folded: str, match: re.Match[str]) -> list[tuple[int, int]]:
    """Return the span of a chunk without the punctuation around it, or of its parts if it is a call or a list."""
    start, end = match.span()
    while start < end and (
        folded[start] in _EDGES and not (folded[start] == "." and folded[start + 1 : start + 2].isalpha())
    ):
        start += 1
    while start < end and folded[end - 1] in _EDGES:
        end -= 1
    run = folded[start:end]
    if re.search(r"[(){}\[\],;\"'|<>]", run):
        return [(start + m.start(), start + m.end()) for m in re.finditer(r"[^(){}\[\],;\"'|<>]+", run)]
    return [(start, end)] if start < end else []


def _names(text: str, folded_question: str) -> Iterator[tuple[str, int]]:
    """Yield the capitalised words that are not in the question and do not begin a sentence, casefolded."""
    question_words = {token.text for token in tokenize(folded_question)}
    question_stems = {stem_word(word) for word in question_words}
    for token in tokenize(text):
        word = text[token.start : token.end]
        if len(word) < 2 or not word[:1].isupper() or has_cjk(word) or token.text in STOPWORDS:
            continue
        before = text[: token.start].rstrip(" \"'`(*")
        if (not before or before[-1] in ".!?\n。！？：；") and not _continues_name(text, token.end):
            continue
        if token.text not in question_words and stem_word(token.text) not in question_stems:
            yield token.text, token.start


def _continues_name(text: str, end: int) -> bool:
    return re.match(r"['’]s\b", text[end:]) is not None
