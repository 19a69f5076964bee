"""Replace names by placeholder characters for the patterns, and join names that belong together."""

from __future__ import annotations

import re
from typing import NamedTuple

from graphs.predicates import load_predicate_schema
from ingest.entities.recognition import RecognizedEntity
from ingest.relations.pattern_library import (
    DATE_CHAR_BASE,
    GROUP_CHAR_BASE,
    MAX_PLACEHOLDERS,
    NAME_CHAR_BASE,
    POSSESSIVE,
    PRIVATE_USE_CHARS,
    SUBJECT,
    word_alternatives,
)
from kgrag.text import normalize_name
from kgrag.text.quantities import UNIT_PATTERN

_RANK = word_alternatives("rank")
_COMMA_RANK = re.compile(rf"\s*,\s*(?:{_RANK})\b")
_RANK_OF = re.compile(rf"\s*,\s*(?:{_RANK})\s+(?:Palatine\s+)?of\s+")
_ORDINAL = re.compile(r"\s*,\s*(?:the )?(?:\d+(?:st|nd|rd|th) )?")
_NAME_CONNECTOR = re.compile(r"\s*(?:,\s*)?(?:of|de|von|van)(?:\s+the)?\s*")
_UNTAGGED_YEAR = re.compile(
    rf"(?<![\w.,$£€¥-])(?<!opulation of )(?:1?\d{{3}}|20\d\d)(?![\w%]|,\d|\.\d)(?:(?<=[Ii]n \d{{4}})|(?![ -]?{UNIT_PATTERN}))"
)
_WORDS_BEFORE_DOTTED_NAME = re.compile(".*(?:是|为|与|和|由|叫|对|向|的|跟|了|师|家|子|给)(?=[^·・]{1,6}[·・])")


class Placeholder(NamedTuple):
    """A span of a sentence, its placeholder character, and the entity and type of its name."""

    start: int
    end: int
    char: str
    entity: str
    kind: str = ""


def find_placeholders(
    sentence: str,
    names: list[tuple[RecognizedEntity, str]],
    subject_spans: list[tuple[int, int, str]],
    lang: str,
    is_first_sentence: bool,
) -> list[Placeholder]:
    """Return placeholders for all possible arguments of facts in a sentence, ordered, without overlaps."""
    schema = load_predicate_schema()
    demonyms = schema.demonyms
    name_placeholders: list[Placeholder] = []
    for name, entity in sorted(names, key=lambda pair: pair[0].start):
        if any(name.start < end and name.end > start for start, end, _ in subject_spans):
            continue
        placeholder = Placeholder(name.start, name.end, "", entity, name.type)
        first_word = re.split(r"[\s-]", name.text)[0]
        if lang == "zh" and name.type == "MISC" and (prefix_match := _WORDS_BEFORE_DOTTED_NAME.match(name.text)):
            placeholder = placeholder._replace(
                start=name.start + prefix_match.end(), entity=normalize_name(name.text[prefix_match.end() :])
            )
        elif (
            first_word != name.text
            and first_word.lower() in demonyms
            and name.type != "ORGANISATION"
            and is_first_sentence
        ):
            placeholder = Placeholder(name.start, name.start + len(first_word), "", normalize_name(first_word), "GROUP")
        elif name.text.lower() in demonyms:
            placeholder = placeholder._replace(kind="GROUP")
        if name_placeholders and _is_single_name(sentence, name_placeholders[-1], placeholder, lang):
            joined_text = sentence[name_placeholders[-1].start : placeholder.end]
            name_placeholders[-1] = name_placeholders[-1]._replace(
                end=placeholder.end, entity=normalize_name(joined_text)
            )
        else:
            name_placeholders.append(placeholder)
    if lang == "en":
        taken_positions = {i for m in name_placeholders for i in range(m.start, m.end)} | {
            i for start, end, _ in subject_spans for i in range(start, end)
        }
        untagged_matches = [(m, "DATE") for m in _UNTAGGED_YEAR.finditer(sentence)]
        untagged_matches += [
            (m, "GROUP") for m in re.finditer(r"[A-Z]\w+(?=[ -])", sentence) if m.group().lower() in demonyms
        ]
        name_placeholders += [
            Placeholder(*m.span(), "", schema.entity_id(m.group(), kind), kind)
            for m, kind in untagged_matches
            if m.start() not in taken_positions
        ]
    base_by_kind = {"DATE": DATE_CHAR_BASE, "GROUP": GROUP_CHAR_BASE}
    placeholders = [Placeholder(start, end, char, "") for start, end, char in subject_spans]
    for index, placeholder in enumerate(sorted(name_placeholders)[:MAX_PLACEHOLDERS]):
        placeholders.append(placeholder._replace(char=chr(base_by_kind.get(placeholder.kind, NAME_CHAR_BASE) + index)))
    return sorted(placeholders)


def _is_single_name(sentence: str, left: Placeholder, right: Placeholder, lang: str) -> bool:
    """Whether two consecutive names form one name."""
    if {left.kind, right.kind} & {"DATE", "GROUP"}:
        return False
    between = sentence[left.end : right.start]
    if lang == "zh":
        return not between and left.kind == right.kind == "PLACE"
    if sentence[: left.start].endswith((" in ", " at ", "In ", " from ")):
        return False
    return _is_continued_name(between, sentence[left.end : right.end], left.kind)


def _is_continued_name(between: str, tail: str, kind: str) -> bool:
    """Whether two names belong to one person: "Philip" + "Duke of Parma", "Heraclius II" of "Georgia"."""
    if kind == "PLACE":
        return False
    if _COMMA_RANK.match(tail) and (_ORDINAL.fullmatch(between) or _RANK_OF.fullmatch(between)):
        return True
    return _NAME_CONNECTOR.fullmatch(between) is not None


def mask_sentence(sentence: str, placeholders: list[Placeholder], lang: str) -> str:
    """Replace names by their placeholders, and normalise spacing, quotes and brackets."""
    # private-use characters of the document itself must not be taken for placeholders
    sentence = PRIVATE_USE_CHARS.sub(" ", sentence)
    pieces, position = [], 0
    for placeholder in placeholders:
        pieces += [sentence[position : placeholder.start], placeholder.char]
        position = placeholder.end
    masked = "".join([*pieces, sentence[position:]])
    masked = re.sub('["“”]', "", masked.replace("’", "'"))
    if lang == "zh":
        return re.sub(r"\s+", "", masked).replace("(", "（").replace(")", "）").replace(",", "，")
    masked = re.sub(r"\s*\(\s*", " (", re.sub(r"\s+\)", ")", masked))
    masked = re.sub(r"\s+(?=[,;'])", "", re.sub(r"\s+", " ", masked)).strip()
    masked = re.sub(rf"{SUBJECT}'s?(?=[\s,])", POSSESSIVE, masked)
    return re.sub(rf"(?<=[{POSSESSIVE[0]}])(?=\w)", " ", masked)
