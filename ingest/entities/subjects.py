"""Find references to the document's subject in a sentence: names, parts of names, pronouns, "the film"."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from graphs.gazetteer import without_bracket
from ingest.entities.recognition import RecognizedEntity
from ingest.relations.pattern_library import POSSESSIVE, SUBJECT, word_alternatives, word_set
from kgrag.text import STOPWORDS, casefold_text, normalize_name, tokenize

_LINK_WORDS = word_set("links")
_THING = word_alternatives("thing")
GENERIC_OPENING = re.compile(rf"(?:The|This)(?: [a-z-]+)? (?:{_THING})\b(?!s)")
"""Opening such as "The film", which stands for the title."""
_GENERIC_NOUN = re.compile(rf"\b(?:{_THING})\b", re.IGNORECASE)
_CONTRIBUTION_OPENING = re.compile(
    r"The (?=lyrics|music|screenplay|script|score|soundtrack|director|author|founder|designer|composer)\b"
)
_OPENING_NAME = re.compile(
    r"(.{2,180}?)(?=\s*\(|,?\s+(?:is|was|are|were|refers|also|formerly|better|born|commonly|sometimes)\b"
    r"|\s*,\s*(?:the|an?|also|son|daughter|brother|sister|wife|born|known|or|n[ée]e)\b)"
)
_PRONOUN = re.compile(r"\b(?:he|she)\b|^(?:it|they)\b|(?<=, )(?:it|they)\b", re.IGNORECASE)
_POSSESSIVE_PRONOUN = re.compile(r"\b(?:his|her(?=\s+\w))\b|^(?:its|their)\b", re.IGNORECASE)
_CLAUSE_OPENING = re.compile(
    r"(?:Born|Educated|Married|Having|After|As|In|On|At|By|During|From|The|A|An|While|Before|Upon|When)\b"
)
_RUN_ON = re.compile("[是在的]")  # a false name: a dotted run joined to the words around it
_SELF_REFERENCE_ZH = re.compile(
    "他们?|她|它|其(?![中他它实余次])|(?:该|本|此)(?:[片剧书机校作所馆社镇县村市曲歌]|公司|大学|学院|小说|专辑|电影|游戏|奖项?)"
    "|这(?:部|首|本|台|座|所|款|家|张)(?:电影|影片|作品|歌曲?|书|小说|计算机|机器|大学|学校|公司|游戏|专辑|[剧片城])"
)


def find_document_subject(
    sentence: str, names: list[tuple[RecognizedEntity, str]], title: str, *, lang: str, is_first_sentence: bool
) -> list[tuple[int, int, str]]:
    """Return the spans that refer to the title's entity, ordered, each with ``SUBJECT`` or ``POSSESSIVE``.

    Args:
        sentence: the sentence.
        names: its names with their entities; offsets into the sentence.
        title: title of the document.
        lang: ``"en"`` or ``"zh"``.
        is_first_sentence: whether the sentence is the document's first.
    """
    return (
        _find_in_chinese(sentence, names, title)
        if lang == "zh"
        else _find_in_english(sentence, names, title, is_first_sentence)
    )


@lru_cache(maxsize=256)
def _title_forms(title: str) -> tuple[str, dict[str, None], frozenset[str]]:
    """Return the title without its bracket, its content words, and the names of its subject, normalised."""
    bare_title = without_bracket(title)
    title_words = [t.text for t in tokenize(bare_title.split(",")[0])]
    # in the title's order: a set's order depends on the process's hash seed, and results would differ
    title_tokens = dict.fromkeys(t.text for t in tokenize(title) if t.text not in STOPWORDS)
    forms: set[str] = set()
    if not _GENERIC_NOUN.search(bare_title):
        forms = {" ".join(title_words[i:]) for i in range(len(title_words))} | {
            " ".join(title_words[: i + 1]) for i in range(len(title_words))
        }
    distinctive_forms = {f for f in forms if len(f) > 2 and f not in STOPWORDS}
    return bare_title, title_tokens, frozenset(distinctive_forms | {normalize_name(bare_title)})


def _find_in_english(
    sentence: str, names: list[tuple[RecognizedEntity, str]], title: str, is_first_sentence: bool
) -> list[tuple[int, int, str]]:
    bare_title, title_tokens, forms = _title_forms(title)
    subject_spans: list[tuple[int, int, str]] = []
    if match := GENERIC_OPENING.match(sentence):
        subject_spans.append((0, match.end(), SUBJECT))
    elif match := _CONTRIBUTION_OPENING.match(sentence):
        subject_spans.append((0, match.end(), POSSESSIVE))
    elif is_first_sentence and (match := _OPENING_NAME.match(sentence)) and _is_name(match.group(), title_tokens):
        sentence_rest = sentence[match.end() :].lstrip()
        opening_words = {t.text for t in tokenize(match.group())}
        is_title_later = normalize_name(bare_title) not in normalize_name(match.group()) and normalize_name(
            bare_title
        ) in normalize_name(sentence[match.end() :])
        is_dated = re.match(r"\([^()]*\d{3}", sentence_rest) is not None
        is_called = re.match(r"[^.;]{0,120}\b(?:known|called)\b", sentence_rest) is not None
        if is_dated or (title_tokens.keys() & opening_words and not is_title_later) or (is_title_later and is_called):
            subject_spans.append((0, match.end(), SUBJECT))
    subject_start = subject_spans[0][1] if subject_spans else 0
    for name, _ in names:
        if name.start >= subject_start and name.type != "DATE" and normalize_name(name.text) in forms:
            subject_spans.append((name.start, name.end, SUBJECT))
    if not subject_spans:
        leading_tokens = tokenize(sentence[:120])
        for size in range(min(8, len(leading_tokens)), 0, -1):
            end = leading_tokens[size - 1].end
            if " ".join(t.text for t in leading_tokens[:size]) in forms:
                if not any(n.start < end < n.end for n, _ in names):
                    subject_spans.append((0, end - (2 if sentence[:end].endswith(("'s", "’s")) else 0), SUBJECT))
                break
    other_names = [
        n
        for n, _ in names
        if n.type not in ("DATE", "GROUP") and not any(s <= n.start < e for s, e, _ in subject_spans)
    ]
    has_other_subject = (
        bool(other_names) and other_names[0].start < 5 and not (subject_spans and subject_spans[0][0] == 0)
    )
    if not has_other_subject or _CLAUSE_OPENING.match(sentence):
        for expression, char in ((_PRONOUN, SUBJECT), (_POSSESSIVE_PRONOUN, POSSESSIVE)):
            for match in expression.finditer(sentence):
                if not any(s < match.end() and match.start() < e for s, e, _ in subject_spans):
                    subject_spans.append((match.start(), match.end(), char))
    return sorted(subject_spans)


def _is_name(text: str, title_words: Iterable[str]) -> bool:
    """Whether the opening of a sentence is a name, not a clause: lower-case words are links or in the title."""
    title_words = list(title_words)
    lowercase_words = [w for w in re.findall(r"\w[\w'’-]*", text) if w[0].islower()]
    return (
        all(
            casefold_text(w) in title_words or casefold_text(w) in STOPWORDS or w in _LINK_WORDS
            for w in lowercase_words
        )
        and not re.search(r"['’]s\s+[a-z]", text)
        and not re.match("(?:In|On|At|After|During|When|His|Her|He|She|It)\\b", text)
    ) or normalize_name(text) in " ".join(title_words)


def _find_in_chinese(
    sentence: str, names: list[tuple[RecognizedEntity, str]], title: str
) -> list[tuple[int, int, str]]:
    """Find references in Chinese, where a sentence without a subject continues with the previous one."""
    bare_title = without_bracket(title)
    forms = sorted(
        {title, bare_title, re.split("[·・]", bare_title)[-1], bare_title.strip("《》")}, key=len, reverse=True
    )
    subject_spans = (
        [
            (m.start(), m.end(), SUBJECT)
            for m in re.finditer("|".join(re.escape(f) for f in forms if len(f) > 1), sentence)
        ]
        if any(len(f) > 1 for f in forms)
        else []
    )
    # a longer name that begins with the title is another entity
    longer_names = [n for n, _ in names if not _RUN_ON.search(n.text)]
    longer_names = [
        n
        for n in longer_names
        for s, e, _c in subject_spans
        if n.start <= s and e <= n.end and n.end - n.start > e - s + 2
    ]
    subject_spans = [o for o in subject_spans if not any(n.start <= o[0] and o[1] <= n.end for n in longer_names)]
    has_other_subject = (
        any(n.start < 2 and n.type in ("PERSON", "WORK", "ORGANISATION") for n, _ in names) and not subject_spans
    )
    if not has_other_subject:
        for match in _SELF_REFERENCE_ZH.finditer(sentence):
            if not any(s < match.end() and match.start() < e for s, e, _ in subject_spans):
                subject_spans.append((match.start(), match.end(), SUBJECT))
        if not any(s == 0 for s, *_ in subject_spans):
            subject_spans.append((0, 0, SUBJECT))
    return sorted(subject_spans)
