"""Where a sentence speaks of its document's subject: by name, by a part of it, by a pronoun, or as "the film"."""

from __future__ import annotations

import re
from collections.abc import Iterable

from graphs.gazetteer import without_bracket
from ingest.names import Name
from ingest.patterns import POSSESSIVE, SUBJECT, alternatives, word_set
from kgrag.text import STOPWORDS, fold, key, tokens

_LINKS = word_set("links")
_THING = alternatives("thing")
GENERIC = re.compile(rf"(?:The|This)(?: [a-z-]+)? (?:{_THING})\b(?!s)")
"""An opening like "The film", which stands for the title."""
_KIND = re.compile(rf"\b(?:{_THING})\b", re.IGNORECASE)
_MAKING = re.compile(
    r"The (?=lyrics|music|screenplay|script|score|soundtrack|director|author|founder|designer|composer)\b"
)
_OPENING = re.compile(
    r"(.{2,180}?)(?=\s*\(|,?\s+(?:is|was|are|were|refers|also|formerly|better|born|commonly|sometimes)\b"
    r"|\s*,\s*(?:the|an?|also|son|daughter|brother|sister|wife|born|known|or|n[ée]e)\b)"
)
_PRONOUN = re.compile(r"\b(?:he|she)\b|^(?:it|they)\b|(?<=, )(?:it|they)\b", re.IGNORECASE)
_OWNING = re.compile(r"\b(?:his|her(?=\s+\w))\b|^(?:its|their)\b", re.IGNORECASE)
_CLAUSE = re.compile(
    r"(?:Born|Educated|Married|Having|After|As|In|On|At|By|During|From|The|A|An|While|Before|Upon|When)\b"
)
_RUN_ON = re.compile("[是在的]")  # a "name" joined by a dot to the words around it
_ZH_SELF = re.compile(
    "他们?|她|它|其(?![中他它实余次])|(?:该|本|此)(?:[片剧书机校作所馆社镇县村市曲歌]|公司|大学|学院|小说|专辑|电影|游戏|奖项?)"
    "|这(?:部|首|本|台|座|所|款|家|张)(?:电影|影片|作品|歌曲?|书|小说|计算机|机器|大学|学校|公司|游戏|专辑|[剧片城])"
)


def find_subject(
    sentence: str, names: list[tuple[Name, str]], title: str, *, lang: str, opening: bool
) -> list[tuple[int, int, str]]:
    """The spans that stand for the title's entity, ordered, each with ``SUBJECT`` or ``POSSESSIVE``.

    ``opening`` says that the sentence is the document's first.
    """
    return _in_chinese(sentence, names, title) if lang == "zh" else _in_english(sentence, names, title, opening)


def _in_english(sentence: str, names: list[tuple[Name, str]], title: str, opening: bool) -> list[tuple[int, int, str]]:
    head = without_bracket(title)
    words = [t.text for t in tokens(head.split(",")[0])]
    # in the title's order: a set would have that of this process's hashes, and two would not read the same
    known = dict.fromkeys(t.text for t in tokens(title) if t.text not in STOPWORDS)
    forms: set[str] = set()
    if not _KIND.search(head):
        forms = {" ".join(words[i:]) for i in range(len(words))} | {" ".join(words[: i + 1]) for i in range(len(words))}
    forms = {f for f in forms if len(f) > 2 and f not in STOPWORDS} | {key(head)}
    own: list[tuple[int, int, str]] = []
    if match := GENERIC.match(sentence):
        own.append((0, match.end(), SUBJECT))
    elif match := _MAKING.match(sentence):
        own.append((0, match.end(), POSSESSIVE))
    elif opening and (match := _OPENING.match(sentence)) and _is_name(match.group(), known):
        after = sentence[match.end() :].lstrip()
        heard = {t.text for t in tokens(match.group())}
        elsewhere = key(head) not in key(match.group()) and key(head) in key(sentence[match.end() :])
        dated = re.match(r"\([^()]*\d{3}", after) is not None
        called = re.match(r"[^.;]{0,120}\b(?:known|called)\b", after) is not None
        if dated or (known.keys() & heard and not elsewhere) or (elsewhere and called):
            own.append((0, match.end(), SUBJECT))
    starts = own[0][1] if own else 0
    for name, _ in names:
        if name.start >= starts and name.type != "DATE" and key(name.text) in forms:
            own.append((name.start, name.end, SUBJECT))
    if not own:
        heard_words = tokens(sentence[:120])
        for size in range(min(8, len(heard_words)), 0, -1):
            end = heard_words[size - 1].end
            if " ".join(t.text for t in heard_words[:size]) in forms:
                if not any(n.start < end < n.end for n, _ in names):
                    own.append((0, end - (2 if sentence[:end].endswith(("'s", "’s")) else 0), SUBJECT))
                break
    others = [n for n, _ in names if n.type not in ("DATE", "GROUP") and not any(s <= n.start < e for s, e, _ in own)]
    stranger = bool(others) and others[0].start < 5 and not (own and own[0][0] == 0)
    if not stranger or _CLAUSE.match(sentence):
        for expression, char in ((_PRONOUN, SUBJECT), (_OWNING, POSSESSIVE)):
            for match in expression.finditer(sentence):
                if not any(s < match.end() and match.start() < e for s, e, _ in own):
                    own.append((match.start(), match.end(), char))
    return sorted(own)


def _is_name(text: str, known: Iterable[str]) -> bool:
    """Whether the opening of a sentence is a name and not a clause: few words without a capital."""
    known = list(known)
    small = [w for w in re.findall(r"\w[\w'’-]*", text) if w[0].islower()]
    return (
        all(fold(w) in known or fold(w) in STOPWORDS or w in _LINKS for w in small)
        and not re.search(r"['’]s\s+[a-z]", text)
        and not re.match("(?:In|On|At|After|During|When|His|Her|He|She|It)\\b", text)
    ) or key(text) in " ".join(known)


def _in_chinese(sentence: str, names: list[tuple[Name, str]], title: str) -> list[tuple[int, int, str]]:
    """The same in Chinese, where a sentence without a subject goes on about the last one."""
    head = without_bracket(title)
    forms = sorted({title, head, re.split("[·・]", head)[-1], head.strip("《》")}, key=len, reverse=True)
    own = (
        [
            (m.start(), m.end(), SUBJECT)
            for m in re.finditer("|".join(re.escape(f) for f in forms if len(f) > 1), sentence)
        ]
        if any(len(f) > 1 for f in forms)
        else []
    )
    # a longer name that only begins with the title is something else
    longer = [n for n, _ in names if not _RUN_ON.search(n.text)]
    longer = [n for n in longer for s, e, _c in own if n.start <= s and e <= n.end and n.end - n.start > e - s + 2]
    own = [o for o in own if not any(n.start <= o[0] and o[1] <= n.end for n in longer)]
    stranger = any(n.start < 2 and n.type in ("PERSON", "WORK", "ORGANISATION") for n, _ in names) and not own
    if not stranger:
        for match in _ZH_SELF.finditer(sentence):
            if not any(s < match.end() and match.start() < e for s, e, _ in own):
                own.append((match.start(), match.end(), SUBJECT))
        if not any(s == 0 for s, *_ in own):
            own.append((0, 0, SUBJECT))
    return sorted(own)
