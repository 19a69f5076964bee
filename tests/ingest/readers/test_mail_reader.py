"""Mails become text with a short header, metadata, and their attachments; quotes are kept once."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from ingest.readers.content import Content, Part
from ingest.readers.mail.mail_reader import read_eml, read_mbox
from ingest.readers.read_log import ReadLog
from kgrag.errors import ReadError

HEADER = b"From: Ada Lovelace <ada@example.org>\nTo: Bob <bob@example.org>\nSubject: Mill\n"


def read(data: bytes) -> dict[str, Content | bytes]:
    return {part.name: part.content for part in read_eml(data, ReadLog())}


def message(data: bytes) -> Content:
    content = read(data)["message"]
    assert isinstance(content, Content)
    return content


def texts(parts: Iterable[Part]) -> dict[str, str]:
    return {part.name: part.content.text for part in parts if isinstance(part.content, Content)}


def mixed(*parts: bytes) -> bytes:
    head = HEADER + b'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n\n'
    return head + b"".join(b"--b\n" + part + b"\n" for part in parts) + b"--b--\n"


def test_eml_header_is_visible_and_metadata() -> None:
    content = message(
        HEADER + b"Cc: Carl <carl@example.org>\nDate: Fri, 3 May 2024 14:22:05 +0200\nMessage-ID: <1@example.org>\n"
        b"In-Reply-To: <0@example.org>\n\nThe mill opens in May.\n"
    )
    assert content.title == "Mill"
    assert content.text == (
        "From: Ada Lovelace <ada@example.org>\nTo: Bob <bob@example.org>\nCc: Carl <carl@example.org>\n"
        "Date: 2024-05-03 14:22 +0200\nSubject: Mill\n\nThe mill opens in May."
    )
    assert content.metadata == {
        "author": "Ada Lovelace <ada@example.org>",
        "to": ("Bob <bob@example.org>",),
        "cc": ("Carl <carl@example.org>",),
        "created": "2024-05-03T14:22:05+02:00",
        "message_id": "1@example.org",
        "in_reply_to": "0@example.org",
    }


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        (b"=?gb2312?B?ssa/4g==?=", "财库"),
        (b"=?utf-8?Q?M=C3=BChle?= in May", "Mühle in May"),
        (b"=?utf-8?B?5LuT?= =?utf-8?B?5bqT?=", "仓库"),
        ("仓库".encode(), "仓库"),
        (b"=?nonsense?B?!!?=", "=?nonsense?B?!!?="),
        (b"=?unknown-charset?Q?abc?=", "abc"),
    ],
)
def test_eml_subject_is_decoded(subject: bytes, expected: str) -> None:
    assert message(b"From: a@example.org\nSubject: " + subject + b"\n\nText\n").title == expected


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (
            b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n",
            b"5LuT5bqT5Zyo5YyX5Lqs44CC\n",
        ),
        (b"Content-Type: text/plain; charset=gb2312\n", "仓库在北京。".encode("gb18030")),
        (b'Content-Type: text/plain; charset="hz-gb-2312"\n', "仓库在北京。".encode("hz")),
        (
            b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n",
            b"=E4=BB=93=E5=BA=93=\n=E5=9C=A8=E5=8C=97=E4=BA=AC=E3=80=82",
        ),
        (b"Content-Type: text/plain; charset=nonsense\n", "仓库在北京。".encode()),
    ],
)
def test_eml_body_is_decoded(headers: bytes, body: bytes) -> None:
    assert message(HEADER + headers + b"\n" + body).text.endswith("\n\n仓库在北京。")


def test_eml_html_alone_is_read() -> None:
    content = message(HEADER + b"Content-Type: text/html\n\n<html><body><p>It opens in <b>May</b>.</p></body></html>")
    assert "May" in content.text and "<p>" not in content.text


def test_eml_alternative_is_read_once() -> None:
    data = HEADER + (
        b'Content-Type: multipart/alternative; boundary="x"\n\n--x\nContent-Type: text/plain\n\nIt opens in May.\n'
        b"--x\nContent-Type: text/html\n\n<p>It opens in May.</p>\n--x--\n"
    )
    assert message(data).text.count("It opens in May.") == 1


def test_eml_attachments_are_parts() -> None:
    parts = read(
        mixed(
            b"Content-Type: text/plain\n\nSee below.",
            b'Content-Type: text/csv; name="a.csv"\nContent-Transfer-Encoding: base64\n\nYSxiCjEsMgo=',
            b'Content-Disposition: attachment; filename="../../a.csv"\n\nc,d\n3,4',
            b'Content-Disposition: attachment; filename="=?utf-8?B?5LuT5bqTLnR4dA==?="\n\nIn Beijing.',
            b'Content-Type: application/x-tool; name="tool.exe"\n\nMZ',
            b'Content-Type: application/pgp-signature; name="signature.asc"\n\nxyz',
        )
    )
    assert list(parts) == ["message", "a.csv", "a (2).csv", "仓库.txt"]
    assert parts["a.csv"] == b"a,b\n1,2\n" and parts["a (2).csv"] == b"c,d\n3,4"
    content = parts["message"]
    assert isinstance(content, Content)
    assert "Attachments: a.csv, a.csv, 仓库.txt, tool.exe, signature.asc" in content.text
    assert content.problems == (
        "expected attachments of known kinds, found 'tool.exe': save them in a format that is read",
    )


def test_eml_forwarded_mail_is_a_part() -> None:
    inner = b"From: Eve <eve@example.org>\nSubject: Price\n\nIt costs 5.\n"
    parts = read(mixed(b"Content-Type: text/plain\n\nFYI", b"Content-Type: message/rfc822\n\n" + inner))
    forwarded = parts.get("Price.eml")
    assert isinstance(forwarded, bytes)
    assert message(forwarded).text == "From: Eve <eve@example.org>\nSubject: Price\n\nIt costs 5."


def test_eml_lone_quote_is_kept_and_marked() -> None:
    content = message(HEADER + b"\nOn Monday, 3 May 2024, Bob wrote:\n> When does\n> it open?\n\nIn May.\n")
    assert content.text.endswith("On Monday, 3 May 2024, Bob wrote:\n> When does it open?\n\n\nIn May.")


def test_eml_pictures_of_html_are_left_out() -> None:
    data = HEADER + (
        b'Content-Type: multipart/related; boundary="x"\n\n--x\nContent-Type: text/html\n\n<p>Open</p>\n'
        b'--x\nContent-Type: image/png; name="logo.png"\nContent-ID: <logo>\n\nxx\n--x--\n'
    )
    assert list(read(data)) == ["message"]


def test_eml_encrypted_mail_is_a_problem() -> None:
    content = message(HEADER + b'Content-Type: application/pkcs7-mime; name="smime.p7m"\n\nabc')
    assert content.problems == ("expected text, found an encrypted mail: decrypt it in your mail program and save it",)


@pytest.mark.parametrize(
    "data",
    [b"Just some text\n\nwithout headers.", b"%PDF-1.4\n1 0 obj", b"\x00\x01\x02", b"Note: this is\n\nno mail"],
)
def test_eml_without_headers_raises(data: bytes) -> None:
    with pytest.raises(ReadError, match="expected a mail"):
        read(data)


@pytest.mark.parametrize("part", ["(", "a::", "<", "[a]", "a@b,"])
def test_eml_hostile_addresses_are_read(part: str) -> None:
    data = f"From: {part * 50_000}\nSubject: Mill\n\nOpen\n".encode()
    assert message(data).text.endswith("Open")


def test_eml_nested_too_deeply_raises() -> None:
    data = HEADER + b"".join(
        b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (number, number) for number in range(3000)
    )
    with pytest.raises(ReadError, match="too many parts"):
        read(data)


def test_eml_broken_multipart_keeps_its_text() -> None:
    data = HEADER + b'Content-Type: multipart/mixed; boundary="b"\n\n--b\nContent-Type: text/plain\n\nIt opens in May.'
    assert message(data).text.endswith("It opens in May.")


MAILBOX = b"""From ada@example.org Mon Jan  1 10:00:00 2024
From: Ada <ada@example.org>
Message-ID: <1@example.org>
Subject: Mill
Content-Type: text/plain

