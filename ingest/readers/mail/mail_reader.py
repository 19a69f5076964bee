"""Read mails (.eml) and mailboxes (.mbox); a mail is a container of its text and its attachments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from email import message_from_bytes
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime

from ingest.readers.content import Content, Part
from ingest.readers.encodings.decoding import decode_bytes
from ingest.readers.mail.mail_message import Attachment, Mail, mail_parts
from ingest.readers.mail.mail_quotes import MailThreads
from ingest.readers.read_log import ReadLog
from kgrag.errors import ReadError

MAX_HEADER_CHARS = 20_000
"""Maximum length of a header that is read; the lists of addresses of real mails are shorter."""

_MAIL_FIELDS = ("from", "to", "subject", "date", "received", "message-id", "mime-version", "return-path")
_SEPARATOR = re.compile(rb"(?:\A|(?<=\n))From [^\n]{3,200}\n(?=>?[!-9;-~]+:|>From )")
_ESCAPED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)
_MESSAGE_ID = re.compile(r"<([^<>\s]+)>")
_STATEFUL_CHARSETS = re.compile(r"iso-2022-|hz|utf-7", re.IGNORECASE)
_CHARSETS = {"gb2312": "gb18030", "gbk": "gb18030", "x-gbk": "gb18030", "ks_c_5601-1987": "cp949"}
_ENCRYPTED = ("multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime")
_TEXT_TYPES = ("text/plain", "text/html", "text/enriched", "message/delivery-status")
_LIST_FOOTER = re.compile(
    r"-----BEGIN PGP SIGNED MESSAGE-----\n(?:[^\n]+\n)*\n|-----BEGIN PGP SIGNATURE-----.*?-----END PGP SIGNATURE-----",
    re.DOTALL,
)


def read_eml(data: bytes, log: ReadLog) -> Iterator[Part]:
    """Yield a mail as the part ``message``, then its attachments.

    Raises:
        ReadError: the data is no mail.
    """
    data = data.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
    match = _SEPARATOR.match(data)
    yield from mail_parts(_parse_mail(data[match.end() :] if match else data), log, MailThreads(), "message")


def read_mbox(data: bytes, log: ReadLog) -> Iterator[Part]:
    """Yield the mails of a mailbox by their numbers from ``0001``; attachments of the first are in ``0001/``.

    Quotes that repeat an earlier mail of the mailbox are left out.

    Raises:
        ReadError: the data is no mailbox.
    """
    if b"\r\n" in data[:4096]:
        data = data.replace(b"\r\n", b"\n")
    starts = (
        match for match in _SEPARATOR.finditer(data) if not match.start() or data[match.start() - 2 :][:1] in b"\n"
    )
    current = next(starts, None)
    if current is None or data[: current.start()].strip():
        raise ReadError(
            "expected a mailbox that begins with a line 'From ADDRESS DATE', found none: export it as .mbox"
        )
    threads, number = MailThreads(), 0
    while current is not None:
        following = next(starts, None)
        number += 1
        message = data[current.end() : following.start() if following else len(data)]
        try:
            mail = _parse_mail(_ESCAPED_FROM.sub(rb"\1", message))
            yield from mail_parts(mail, log, threads, f"{number:04}", f"{number:04}/")
        except ReadError as error:
            yield Part(f"{number:04}", Content("", problems=(str(error),)))
        current = following


def _parse_mail(data: bytes) -> Mail:
    """Parse a mail.

    Raises:
        ReadError: it has no header of a mail, or too many parts inside each other.
    """
    try:
        message = message_from_bytes(data)
        body = _Body()
        body.add(message)
    except RecursionError as error:
        raise ReadError("expected a mail, found too many parts inside each other: save its attachments") from error
    if not any(message.get(name) for name in _MAIL_FIELDS):
        raise ReadError("expected a mail with the lines From, Subject and Date at its top, found none: save it as .eml")
    references = tuple(_MESSAGE_ID.findall(_header_text(message, "references")))[-50:]
    message_id, in_reply_to = (
        next(iter(_MESSAGE_ID.findall(_header_text(message, name))), "") for name in ("message-id", "in-reply-to")
    )
    senders = _addresses(message, "from") or _addresses(message, "sender")
    return Mail(
        ", ".join(senders),
        _addresses(message, "to"),
        _addresses(message, "cc"),
        _date(_header_text(message, "date")),
        _header_text(message, "subject"),
        message_id,
        in_reply_to,
        references,
        _LIST_FOOTER.sub("", "\n\n".join(body.texts)),
        tuple(body.html),
        tuple(body.attachments),
        tuple(body.problems),
    )


class _Body:
    """Texts, html and attachments of a mail, collected from its parts."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.html: list[bytes] = []
        self.attachments: list[Attachment] = []
        self.problems: list[str] = []

    def add(self, part: Message, *, is_related: bool = False) -> None:
        """Add a part and the parts inside it."""
        media_type = part.get_content_type()
        name = _decode_words(str(part.get_filename() or part.get_param("name", failobj="") or ""))
        disposition = part.get_content_disposition() or ""
        if media_type in _ENCRYPTED and "signed-data" not in str(part.get_param("smime-type", "")):
            self.problems.append("expected text, found an encrypted mail: decrypt it in your mail program and save it")
        elif media_type == "message/rfc822" and part.is_multipart():
            self._add_forwarded(part, name)
        elif part.is_multipart():
            for inner in part.get_payload():
                if isinstance(inner, Message):
                    self.add(inner, is_related=is_related or media_type == "multipart/related")
        elif media_type in _TEXT_TYPES and not name and disposition != "attachment":
            self._add_text(part, media_type)
        elif is_related and media_type.startswith("image/"):
            return  # a picture of the html, such as a logo
        elif (data := _payload(part)) or name:
            is_named = bool(name) or media_type != "application/octet-stream"
            self.attachments.append(Attachment(name, data, media_type if is_named else ""))

    def _add_forwarded(self, part: Message, name: str) -> None:
        inner = part.get_payload(0)
        assert isinstance(inner, Message)
        name = name or _header_text(inner, "subject") or "forwarded message"
        try:
            data = inner.as_bytes()
        except (ValueError, LookupError, AttributeError, TypeError):
            self.problems.append(f"expected a forwarded mail, found a damaged one: '{name}' is left out")
            return
        name = re.sub(r"[\\/:]+", " ", name)
        self.attachments.append(Attachment(name if name.endswith(".eml") else f"{name}.eml", data, "message/rfc822"))

    def _add_text(self, part: Message, media_type: str) -> None:
        data, charset = _payload(part), str(part.get_param("charset", "") or "")
        charset = _CHARSETS.get(charset.lower().strip("'\""), charset)
        try:
            text = _decode(data, charset)
        except ReadError as error:
            self.problems.append(str(error))
            return
        if media_type == "text/html":
            self.html.append(re.sub(r"(<meta[^>]*?)charset=[\"']?[\w-]+", r"\1", text, flags=re.IGNORECASE).encode())
        elif media_type == "text/enriched":
            self.texts.append(re.sub(r"<param>.*?</param>|</?[\w-]+>", "", text, flags=re.DOTALL))
        else:
            is_flowed = str(part.get_param("format", "")).lower() == "flowed"
            self.texts.append(_unflow(text) if is_flowed else text.replace("\r\n", "\n"))


