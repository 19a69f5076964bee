"""Read Outlook's mails (.msg), which are OLE files with a stream for each property ([MS-OXMSG])."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import olefile

from ingest.readers.content import Part
from ingest.readers.encodings.decoding import decode_bytes
from ingest.readers.mail.mail_message import Attachment, Mail, mail_parts
from ingest.readers.mail.mail_quotes import MailThreads
from ingest.readers.read_log import ReadLog
from kgrag.errors import ReadError

MAX_EMBEDDED = 4
"""Maximum depth of mails attached to mails."""
_SUBJECT, _BODY, _HTML, _RTF = "0037", "1000", "1013", "1009"
_SENDER_NAME, _SENDER_ADDRESS, _SENDER_SMTP = "0C1A", "0C1F", "5D01"
_MESSAGE_ID, _IN_REPLY_TO, _REFERENCES, _HEADERS = "1035", "1042", "1039", "007D"
_NAME, _ADDRESS, _SMTP_ADDRESS = "3001", "3003", "39FE"
_DATA, _LONG_FILE_NAME, _FILE_NAME, _MEDIA_TYPE, _CONTENT_ID = "3701", "3707", "3704", "370E", "3712"
_SENT_TIME, _DELIVERY_TIME, _RECIPIENT_KIND, _CODE_PAGE = 0x0039, 0x0E06, 0x0C15, 0x3FFD
_TO, _CC = 1, 2
_DAMAGES = (OSError, ValueError, IndexError, KeyError, TypeError, AttributeError, struct.error, RecursionError)


def read_msg(data: bytes, log: ReadLog) -> Iterator[Part]:
    """Yield a mail as the part ``message``, then its attachments; attached mails are ``forwarded-1`` and so on.

    Raises:
        ReadError: the data is no mail of Outlook.
    """
    try:
        with olefile.OleFileIO(io.BytesIO(data)) as ole:
            sizes = sum(ole.get_size(path) for path in ole.listdir())
            if sizes > 2 * len(data) or not ole.exists("__properties_version1.0"):
                raise ReadError("expected a mail of Outlook, found another or a damaged file: save it as .eml")
            mails = list(_read_mails(ole, (), "message"))
    except _DAMAGES as error:
        raise ReadError("expected a mail of Outlook, found a damaged or other file: save it as .eml") from error
    threads = MailThreads()
    for name, mail in mails:
        yield from mail_parts(mail, log, threads, name, "" if name == "message" else f"{name}/")


def _read_mails(ole: Any, storage: tuple[str, ...], name: str) -> Iterator[tuple[str, Mail]]:
    """Yield the mail in a storage, then the mails attached to it, with their names."""
    properties = _Properties(ole, storage, 24 if storage else 32)
    attachments, embedded, problems = [], [], []
    for child in _children(ole, storage, "__attach_version1.0_"):
        attached = _Properties(ole, child, 8)
        if ole.exists("/".join((*child, f"__substg1.0_{_DATA}000D"))):
            embedded.append((*child, f"__substg1.0_{_DATA}000D"))
            continue
        file_name = attached.text(_LONG_FILE_NAME) or attached.text(_FILE_NAME)
        media_type = attached.text(_MEDIA_TYPE)
        if not (attached.text(_CONTENT_ID) and re.search(r"\.(?:png|jpe?g|gif|bmp)$", file_name, re.IGNORECASE)):
            attachments.append(Attachment(file_name, attached.data(_DATA), media_type))
    text = properties.text(_BODY)
    html = properties.data(_HTML) or properties.text(_HTML).encode()
    if not text.strip() and not html and properties.data(_RTF):
        problems.append("expected text or html, found a text in RTF alone: save the mail as .eml")
    headers = properties.text(_HEADERS)
    to, cc = _recipients(ole, storage)
    yield (
        name,
        Mail(
            _person(properties.text(_SENDER_NAME), properties.text(_SENDER_SMTP) or properties.text(_SENDER_ADDRESS)),
            to,
            cc,
            properties.time(_SENT_TIME) or _header_date(headers) or properties.time(_DELIVERY_TIME),
            " ".join(properties.text(_SUBJECT).split()),
            properties.text(_MESSAGE_ID).strip("<> "),
            properties.text(_IN_REPLY_TO).strip("<> "),
            tuple(re.findall(r"<([^<>\s]+)>", properties.text(_REFERENCES))),
            text.replace("\r\n", "\n"),
            (html,) if html else (),
            tuple(attachments),
            tuple(problems),
        ),
    )
    depth = name.count("/") + 1
    for number, child in enumerate(embedded if depth < MAX_EMBEDDED else [], 1):
        inner = f"forwarded-{number}"
        yield from _read_mails(ole, child, inner if name == "message" else f"{name}/{inner}")


class _Properties:
    """Properties of a storage.

    Args:
        ole: the file.
        storage: path of the storage; () for the mail itself.
        head_size: bytes before the first property of fixed size.
    """

    def __init__(self, ole: Any, storage: tuple[str, ...], head_size: int) -> None:
        self._ole = ole
        self._storage = storage
        data = self._stream("__properties_version1.0")
        self._fixed = {
            struct.unpack_from("<H", data, place + 2)[0]: data[place + 8 : place + 16]
            for place in range(head_size, len(data) - 15, 16)
        }

    def data(self, tag: str) -> bytes:
        """Return a property of bytes; b"" if it is missing."""
        return self._stream(f"__substg1.0_{tag}0102")

    def text(self, tag: str) -> str:
        """Return a property of characters; "" if it is missing."""
        unicode_data = self._stream(f"__substg1.0_{tag}001F")
        if unicode_data:
            return unicode_data.decode("utf-16-le", "replace").rstrip("\0")
        data = self._stream(f"__substg1.0_{tag}001E").rstrip(b"\0")
        code_page = self.number(_CODE_PAGE)
        try:
            return decode_bytes(data, f"cp{code_page}" if code_page else None)[0] if data else ""
        except ReadError:
            return data.decode("latin-1")

    def number(self, tag: int) -> int:
        """Return a property of 32 bits; 0 if it is missing."""
        return int(struct.unpack_from("<I", self._fixed.get(tag, bytes(8)))[0])

    def time(self, tag: int) -> datetime | None:
        """Return a time; None if it is missing or out of range."""
        ticks = struct.unpack("<Q", self._fixed.get(tag, bytes(8)))[0]  # 100 ns since 1601
        try:
            return datetime(1601, 1, 1, tzinfo=UTC) + timedelta(seconds=ticks // 10**7) if ticks else None
        except OverflowError:
            return None

    def _stream(self, name: str) -> bytes:
        path = "/".join((*self._storage, name))
        if not self._ole.exists(path) or self._ole.get_type(path) != olefile.STGTY_STREAM:
            return b""
        return bytes(self._ole.openstream(path).read())


def _children(ole: Any, storage: tuple[str, ...], prefix: str) -> list[tuple[str, ...]]:
    """Return the storages inside ``storage`` whose names begin with ``prefix``, in order."""
    depth = len(storage)
    paths = (tuple(path) for path in ole.listdir(streams=False, storages=True))
    return sorted(
        path for path in paths if len(path) == depth + 1 and path[:depth] == storage and path[depth].startswith(prefix)
    )


def _recipients(ole: Any, storage: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    by_kind: dict[int, list[str]] = {_TO: [], _CC: []}
    for child in _children(ole, storage, "__recip_version1.0_"):
        recipient = _Properties(ole, child, 8)
        address = recipient.text(_SMTP_ADDRESS) or recipient.text(_ADDRESS)
        by_kind.get(recipient.number(_RECIPIENT_KIND), []).append(_person(recipient.text(_NAME), address))
    return tuple(filter(None, by_kind[_TO])), tuple(filter(None, by_kind[_CC]))


def _person(name: str, address: str) -> str:
    address = "" if address.startswith("/") else address  # an entry of Exchange's directory
    if name and address and name != address:
        return f"{name} <{address}>"
    return name or address


def _header_date(headers: str) -> datetime | None:
    match = re.search(r"^Date:[ \t]*(.+)$", headers, re.MULTILINE | re.IGNORECASE)
    try:
        return parsedate_to_datetime(match[1].strip()) if match else None
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