The mill opens in May and it will be a very nice
day.

From here on all is fine.

-- 
Ada, Vale Works

From bob@example.org Mon Jan  1 11:00:00 2024
From: Bob <bob@example.org>
In-Reply-To: <1@example.org>
Message-ID: <2@example.org>
Subject: Re: Mill
Content-Type: multipart/mixed; boundary="b"

--b
Content-Type: text/plain

On Mon, 1 Jan 2024, Ada <ada@example.org>
wrote:
> The mill opens in May and it
> will be a very nice day.

Fine.
>From my side all is done.
--b
Content-Disposition: attachment; filename=a.txt

Attached text
--b--

From ada@example.org Mon Jan  1 12:00:00 2024
From: Ada <ada@example.org>
Subject: RE: Mill

Thanks!

-----Original Message-----
From: Bob
Sent: Monday
Subject: Re: Mill

Fine.

-- 
Ada, Vale Works
"""


@pytest.mark.parametrize("data", [MAILBOX, MAILBOX.replace(b"\n", b"\r\n")])
def test_mbox_mails_are_parts_without_repeated_quotes(data: bytes) -> None:
    parts = list(read_mbox(data, ReadLog()))
    assert [part.name for part in parts] == ["0001", "0002", "0002/a.txt", "0003"]
    bodies = {name: text.split("\n\n", 1)[1] for name, text in texts(parts).items()}
    assert bodies["0001"] == (
        "The mill opens in May and it will be a very nice\nday.\n\nFrom here on all is fine.\n\nAda, Vale Works"
    )
    assert bodies["0002"] == "Fine.\nFrom my side all is done."
    assert bodies["0003"] == "Thanks!"


def test_mbox_broken_mail_is_a_problem_and_others_are_read() -> None:
    data = b"From a@b Mon Jan  1 10:00:00 2024\nNonsense: x\n\nText\n\n" + MAILBOX
    parts = list(read_mbox(data, ReadLog()))
    assert isinstance(parts[0].content, Content)
    assert parts[0].content.problems[0].startswith("expected a mail with the lines From, Subject and Date")
    assert [part.name for part in parts[1:]] == ["0002", "0003", "0003/a.txt", "0004"]


@pytest.mark.parametrize("data", [b"no mailbox", b"From the beginning\n\nit rained.", HEADER + b"\nText"])
def test_mbox_without_separator_raises(data: bytes) -> None:
    with pytest.raises(ReadError, match="expected a mailbox"):
        list(read_mbox(data, ReadLog()))
