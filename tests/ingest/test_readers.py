"""Files of every kind to documents; what is wrong with one is said in a sentence and stops no other."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from ingest.readers import tabular as rows
from ingest.readers.converters import ReadProblem, clean_text, decode_bytes
from ingest.readers.discovery import Source, discover_sources
from ingest.readers.readers import file_digest, read_source
from kgrag.errors import ReadError, UsageError
from kgrag.types import Document

CHINESE = "知识图谱是一种用图模型来描述知识和建模世界万物之间关联关系的技术方法。"


def read_bytes(folder: Path, name: str, data: bytes, notes: list[str] | None = None) -> list[Document | ReadProblem]:
    path = folder / name
    path.write_bytes(data)
    return list(read_source(Source(path, name), (lambda note: notes.append(note)) if notes is not None else None))


def one(found: list[Document | ReadProblem]) -> Document:
    assert len(found) == 1
    assert isinstance(found[0], Document), str(found[0])
    return found[0]


def problem(found: list[Document | ReadProblem]) -> ReadProblem:
    assert len(found) == 1
    assert isinstance(found[0], ReadProblem)
    assert "\n" not in found[0].message and "Traceback" not in found[0].message
    return found[0]


def jsonl(*values: object) -> bytes:
    return "".join(json.dumps(value) + "\n" for value in values).encode()


def make_pdf(*lines: str, encrypt: bool = False) -> bytes:
    """A pdf of one page, written by hand; ``encrypt`` names a filter that no reader knows."""
    shown = " ".join(f"({line}) Tj 0 -14 Td" for line in lines)
    stream = f"BT /F1 12 Tf 72 720 Td {shown} ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R"
        b" /Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(stream), stream),
        b"<< /Filter /Standard /V 1 /R 2 /P -4 /O <%b> /U <%b> >>" % (b"41" * 32, b"42" * 32),
    ]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    locked = b" /Encrypt 5 0 R /ID [<00> <00>]" if encrypt else b""
    trailer = b"trailer\n<< /Size 6 /Root 1 0 R%b >>\nstartxref\n%d\n%%%%EOF\n" % (locked, len(out))
    return out + b"xref\n0 6\n0000000000 65535 f \n" + table + trailer


def make_docx(*paragraphs: str) -> bytes:
    """The three files without which a Word document is none."""
    body = "".join(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>" for text in paragraphs)
    space = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    package = "http://schemas.openxmlformats.org/package/2006"
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{package}/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlfo'
            f'rmats-package.relationships+xml"/><Override PartName="/word/document.xml" ContentType="{kind}"/></Types>',
        )
        archive.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{package}/relationships">'
            f'<Relationship Id="r1" Type="{relation}" Target="word/document.xml"/></Relationships>',
        )
        archive.writestr("word/document.xml", f"<w:document {space}><w:body>{body}</w:body></w:document>")
    return buffer.getvalue()


# Plain text


def test_a_text_file(tmp_path: Path) -> None:
    found = one(read_bytes(tmp_path, "my_first-note.txt", b"Ada wrote it.\r\nBob\rread it.\n"))
    assert found.text == "Ada wrote it.\nBob\nread it.\n"
    assert (found.id, found.source, found.title, found.lang) == ("my_first-note.txt",) * 2 + ("my first note", "en")
    assert found.sha256 == hashlib.sha256(f"{found.title}\0{found.text}".encode()).hexdigest()


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Preface\n\n# The *Real* Title #\n\nText", "The Real Title"),
        ("```\n# a comment\n```\n\n# After\n", "After"),
        ("Underlined\n==========\n\nText", "Underlined"),
        ("## Only the second level\n\nText", "note"),
        ("# \n\nText", "note"),
    ],
)
def test_the_title_of_markdown(tmp_path: Path, text: str, title: str) -> None:
    found = one(read_bytes(tmp_path, "note.md", text.encode()))
    assert (found.title, found.text) == (title, text)


@pytest.mark.parametrize(
    "encoding", ["gb18030", "big5", "utf-16", "utf-16-le", "utf-32", "shift_jis", "cp1251", "latin-1"]
)
def test_other_encodings_are_detected_and_said(tmp_path: Path, encoding: str) -> None:
    text = {
        "big5": "臺灣是東亞的一個島嶼，首都為臺北市，人口約兩千三百萬人。",
        "shift_jis": "東京は日本の首都です。人口は約千四百万人で、世界最大の都市圏を形成しています。",
        "cp1251": "Москва является столицей России и крупнейшим городом страны.",
        "latin-1": "Le café est très agréable à Genève, près de l'hôtel où Élise était née.",
    }.get(encoding, f"{CHINESE}\n{CHINESE}")
    notes: list[str] = []
    assert one(read_bytes(tmp_path, "a.txt", text.encode(encoding), notes)).text == text
    assert len(notes) == 1 and "not UTF-8" in notes[0]


@pytest.mark.parametrize(
    ("text", "encoding"), [("北京是中国的首都。", "gb18030"), ("Café", "latin-1"), ("a “quote” – so", "cp1252")]
)
def test_encodings_of_short_texts(text: str, encoding: str) -> None:
    assert decode_bytes(text.encode(encoding))[0] == text


def test_a_damaged_byte_does_not_change_the_encoding(tmp_path: Path) -> None:
    notes: list[str] = []
    found = one(read_bytes(tmp_path, "a.txt", (CHINESE * 5).encode() + b"\xff end", notes))
    assert found.text == CHINESE * 5 + "\ufffd end"
    assert len(notes) == 1 and "1 places" in notes[0]


def test_utf8_mark_is_dropped_in_silence(tmp_path: Path) -> None:
    notes: list[str] = []
    assert one(read_bytes(tmp_path, "a.txt", b"\xef\xbb\xbf" + CHINESE.encode(), notes)).text == CHINESE
    assert notes == []


def test_what_cannot_be_kept_is_cleaned_and_counted(tmp_path: Path) -> None:
    notes: list[str] = []
    found = one(read_bytes(tmp_path, "a.txt", "A good\0 text\x07 with \u200bmarks\u202e \u05d0.".encode(), notes))
    assert found.text == "A good text with \u200bmarks\u202e \u05d0."
    assert len(notes) == 1 and "2 control characters" in notes[0]
    assert clean_text("a\ud800b\u2028c\x85d") == ("a\ufffdb\nc\nd", 1)


@pytest.mark.parametrize(
    "data", [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\xff\xfe" * 20, bytes(range(256)) * 10, b"\x01\x02" * 50]
)
def test_binary_data_is_not_text(tmp_path: Path, data: bytes) -> None:
    assert "expected text" in problem(read_bytes(tmp_path, "a.txt", data)).message
    with pytest.raises(ReadError):
        clean_text(decode_bytes(data)[0])


@pytest.mark.parametrize(
    "name", ["a.txt", "a.md", "a.html", "a.pdf", "a.docx", "a.csv", "a.jsonl", "a.json", "noending"]
)
@pytest.mark.parametrize("data", [b"", b" \n\t\n"])
def test_an_empty_file_is_a_problem(tmp_path: Path, name: str, data: bytes) -> None:
    assert problem(read_bytes(tmp_path, name, data)).line is None


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    assert "no such file" in problem(list(read_source(Source(tmp_path / "gone.txt", "gone.txt")))).message
    (tmp_path / "folder.txt").mkdir()
    assert "directory" in problem(list(read_source(Source(tmp_path / "folder.txt", "folder.txt")))).message


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="no file is closed to the administrator")
def test_a_file_without_permission(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "a.txt").chmod(0)
    assert "permission" in problem(list(read_source(Source(tmp_path / "a.txt", "a.txt")))).message


# Html, pdf, docx


def test_html(tmp_path: Path) -> None:
    page = "<html><head><title> My\n page </title><style>p {}</style></head><body><script>no()</script>{}</body></html>"
    text = '<p>A <a href="http://x.y">link</a> to snake_case<img src="data:,x">.</p><h2>Two</h2><ul><li>item</li></ul>'
    found = one(read_bytes(tmp_path, "a.html", page.replace("{}", text).encode()))
    assert found.title == "My page"
    assert "A link to snake_case." in found.text and "## Two" in found.text
    assert not any(word in found.text for word in ("http", "no()", "p {}", "data:"))
    assert one(read_bytes(tmp_path, "b.htm", page.replace("{}", "<h1>Head</h1><p>x</p>").encode())).title == "Head"


def test_html_that_declares_its_encoding(tmp_path: Path) -> None:
    notes: list[str] = []
    page = f'<html><head><meta charset="gb2312"><title>图谱</title></head><body><p>{CHINESE}</p></body></html>'
    found = one(read_bytes(tmp_path, "a.html", page.encode("gb18030"), notes))
    assert (found.title, found.text, found.lang) == ("图谱", CHINESE, "zh")
    assert len(notes) == 1 and "gb18030" in notes[0]


def test_pdf(tmp_path: Path) -> None:
    found = one(
        read_bytes(
            tmp_path,
            "a.pdf",
            make_pdf("A Short Title", "# no heading", "Ada Lovelace wrote the first program in 1843."),
        )
    )
    assert found.title == "A Short Title"
    assert "Ada Lovelace wrote the first program in 1843." in found.text


def test_docx(tmp_path: Path) -> None:
    found = one(read_bytes(tmp_path, "a.docx", make_docx("A Short Title", "Ada wrote snake_case.", CHINESE)))
    assert found.title == "A Short Title"
    assert found.text == f"A Short Title\n\nAda wrote snake_case.\n\n{CHINESE}"


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("broken.pdf", b"%PDF-1.4\nnonsense", "damaged"),
        ("cut.pdf", make_pdf("Hello there, world")[:150], ""),
        ("locked.pdf", make_pdf("Hello", encrypt=True), "password"),
        ("scan.pdf", make_pdf(), "OCR"),
        ("broken.docx", make_docx("Hello")[:200], "damaged"),
        ("other.docx", b"PK\x05\x06" + bytes(18), "other file"),
        ("notxml.docx", make_docx("</w:nothing>"), ""),
        ("locked.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "password"),
    ],
)
def test_damaged_and_locked_files(
    tmp_path: Path,
    name: str,
    data: bytes,
    said: str,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert said in problem(read_bytes(tmp_path, name, data)).message
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


# Rows


def test_jsonl_rows_keep_their_ids(tmp_path: Path) -> None:
    data = jsonl({"_id": " 0042 ", "title": "T\n1", "text": "One."}, {"_id": 7, "text": "Two."}, {"text": "三是中文。"})
    first, second, third = read_bytes(tmp_path, "a.jsonl", data)
    assert isinstance(first, Document) and isinstance(second, Document) and isinstance(third, Document)
    assert [first.id, second.id, third.id] == [" 0042 ", "7", "a.jsonl:3"]
    assert [first.title, second.title, third.lang, third.source] == ["T 1", "", "zh", "a.jsonl"]


def test_bad_lines_do_not_stop_the_good_ones(tmp_path: Path) -> None:
    data = jsonl({"_id": "a", "text": "One."}) + b"{not json}\n" + jsonl([1], {"_id": "b"}, {"_id": "c", "text": " "})
    data += jsonl(
        {"_id": "a", "text": "Again."}, {"_id": ["x"], "text": "One."}, {"_id": "x\0y", "text": "One."}, "text"
    )
    data += (
        b"\n" + b'{"_id": "n", "text": ' + b"[" * 100_000 + b"\n" + jsonl({"_id": "z", "text": "Last \ud800 and \0."})
    )
    notes: list[str] = []
    found = read_bytes(tmp_path, "a.jsonl", data, notes)
    assert [one.id for one in found if isinstance(one, Document)] == ["a", "z"]
    said = {one.line: one.message for one in found if isinstance(one, ReadProblem)}
    assert sorted(line or 0 for line in said) == [2, 3, 4, 5, 6, 7, 8, 9, 11]
    assert "again" in said[6] and "a list" in said[3] and "_id" in said[7]
    last = found[-1]
    assert isinstance(last, Document) and last.text == "Last \ufffd and ."
    assert "2 control characters" in notes[0]


def test_a_line_that_is_too_long_is_skipped_without_being_held(tmp_path: Path) -> None:
    import tracemalloc

    (tmp_path / "a.jsonl").write_bytes(
        b'{"text": "' + b"x" * 50_000_000 + b'"}\n' + jsonl({"_id": "z", "text": "Last."})
    )
    tracemalloc.start()
    found = list(read_source(Source(tmp_path / "a.jsonl", "a.jsonl")))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(found[0], ReadProblem) and found[0].line == 1 and "20 MB" in found[0].message
    assert isinstance(found[1], Document) and found[1].id == "z"
    assert peak < 45_000_000


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    import tracemalloc

    peaks = []
    for count in (300, 3000):
        row = {"title": "T", "text": "word" + " 123" * 1000}
        (tmp_path / "a.jsonl").write_bytes(b"".join(jsonl({"_id": n, **row}) for n in range(count)))
        tracemalloc.start()
        assert sum(isinstance(found, Document) for found in read_source(Source(tmp_path / "a.jsonl", "a"))) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 1_500_000  # of a file of 12 MB


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gb18030"])
def test_jsonl_in_other_encodings(tmp_path: Path, encoding: str) -> None:
    lines = "".join(json.dumps({"_id": n, "text": CHINESE}, ensure_ascii=False) + "\n" for n in range(50))
    notes: list[str] = []
    found = read_bytes(tmp_path, "a.jsonl", lines.encode(encoding), notes)
    assert [one.text for one in found if isinstance(one, Document)] == [CHINESE] * 50
    assert len(notes) == (encoding != "utf-8-sig")


def test_gzip_whole_truncated_and_false(tmp_path: Path) -> None:
    data = gzip.compress(jsonl(*({"_id": n, "text": f"Row {n * 7919 % 1009}."} for n in range(5000))), mtime=0)
    assert len(read_bytes(tmp_path, "a.jsonl.gz", data)) == 5000
    found = read_bytes(tmp_path, "b.jsonl.gz", data[: len(data) // 2])
    assert len(found) > 1000
    assert all(isinstance(one, Document) for one in found[:-1])
    assert isinstance(found[-1], ReadProblem) and found[-1].line == len(found) and "ends early" in found[-1].message
    assert "damage" in problem(read_bytes(tmp_path, "c.jsonl.gz", b"no gzip at all")).message
    half = len(data) // 2
    for wrong in (data[:half] + b"\0" * 40 + data[half + 40 :], data[:10] + b"\xff" * 40):
        last = read_bytes(tmp_path, "d.jsonl.gz", wrong)[-1]
        assert isinstance(last, ReadProblem) and "damage" in last.message


def test_binary_data_named_jsonl_is_one_problem(tmp_path: Path) -> None:
    (found,) = read_bytes(tmp_path, "a.jsonl", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\xff\n" * 20)
    assert isinstance(found, ReadProblem)


def test_json(tmp_path: Path) -> None:
    rows = [{"_id": "a", "text": "One."}, {"text": "Two."}, {"_id": "a", "text": "Again."}, 5]
    found = read_bytes(tmp_path, "a.json", json.dumps(rows).encode())
    assert [one.id for one in found if isinstance(one, Document)] == ["a", "a.json:2"]
    assert ["row 3" in str(found[2]), "row 4" in str(found[3])] == [True, True]
    assert one(read_bytes(tmp_path, "b.json", b'{"_id": "x", "text": "One."}')).id == "x"
    for data in (b"[", b"3", b"[]", b"[" * 100_000):
        assert "expected" in problem(read_bytes(tmp_path, "c.json", data)).message


def test_a_table(tmp_path: Path) -> None:
    data = b'id,Name,born\n1,Ada Lovelace,1815\n\n2,"Bob ""B"" Ross","a\nb"\n3,Cy\n4,D,1,extra\n'
    found = [one for one in read_bytes(tmp_path, "a.csv", data) if isinstance(one, Document)]
    assert [one.id for one in found] == ["a.csv:2", "a.csv:4", "a.csv:6", "a.csv:7"]
    assert [one.title for one in found] == ["Ada Lovelace", 'Bob "B" Ross', "Cy", "D"]
    assert found[0].text == "id: 1\nName: Ada Lovelace\nborn: 1815"
    assert found[2].text == "id: 3\nName: Cy"
    assert found[3].text.endswith("\nextra")


def test_a_table_with_a_text_column(tmp_path: Path) -> None:
    notes: list[str] = []
    data = "_id\t标题\ttext\nx1\t北京\t北京是首都。\nx1\t又\t又一个。\nx2\t空\t\n".encode("gb18030")
    found = read_bytes(tmp_path, "a.tsv", data, notes)
    assert isinstance(found[0], Document) and isinstance(found[1], ReadProblem) and isinstance(found[2], ReadProblem)
    assert (found[0].id, found[0].title, found[0].text) == ("x1", "北京", "北京是首都。")
    assert (found[1].line, found[2].line) == (3, 4)
    assert "gb18030" in notes[0]
    assert one(read_bytes(tmp_path, "b.csv", b"place;river\nParis;Seine\n")).text == "place: Paris\nriver: Seine"
    assert "no rows" in problem(read_bytes(tmp_path, "c.csv", b"a,b\n")).message


def test_a_lone_quote_in_a_table_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MAX_LINE_BYTES", 1000)
    found = read_bytes(tmp_path, "a.csv", b'a,b\n1,"x\n' + b"2,y\n" * 400)
    assert isinstance(found[0], ReadProblem) and "quote" in found[0].message and found[0].line == 2
    assert any(isinstance(one, Document) for one in found)


def test_reading_twice_gives_the_same(tmp_path: Path) -> None:
    data = jsonl(*({"_id": n, "text": f"Row {n}. {CHINESE}"} for n in range(20)))
    assert read_bytes(tmp_path, "a.jsonl", data) == read_bytes(tmp_path, "a.jsonl", data)


# Standard input


@pytest.mark.parametrize(
    ("data", "id", "title"),
    [
        (b"Some words.", "-", "standard input"),
        (b"# Title\n\nSome words.", "-", "Title"),
        (jsonl({"_id": "a", "title": "T", "text": "One."}), "a", "T"),
        (gzip.compress(jsonl({"_id": "a", "title": "T", "text": "One."}), mtime=0), "a", "T"),
        (b"<!DOCTYPE html><title>Page</title><p>Words</p>", "-", "Page"),
        (make_pdf("Heading line", "Words"), "-", "Heading line"),
        (make_docx("Heading line", "Words"), "-", "Heading line"),
    ],
)
def test_standard_input(data: bytes, id: str, title: str) -> None:
    found = one(list(read_source(Source(Path("-"), "-"), stdin=io.BytesIO(data))))
    assert (found.id, found.title, found.source) == (id, title, "-")


# Finding


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "b.txt",
        "a.md",
        "sub/c.html",
        "sub/deep/d.jsonl.gz",
        "README",
        ".hidden.txt",
        ".kgrag/x.txt",
        "e.PDF",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"text")
    (tmp_path / "p.png").write_bytes(b"\x89PNG\0")
    (tmp_path / "program").write_bytes(b"\x7fELF\0\0")
    return tmp_path


def ids(sources: list[Source]) -> list[str]:
    return [source.id for source in sources]


def test_a_folder_with_everything(folder: Path) -> None:
    skipped: Counter[str] = Counter()
    found = discover_sources([str(folder)], folder, skipped)
    assert ids(found) == ["README", "a.md", "b.txt", "e.PDF", "sub/c.html", "sub/deep/d.jsonl.gz"]
    assert skipped == {"hidden": 2, "unknown kind .png": 1, "no ending, and not text": 1}


def test_each_file_once_and_ids_from_the_base(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert ids(discover_sources(["b.txt", "./b.txt", "sub/../b.txt", str(folder / "b.txt"), "*.txt"], Path())) == [
        "b.txt"
    ]
    assert ids(discover_sources(["b.txt"], folder / "sub")) == [(folder / "b.txt").as_posix()]
    assert ids(discover_sources([".hidden.txt", "p.png", "-"], folder)) == ["-", ".hidden.txt", "p.png"]


def test_globs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "[x].txt").write_text("text")
    assert ids(discover_sources(["[x].txt"], folder)) == ["[x].txt"]
    assert ids(discover_sources(["**/*.html", "?.md"], folder)) == ["a.md", "sub/c.html"]
    assert ids(discover_sources(["s*"], folder)) == ["sub/c.html", "sub/deep/d.jsonl.gz"]


def test_loops_of_links_end(folder: Path) -> None:
    (folder / "sub" / "loop").symlink_to(folder)
    (folder / "link.txt").symlink_to(folder / "b.txt")
    (folder / "gone.txt").symlink_to(folder / "nothing")
    (folder / "self").symlink_to(folder / "self")
    skipped: Counter[str] = Counter()
    found = ids(discover_sources([str(folder)], folder, skipped))
    assert found == ["README", "a.md", "b.txt", "e.PDF", "sub/c.html", "sub/deep/d.jsonl.gz"]
    assert skipped["not a file"] == 2


def test_a_pipe_in_a_folder_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe.txt")
    assert "pipe.txt" not in ids(discover_sources([str(folder)], folder))


@pytest.mark.parametrize(
    ("argument", "said"),
    [("b.tx", "did you mean 'b.txt'?"), ("sob/c.html", "did you mean 'sub'?"), ("*.xyz", "'*.xyz'"), ("", "empty")],
)
def test_what_does_not_exist_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch, argument: str, said: str) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(UsageError) as caught:
        discover_sources(["a.md", argument], folder)
    assert said in str(caught.value)


def test_a_name_that_is_not_unicode_can_be_stored(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff.txt"
    try:
        with open(path, "w") as file:
            file.write("text")
    except OSError:
        pytest.skip("this file system has Unicode names only")
    (source,) = discover_sources([str(tmp_path)], tmp_path)
    found = one(list(read_source(source)))
    assert (found.id, found.title) == ("\\xff.txt", "\ufffd")


def test_the_digest_tells_whether_a_file_changed(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"one")
    assert file_digest(tmp_path / "a.txt") == hashlib.sha256(b"one").hexdigest()