def _payload(part: Message) -> bytes:
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""


def _decode(data: bytes, charset: str) -> str:
    if charset and _STATEFUL_CHARSETS.match(charset):  # these look like ASCII
        try:
            return data.decode(charset, "replace")
        except LookupError:
            pass
    return decode_bytes(data, charset or None)[0] if data else ""


def _unflow(text: str) -> str:
    """Join lines that end with a space to the next one (RFC 3676)."""
    lines: list[str] = []
    is_open = False
    for line in text.replace("\r\n", "\n").split("\n"):
        quote = re.match(r">*", line)
        line = line[1:] if line.startswith(" ") else line
        if is_open and lines and not line.startswith(">") and not (quote and quote[0]) and line != "-- ":
            lines[-1] += line
        else:
            lines.append(line)
        is_open = line.endswith(" ") and line != "-- " and not line.startswith(">")
    return "\n".join(lines)


def _header_text(message: Message, name: str) -> str:
    """Return a header on one line, decoded; "" if it is missing."""
    return _decode_words(next(iter(_raw_headers(message, name)), ""))


def _raw_headers(message: Message, name: str) -> list[str]:
    """Return the headers of a name; bytes beyond ASCII are in them as surrogate escapes."""
    return [str(value)[:MAX_HEADER_CHARS] for header, value in message.raw_items() if header.lower() == name]


def _decode_words(value: str) -> str:
    """Decode a header, with words in RFC 2047 and bytes in no declared encoding."""
    if _is_escaped(value):
        return " ".join(_safe_decode(value.encode("utf-8", "surrogateescape"), "").split())
    try:
        words = decode_header(value)
    except (ValueError, LookupError):
        return " ".join(value.split())
    # neighbouring words may share a character between them: their bytes are decoded together
    joined: list[tuple[bytes, str]] = []
    for word, charset in words:
        data = word if isinstance(word, bytes) else word.encode("utf-8", "replace")
        charset = (charset or "").lower()
        if joined and joined[-1][1] == charset:
            joined[-1] = (joined[-1][0] + data, charset)
        else:
            joined.append((data, charset))
    text = "".join(_safe_decode(data, _CHARSETS.get(charset, charset)) for data, charset in joined)
    return " ".join((text.strip() or value).split())


def _is_escaped(value: str) -> bool:
    return any("\udc80" <= c <= "\udcff" for c in value)


def _safe_decode(data: bytes, charset: str) -> str:
    try:
        return _decode(data, charset)
    except ReadError:
        return data.decode("latin-1")


def _addresses(message: Message, name: str) -> tuple[str, ...]:
    """Return names with addresses, as in ``Ada Lovelace <ada@example.org>``."""
    raw = [_decode_words(value) if _is_escaped(value) else value for value in _raw_headers(message, name)]
    found = []
    try:
        pairs = getaddresses(raw)
    except RecursionError:  # comments inside comments
        pairs = []
    for person, address in pairs:
        person = _decode_words(person)
        if person or address:
            found.append(f"{person} <{address}>" if person and address else person or address)
    return tuple(dict.fromkeys(found)) or tuple(filter(None, [_header_text(message, name)]))


def _date(value: str) -> datetime | None:
    try:
        return parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
