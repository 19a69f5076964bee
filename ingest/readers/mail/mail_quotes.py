"""Quotes and signatures in the text of mails: those that repeat an earlier mail are left out, others are marked."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable

from ingest.readers.read_log import SeenIds

MAX_THREAD_CHARS = 1 << 18
"""Maximum characters that are kept of a thread to find its quotes; older ones are forgotten."""
MAX_THREADS = 200
"""Maximum number of threads in memory."""
MAX_SIGNATURE_LINES = 20
"""Maximum length of a signature or a list's footer; what is longer is text."""

_QUOTED = re.compile(r"[ \t]*(?:>[ \t]?)+")
_ATTRIBUTION = re.compile(
    r"(?:on\b.{6,200}\bwrote|am\b.{6,200}\bschrieb.*|le\b.{6,200}\ba écrit|在.{6,200}写道|.{6,200}于.{4,60}写道)\s*[:：]\s*",
    re.IGNORECASE | re.DOTALL,
)
_ORIGINAL = re.compile(
    r"[ \t]*(?:-{2,}[ \t]*(?:original message|forwarded message|原始邮件|转发的邮件|原邮件|回复的原邮件)[ \t]*-{2,}|_{20,}|"
    r"(?:\*{0,2})(?:from|von|de|发件人)\*{0,2}[ \t]*[:：]\*{0,2}[ \t]*\S.*)[ \t]*",
    re.IGNORECASE,
)
_SENT = re.compile(
    r"[ \t]*\*{0,2}(?:sent|date|gesendet|envoyé|发送时间|日期|时间|to|收件人)\*{0,2}[ \t]*[:：]", re.IGNORECASE
)
_SIGNATURE = re.compile(r"--[ \t]?|_{20,}")
_REPLY_MARK = re.compile(r"^(?:\s*(?:re|fwd?|aw|wg|sv|tr|回复|答复|转发)(?:\[\d+\])?\s*[:：])+", re.IGNORECASE)
_ITEM = re.compile(r"[-*+•]\s|\(?\d{1,3}[.)]\s")


class MailThreads:
    """Texts of the mails read so far by thread, in bounded memory."""

    def __init__(self) -> None:
        self._texts: OrderedDict[str, str] = OrderedDict()
        self._signatures = SeenIds()

    def clean(self, text: str, thread_ids: Iterable[str], subject: str) -> str:
        """Return a mail's text without repeated quotes and signatures, and remember it.

        Args:
            text: the text of the mail.
            thread_ids: the ids of the mail and of those that it answers.
            subject: the subject; equal ones without "Re:" are a thread too.
        """
        keys = [*dict.fromkeys(thread_ids), f"subject {_REPLY_MARK.sub('', subject).strip().casefold()}"]
        earlier = [self._texts[key] for key in keys if key in self._texts]
        own_text, signature = _cut_signature(text)
        cleaned = _clean_quotes(own_text, earlier)
        if signature and self._signatures.add(_squeeze(signature)):
            cleaned = f"{cleaned}\n\n{signature}"
        kept = _squeeze(text)
        for key in keys:
            self._texts[key] = (self._texts.pop(key, "") + "\n" + kept)[-MAX_THREAD_CHARS:]
        while len(self._texts) > MAX_THREADS:
            self._texts.popitem(last=False)
        return cleaned.strip("\n")


def _squeeze(text: str) -> str:
    """Return text without white space and quote marks, so that quotes match after a change of line length."""
    return "".join(re.sub(r"^[ \t>]+", "", line) for line in text.split("\n")).replace(" ", "").replace("\t", "")


def _cut_signature(text: str) -> tuple[str, str]:
    """Split off the signature of the mail or the footer of its list, if it ends the text."""
    lines = text.rstrip().split("\n")
    first = max(0, len(lines) - MAX_SIGNATURE_LINES - 1)
    for number in range(first, len(lines)):
        following = lines[number + 1 :]
        if _SIGNATURE.fullmatch(lines[number]) and not any(
            _QUOTED.match(line) or _SENT.match(line) for line in following
        ):
            return "\n".join(lines[:number]).rstrip(), "\n".join(following).strip()
    return text, ""


def _clean_quotes(text: str, earlier: list[str]) -> str:
    kept: list[str] = []
    quote: list[str] = []
    lines = text.split("\n")
    in_original = False
    for number, line in enumerate(lines):
        if not in_original and _starts_original(lines, number):
            in_original = True
        if match := _QUOTED.match(line):
            quote.append(line[match.end() :])
        elif in_original:
            quote.append(line)
        else:
            _end_quote(kept, quote, earlier)
            quote = []
            kept.append(line)
    _end_quote(kept, quote, earlier)
    return "\n".join(kept)


def _starts_original(lines: list[str], number: int) -> bool:
    """Whether a line begins the mail that is answered, in the style of Outlook: "From:", then "Sent:" or "To:"."""
    if not _ORIGINAL.fullmatch(lines[number]):
        return False
    return any(_SENT.match(line) for line in lines[number + 1 : number + 4])


def _end_quote(kept: list[str], quote: list[str], earlier: list[str]) -> None:
    """Append the lines of a quote that repeat no earlier mail, marked with ``>`` and joined to paragraphs."""
    if not quote:
        return
    fresh = [line for line in quote if not _is_repeated(line, earlier)]
    if not any(line.strip() and not _is_frame(line) for line in fresh):
        if len(fresh) < len(quote):
            _drop_attribution(kept)
        return
    paragraph = ""
    for line in [*fresh, ""]:
        stripped = line.strip()
        if paragraph and (not stripped or _ITEM.match(stripped)):
            kept.append(f"> {paragraph}")
            paragraph = ""
        paragraph = _join(paragraph, stripped)
    kept.append("")


def _is_repeated(line: str, earlier: list[str]) -> bool:
    squeezed = _squeeze(line)
    return bool(squeezed) and any(squeezed in text for text in earlier)


def _is_frame(line: str) -> bool:
    """Whether a line only frames a quote: a separator, an attribution, or a header of the answered mail."""
    return bool(
        _ORIGINAL.fullmatch(line)
        or _SENT.match(line)
        or _ATTRIBUTION.fullmatch(line.strip())
        or re.match(r"\s*\*{0,2}(?:subject|cc|主题|抄送)\*{0,2}\s*[:：]", line, re.IGNORECASE)
    )


def _drop_attribution(kept: list[str]) -> None:
    """Remove "On Monday Ada wrote:", of one or two lines, from the end of the kept lines."""
    end = len(kept)
    while end and not kept[end - 1].strip():
        end -= 1
    for count in (1, 2):
        if end >= count and _ATTRIBUTION.fullmatch(" ".join(kept[end - count : end]).strip()):
            del kept[end - count :]
            return


def _join(left: str, right: str) -> str:
    if not left or not right:
        return left or right
    is_chinese = ord(left[-1]) > 0x2E7F and ord(right[0]) > 0x2E7F
    return left + ("" if is_chinese else " ") + right
