"""Parse the quoted phrases and the excluded words of a question."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from kgrag.text import CJK, tokenize

_QUOTED = '"([^"\n]{1,300})"|“([^”\n]{1,300})”|「([^」\n]{1,300})」|『([^』\n]{1,300})』'
_PHRASE = re.compile(_QUOTED)
_EXCLUDED = re.compile(
    rf"(?<!\S)-(?:(?P<word>[^\W\d_{CJK}]{{3,}}|[{CJK}]+)|(?P<phrase>{_QUOTED}))(?=$|[\s,;.!?，；。！？])"
)


@dataclass(frozen=True, slots=True)
class WordQuery:
    """A question for the word index.

    Attributes:
        text: The question without its excluded words.
        phrases: Quoted phrases, without the quotation marks.
        excluded: Words and phrases that no passage may have.
    """

    text: str
    phrases: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()


def parse_query(question: str, is_option: Callable[[str], bool]) -> WordQuery:
    """Parse a question.

    ``-word`` and ``-"some words"`` after white space exclude, if the word has three or more letters and nothing else
    (Chinese: one or more characters). ``-l``, ``--force`` and ``-std=c99`` never do. A word that a passage has as an
    option with one dash, such as ``-name``, does not either. A question of excluded words alone excludes nothing.

    Args:
        question: the user's question.
        is_option: whether the index has a token such as "-name".
    """
    excluded: list[str] = []

    def remove(match: re.Match[str]) -> str:
        word = match["word"]
        if word and is_option(f"-{word.lower()}"):
            return match.group()
        excluded.append(word or next(part for part in match.groups()[2:] if part))
        return " "

    text = _EXCLUDED.sub(remove, question)
    if excluded and not tokenize(text):
        return parse_query(question.replace("-", " "), is_option)
    quoted = (next(part for part in match.groups() if part) for match in _PHRASE.finditer(text))
    return WordQuery(text, tuple(phrase for phrase in quoted if tokenize(phrase)), tuple(excluded))
