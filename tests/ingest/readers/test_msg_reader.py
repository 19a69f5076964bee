"""Outlook's mails are read like others."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from ingest.readers.content import Content
from ingest.readers.mail.msg_reader import read_msg
from ingest.readers.read_log import ReadLog
from kgrag.errors import ReadError

SECTOR = 512
FREE, END, FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
Tree = dict[str, "Tree | bytes"]


def build_ole(tree: Tree) -> bytes:
    """Build an OLE file; streams are padded to 4096 bytes, so that all are in ordinary sectors."""
    entries: list[tuple[str, int, int, int, int, int]] = []  # name, kind, right sibling, child, first sector, size
    sectors: list[bytes] = []
    chains: list[tuple[int, int]] = []

    def add(name: str, node: Tree | bytes, kind: int) -> int:
        number = len(entries)
        entries.append((name, kind, FREE, FREE, 0, 0))
        if isinstance(node, bytes):
            data = node.ljust(4096, b"\0")
            data += bytes(-len(data) % SECTOR)
            chains.append((len(sectors), len(data) // SECTOR))
            entries[number] = (name, 2, FREE, FREE, len(sectors), len(data))
            sectors.extend(data[i : i + SECTOR] for i in range(0, len(data), SECTOR))
            return number
        children = [add(child, inner, 1) for child, inner in sorted(node.items(), key=lambda x: (len(x[0]), x[0]))]
        for left, right in pairwise(children):
            entries[left] = (*entries[left][:2], right, *entries[left][3:])
        entries[number] = (name, kind, FREE, children[0] if children else FREE, END if kind == 5 else 0, 0)
        return number

    add("Root Entry", tree, 5)
    directory = b"".join(
        name.encode("utf-16-le").ljust(64, b"\0")
        + struct.pack("<HBBIII", 2 * len(name) + 2, kind, 1, FREE, right, child)
        + bytes(36)
        + struct.pack("<IQ", start, size)
        for name, kind, right, child, start, size in entries
    )
    directory += bytes(-len(directory) % SECTOR)
    directory_start = len(sectors)
    chains.append((directory_start, len(directory) // SECTOR))
    sectors.extend(directory[i : i + SECTOR] for i in range(0, len(directory), SECTOR))
    fat_count = 1
    while fat_count * 128 < len(sectors) + fat_count:
        fat_count += 1
    table = [FREE] * (fat_count * 128)
    for start, count in chains:
        for place in range(start, start + count):
            table[place] = place + 1 if place + 1 < start + count else END
    for place in range(len(sectors), len(sectors) + fat_count):
        table[place] = FAT
    fat = struct.pack(f"<{len(table)}I", *table)
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    header += struct.pack("<IIIIIIIII", 0, fat_count, directory_start, 0, 4096, END, 0, END, 0)
    header += struct.pack("<109I", *(len(sectors) + i if i < fat_count else FREE for i in range(109)))
    return header + b"".join(sectors) + fat


def fixed(head: int, **values: int) -> bytes:
    """Build the stream of properties of fixed size."""
    return bytes(head) + b"".join(
        struct.pack("<HHIQ", 0x40, int(tag[1:], 16), 0, value) for tag, value in values.items()
    )


def text(tag: str, value: str) -> Tree:
    return {f"__substg1.0_{tag}001F": value.encode("utf-16-le")}


SENT = int((datetime(2024, 5, 3, 12, 22, 5, tzinfo=UTC) - datetime(1601, 1, 1, tzinfo=UTC)).total_seconds()) * 10**7
INNER: Tree = {
    "__properties_version1.0": fixed(24),
    **text("0037", "Price"),
    **text("0C1A", "Eve"),
    **text("1000", "It costs 5."),
}
MAIL: Tree = {
    "__properties_version1.0": fixed(32, x0039=SENT),
    **text("0037", "仓库 Mill"),
    **text("0C1A", "Ada Lovelace"),
    **text("5D01", "ada@example.org"),
    **text("1000", "The mill opens in May.\r\nBring boots."),
    **text("1035", "<1@example.org>"),
    **text("1042", "<0@example.org>"),
    "__recip_version1.0_#00000000": {
        "__properties_version1.0": fixed(8, x0C15=1),
        **text("3001", "Bob"),
        **text("39FE", "bob@example.org"),
    },
    "__recip_version1.0_#00000001": {"__properties_version1.0": fixed(8, x0C15=2), **text("3001", "Carl")},
    "__attach_version1.0_#00000000": {
        "__properties_version1.0": fixed(8),
        **text("3707", "list.csv"),
        "__substg1.0_37010102": b"a,b\n1,2\n",
    },
    "__attach_version1.0_#00000001": {"__properties_version1.0": fixed(8), "__substg1.0_3701000D": INNER},
}


def test_msg_mail_attachments_and_embedded_mails_are_parts() -> None:
    parts = {part.name: part.content for part in read_msg(build_ole(MAIL), ReadLog())}
    assert list(parts) == ["message", "list.csv", "forwarded-1"]
    message, attached, forwarded = parts.values()
    assert isinstance(message, Content) and isinstance(forwarded, Content) and isinstance(attached, bytes)
    assert message.title == "仓库 Mill"
    assert message.text == (
        "From: Ada Lovelace <ada@example.org>\nTo: Bob <bob@example.org>\nCc: Carl\nDate: 2024-05-03 12:22 +0000\n"
        "Subject: 仓库 Mill\nAttachments: list.csv\n\nThe mill opens in May.\nBring boots."
    )
    assert message.metadata["created"] == "2024-05-03T12:22:05+00:00"
    assert message.metadata["message_id"] == "1@example.org"
    assert message.metadata["in_reply_to"] == "0@example.org"
    assert attached.startswith(b"a,b\n1,2\n")
    assert forwarded.text == "From: Eve\nSubject: Price\n\nIt costs 5."


def test_msg_html_alone_is_read() -> None:
    tree: Tree = {
        "__properties_version1.0": fixed(32),
        **text("0037", "Mill"),
        "__substg1.0_10130102": b"<p>It opens in <b>May</b>.</p>".ljust(4096),
    }
    (part,) = read_msg(build_ole(tree), ReadLog())
    assert isinstance(part.content, Content)
    assert "May" in part.content.text and "<p>" not in part.content.text


def test_msg_rtf_alone_is_a_problem() -> None:
    tree: Tree = {"__properties_version1.0": fixed(32), **text("0037", "Mill"), "__substg1.0_10090102": b"LZFu"}
    (part,) = read_msg(build_ole(tree), ReadLog())
    assert isinstance(part.content, Content)
    assert part.content.problems == ("expected text or html, found a text in RTF alone: save the mail as .eml",)


@pytest.mark.parametrize(
    "data",
    [
        b"Just text",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100),
        build_ole({"WordDocument": b"x"}),
        build_ole(MAIL)[:9000],
    ],
)
def test_msg_of_another_format_raises(data: bytes) -> None:
    with pytest.raises(ReadError, match="expected a mail of Outlook"):
        list(read_msg(data, ReadLog()))
