"""Find identifiers, names and commands in a text, regardless of its dashes, quotes and letter case."""

from __future__ import annotations

import re
from functools import lru_cache

from kgrag.answering.guards.number_literals import is_number
from kgrag.text import casefold_text, to_simplified, tokenize
from kgrag.text.stemming import stem_word

_FOLDED = str.maketrans({**dict.fromkeys("‐‑–−", "-"), "—": "--", "‘": "'", "’": "'", "“": '"', "”": '"', "＝": "=", "％": "%", "\u00a0": " ", "\u00ad": "", "\u200b": ""})  # fmt: skip
PLACEHOLDER_TAG = r"<[A-Za-z]+(?:[ _-][A-Za-z]+){0,2}>"
"""Matches the user's own name in angle brackets: one to three words."""
_PLACEHOLDER = re.compile(
    rf"(?<!\S)\(?\d{{1,2}}[).](?=\s)|/dev/\w+(?:/\w+)*|{PLACEHOLDER_TAG}|\.\.\.|…|(?:包|文件|服务|用户|目录|主机|分支|表|进程)[名号]"
)
_CODE_PART = re.compile(r"[^\s=:,;(){}\[\]<>|\"'`/\\@&+*!?]+")
MIN_SUBCOMMAND_CHARS = 4
"""Characters from which a word after a hyphen is a name of its own: ``push`` of ``git-push``."""
OPTION = re.compile(r"--?[A-Za-z][\w-]*")
HYPHENATED = re.compile(r"[A-Za-z]?[a-z]+(?:['-][A-Za-z]?[a-z]+)+")


@lru_cache(maxsize=4096)
def fold_literal(text: str) -> str:
    """Replace typographic dashes, quotes and spaces by plain ones, and traditional characters by simplified ones."""
    return to_simplified(text.translate(_FOLDED))


def mask_placeholders(text: str) -> str:
    """Replace the words that stand for the user's own names, such as ``<file>``, by spaces."""
    return _PLACEHOLDER.sub(lambda m: " " * len(m.group()), text)


def is_code_like(run: str) -> bool:
    """Whether a run of characters is an option, a path, a version or another identifier."""
    if not re.search(r"[A-Za-z]", run):
        return bool(len(run) < 64 and re.fullmatch(r"[\d.]*\d\.\d+\.\d[\d.]*", run))
    if HYPHENATED.fullmatch(run):
        return False
    if OPTION.match(run) or run[0] in "/\\$%.~@" or re.search(r"[_/\\=@]|::|->|\w\.\w|\w:\w", run):
        return not re.fullmatch(r"[A-Za-z]\.[A-Za-z]\.?", run)
    if re.search(r"[A-Za-z]", run) and re.search(r"\d", run):
        return not is_number(run)
    return bool(re.search(r"[a-z]-?[A-Z]", run)) or bool(re.fullmatch(r"[A-Z][A-Z0-9]+", run))


def holds_code(folded_text: str, code: str) -> bool:
    """Whether a folded text has an identifier: as a whole, or else all of its parts."""
    if holds_run(folded_text, code):
        return True
    key, _, value = code.partition("=")
    if value and holds_run(folded_text, key):
        pattern = rf"{re.escape(key)}\s*=\s*[\"'<]?([\w.%-]+)"
        values = re.findall(pattern, folded_text, re.IGNORECASE)
        if values:
            return any(holds_run(found.lower(), value.lower()) for found in values)
    parts = [part for part in _CODE_PART.findall(code) if re.search(r"\w", part)]
    if parts == [code]:
        stripped = code.strip(".-$%")
        return code[0] in ".$%" and stripped != code and len(stripped) > 2 and holds_run(folded_text, stripped)
    return bool(parts) and all(holds_run(folded_text, part.strip(".")) for part in parts if part.strip("."))


def holds_command(folded_text: str, command: str) -> bool:
    """Whether a folded text has a command and its subcommand, as ``git push`` or ``git-push``."""
    first, second = command.split()
    return re.search(rf"(?<![\w-]){re.escape(first)}[ -]{re.escape(second)}(?![\w])", folded_text) is not None


def holds_name(folded_text: str, name: str) -> bool:
    """Whether a folded text has a name, in any letter case and with any ending that the stemmer removes."""
    lowered = casefold_text.__wrapped__(folded_text)
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", lowered) is not None or stem_word(name) in _stems(lowered)


@lru_cache(maxsize=4096)
def _stems(lowered: str) -> frozenset[str]:
    return frozenset(stem_word(token.text) for token in tokenize(lowered))


def holds_run(text: str, run: str) -> bool:
    """Whether a text has a run of characters that no letter, digit or hyphen of it continues.

    The case of a short option matters: ``-r`` is not ``-R``.
    """
    if not run:
        return True  # nothing but marks that are not compared
    is_case_exact = re.fullmatch(r"-[A-Za-z]", run) is not None
    haystack, needle = (text, run) if is_case_exact else (_lower(text), run.lower())
    position = haystack.find(needle)
    while position >= 0:
        end = position + len(needle)
        if not _continues(haystack[max(0, position - 1) : position], needle, haystack[end : end + 2]):
            return True
        position = haystack.find(needle, position + 1)
    return False


def _continues(before: str, run: str, after: str) -> bool:
    """Whether the characters before and after a run belong to it."""
    is_joined = before == "-" and (run[0] in "-_" or len(run) < MIN_SUBCOMMAND_CHARS)
    if is_joined or (before.isascii() and (before.isalnum() or before == "_") and (run[0].isalnum() or run[0] in "-_")):
        return True
    if run[-1].isalnum() and after[:1].isascii() and (after[:1].isalnum() or after[:1] == "_"):
        return True
    # "--ignore-rev" is not in "--ignore-revs-file", nor "--skip" in "--skip-all"
    return run[0] == "-" and after[:1] == "-" and after[1:].isalnum()


@lru_cache(maxsize=4096)
def _lower(text: str) -> str:
    return text.lower()
