"""A mail of any format as parts: its text with a short header, and its attachments."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from ingest.readers.content import Content, Part
from ingest.readers.content_join import join_contents
from ingest.readers.formats import file_extension
from ingest.readers.html.reader import read_html
from ingest.readers.mail.mail_quotes import MailThreads
from ingest.readers.markup.markdown import parse_markup
from ingest.readers.read_log import ReadLog
from ingest.readers.tree_builder import TreeBuilder
from kgrag.errors import ReadError
from kgrag.types import MetadataValue

MAX_STUB_CHARS = 200
"""A plain text up to this length may only stand in for the html of the same mail."""
MAX_VISIBLE_RECIPIENTS = 20
_SIGNATURE_EXTENSIONS = (".p7s", ".asc", ".sig", ".pgp")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file attached to a mail, with its media type; "" if the mail names none."""

    name: str
    data: bytes
    media_type: str = ""


@dataclass(frozen=True, slots=True)
class Mail:
    """The parts of a mail that are read, decoded.

    Attributes:
        sender: Name and address of the author.
        to: Recipients.
        cc: Recipients of copies.
        date: Date as sent; None if it is missing or wrong.
        subject: Subject.
        message_id: Id without angle brackets.
        in_reply_to: Id of the mail that it answers.
        references: Ids of the earlier mails of its thread.
        text: Plain text; "" if it has html alone.
        html: Bodies in html.
        attachments: Attached files and mails.
        problems: Sentences about what could not be read.
    """

    sender: str = ""
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    date: datetime | None = None
    subject: str = ""
    message_id: str = ""
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    text: str = ""
    html: tuple[bytes, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    problems: tuple[str, ...] = ()


def mail_parts(mail: Mail, log: ReadLog, threads: MailThreads, name: str, folder: str = "") -> Iterator[Part]:
    """Yield the mail as a part called ``name``, then its attachments in ``folder``, with unique names."""
    attached, skipped = _sort_attachments(mail.attachments, {name})
    problems = list(mail.problems)
    if skipped:
        problems.append(
            f"expected attachments of known kinds, found {', '.join(skipped[:5])}{', …' if len(skipped) > 5 else ''}: "
            "save them in a format that is read"
        )
    body = _read_body(mail, log, threads, problems)
    text, tree = join_contents([_header(mail), body])
    yield Part(name, Content(text, tree, mail.subject or "(no subject)", _metadata(mail), tuple(problems)))
    for part_name, attachment in attached:
        yield Part(folder + part_name, attachment.data)


def clean_file_name(name: str) -> str:
    """Return the last component of a file name as attached, without control characters."""
    name = re.sub(r"[\x00-\x1f\x7f\ud800-\udfff]", "", name.replace("\\", "/")).rstrip("/").rpartition("/")[2]
    return name.strip().lstrip(".")[-200:]


def _header(mail: Mail) -> Content:
    """Return who wrote what to whom and when, so that a passage of the mail can answer it."""
    date = mail.date.strftime("%Y-%m-%d %H:%M %z").strip() if mail.date else ""
    names = [name for name in (clean_file_name(a.name) for a in mail.attachments) if name]
    fields = (
        ("From", mail.sender),
        ("To", _short_list(mail.to)),
        ("Cc", _short_list(mail.cc)),
        ("Date", date),
        ("Subject", mail.subject),
        ("Attachments", _short_list(names)),
    )
    builder = TreeBuilder()
    builder.add_paragraph("\n".join(f"{name}: {' '.join(value.split())}" for name, value in fields if value))
    return Content(*builder.build())


def _short_list(names: Sequence[str]) -> str:
    rest = len(names) - MAX_VISIBLE_RECIPIENTS
    return ", ".join(names[:MAX_VISIBLE_RECIPIENTS]) + (f" and {rest} more" if rest > 0 else "")


def _metadata(mail: Mail) -> dict[str, MetadataValue]:
    fields: dict[str, MetadataValue] = {
        "author": mail.sender,
        "to": mail.to,
        "cc": mail.cc,
        "created": mail.date.isoformat() if mail.date else "",
        "message_id": mail.message_id,
        "in_reply_to": mail.in_reply_to,
    }
    return {name: value for name, value in fields.items() if value}


def _read_body(mail: Mail, log: ReadLog, threads: MailThreads, problems: list[str]) -> Content:
    """Return the text of the mail: the plain one, unless it only stands in for the html."""
    ids = [i for i in (mail.message_id, mail.in_reply_to, *mail.references) if i]
    plain = mail.text.strip("\n")
    if mail.html and len(plain) <= MAX_STUB_CHARS:
        contents = []
        for data in mail.html:
            try:
                contents.append(read_html(data, log))
            except ReadError as error:
                problems.append(f"its html part: {error}")
        text, tree = join_contents(contents)
        if len(text.strip()) > len(plain) * 3 // 2 or not plain:
            cleaned = threads.clean(text, ids, mail.subject)
            return Content(text, tree) if cleaned == text.strip("\n") else Content(*parse_markup(cleaned))
    if not plain:
        return Content("")
    return Content(*parse_markup(threads.clean(log.clean(plain), ids, mail.subject)))


def _sort_attachments(
    attachments: Sequence[Attachment], used: set[str]
) -> tuple[list[tuple[str, Attachment]], list[str]]:
    """Return the attachments that can be read, with unique names, and the names of the others."""
    attached, skipped = [], []
    for number, attachment in enumerate(attachments, 1):
        name = clean_file_name(attachment.name) or f"attachment-{number}"
        if not file_extension(name) and attachment.media_type != "message/rfc822":
            extension = _extension_of_type(attachment.media_type)
            if not extension:
                if not name.lower().endswith(_SIGNATURE_EXTENSIONS):
                    skipped.append(f"'{name}'")
                continue
            name += extension
        stem, dot, extension = name.rpartition(".")
        unique, count = name, 1
        while unique in used:
            count += 1
            unique = f"{stem} ({count}){dot}{extension}"
        used.add(unique)
        attached.append((unique, attachment))
    return attached, skipped


def _extension_of_type(media_type: str) -> str:
    extension = mimetypes.guess_extension(media_type) or ""
    return extension if file_extension(f"a{extension}") else ".txt" if media_type == "text/plain" else ""
