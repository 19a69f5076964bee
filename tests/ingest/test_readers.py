"""Files of every kind become documents; a problem with one is reported and stops no other."""

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

from ingest.readers.content import ReadProblem
from ingest.readers.encodings.decoding import clean_text, decode_bytes
from ingest.readers.files.discovery import Source, discover_sources
from ingest.readers.readers import read_source
from kgrag.errors import ReadError, UsageError
from kgrag.types import Document

CHINESE = "知识图谱是一种用图模型来描述知识和建模世界万物之间关联关系的技术方法。"


def read_bytes(folder: Path, name: str, data: bytes, notes: list[str] | None = None) -> list[Document | ReadProblem]:
    path = folder / name
    path.write_bytes(data)
    return list(read_source(Source(path, name), (lambda note: notes.append(note)) if notes is not None else None))


def only_document(items: list[Document | ReadProblem]) -> Document:
    assert len(items) == 1
    assert isinstance(items[0], Document), str(items[0])
    return items[0]


def only_problem(items: list[Document | ReadProblem]) -> ReadProblem:
    assert len(items) == 1
    assert isinstance(items[0], ReadProblem)
    assert "\n" not in items[0].message and "Traceback" not in items[0].message
    return items[0]


def jsonl(*values: object) -> bytes:
    return "".join(json.dumps(value) + "\n" for value in values).encode()


def make_pdf(*lines: str, encrypt: bool = False) -> bytes:
    """Build a pdf of one page; ``encrypt`` adds a filter that no reader supports."""
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
    """Build the three files that a Word document requires."""
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


def test_text_file_is_one_document(tmp_path: Path) -> None:
    document = only_document(read_bytes(tmp_path, "my_first-note.txt", b"Ada wrote it.\r\nBob\rread it.\n"))
    assert document.text == "Ada wrote it.\nBob\nread it.\n"
    assert (document.id, document.source, document.title, document.lang) == ("my_first-note.txt",) * 2 + (
        "my first note",
        "en",
    )
    assert document.sha256 == hashlib.sha256(f"{document.title}\0{document.text}".encode()).hexdigest()


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Preface\n\n# The *Real* Title #\n\nText", "The Real Title"),
        ("```\n# a comment\n```\n\n# After\n", "After"),
        ("Underlined\n==========\n\nText", "Underlined"),
        ("## Only the second level\n\nText", "Only the second level"),
        ("# \n\nText", "note"),
    ],
)
def test_markdown_title_is_first_heading(tmp_path: Path, text: str, title: str) -> None:
    document = only_document(read_bytes(tmp_path, "note.md", text.encode()))
    assert (document.title, document.text) == (title, text)


@pytest.mark.parametrize(
    "encoding", ["gb18030", "big5", "utf-16", "utf-16-le", "utf-32", "shift_jis", "cp1251", "latin-1"]
)
def test_other_encoding_is_detected_and_noted(tmp_path: Path, encoding: str) -> None:
    text = {
        "big5": "臺灣是東亞的一個島嶼，首都為臺北市，人口約兩千三百萬人。",
        "shift_jis": "東京は日本の首都です。人口は約千四百万人で、世界最大の都市圏を形成しています。",
        "cp1251": "Москва является столицей России и крупнейшим городом страны.",
        "latin-1": "Le café est très agréable à Genève, près de l'hôtel où Élise était née.",
    }.get(encoding, f"{CHINESE}\n{CHINESE}")
    notes: list[str] = []
    assert only_document(read_bytes(tmp_path, "a.txt", text.encode(encoding), notes)).text == text
    assert len(notes) == 1 and "not UTF-8" in notes[0]


@pytest.mark.parametrize(
    ("text", "encoding"), [("北京是中国的首都。", "gb18030"), ("Café", "latin-1"), ("a “quote” – so", "cp1252")]
)
def test_encoding_of_short_text_is_detected(text: str, encoding: str) -> None:
    assert decode_bytes(text.encode(encoding))[0] == text


def test_damaged_byte_does_not_change_encoding(tmp_path: Path) -> None:
    notes: list[str] = []
    document = only_document(read_bytes(tmp_path, "a.txt", (CHINESE * 5).encode() + b"\xff end", notes))
    assert document.text == CHINESE * 5 + "\ufffd end"
    assert len(notes) == 1 and "1 places" in notes[0]


def test_utf8_bom_is_removed_without_note(tmp_path: Path) -> None:
    notes: list[str] = []
    assert only_document(read_bytes(tmp_path, "a.txt", b"\xef\xbb\xbf" + CHINESE.encode(), notes)).text == CHINESE
    assert notes == []


def test_control_characters_are_cleaned_and_counted(tmp_path: Path) -> None:
    notes: list[str] = []
    document = only_document(
        read_bytes(tmp_path, "a.txt", "A good\0 text\x07 with \u200bmarks\u202e \u05d0.".encode(), notes)
    )
    assert document.text == "A good text with \u200bmarks\u202e \u05d0."
    assert len(notes) == 1 and "2 control characters" in notes[0]
    assert clean_text("a\ud800b\u2028c\x85d") == ("a\ufffdb\nc\nd", 1)


@pytest.mark.parametrize(
    "data", [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\xff\xfe" * 20, bytes(range(256)) * 10, b"\x01\x02" * 50]
)
def test_binary_data_is_a_problem(tmp_path: Path, data: bytes) -> None:
    assert "expected text" in only_problem(read_bytes(tmp_path, "a.txt", data)).message
    with pytest.raises(ReadError):
        clean_text(decode_bytes(data)[0])


@pytest.mark.parametrize(
    "name", ["a.txt", "a.md", "a.html", "a.pdf", "a.docx", "a.csv", "a.jsonl", "a.json", "noending"]
)
@pytest.mark.parametrize("data", [b"", b" \n\t\n"])
def test_empty_file_is_a_problem(tmp_path: Path, name: str, data: bytes) -> None:
    assert only_problem(read_bytes(tmp_path, name, data)).line is None


def test_missing_file_is_a_problem(tmp_path: Path) -> None:
    assert "no such file" in only_problem(list(read_source(Source(tmp_path / "gone.txt", "gone.txt")))).message
    (tmp_path / "folder.txt").mkdir()
    assert "directory" in only_problem(list(read_source(Source(tmp_path / "folder.txt", "folder.txt")))).message


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="no file is closed to the administrator")
def test_file_without_permission_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "a.txt").chmod(0)
    assert "permission" in only_problem(list(read_source(Source(tmp_path / "a.txt", "a.txt")))).message


# Html, pdf, docx


def test_html_is_converted(tmp_path: Path) -> None:
    page = "<html><head><title> My\n page </title><style>p {}</style></head><body><script>no()</script>{}</body></html>"
    text = '<p>A <a href="http://x.y">link</a> to snake_case<img src="data:,x">.</p><h2>Two</h2><ul><li>item</li></ul>'
    document = only_document(read_bytes(tmp_path, "a.html", page.replace("{}", text).encode()))
    assert document.title == "My page"
    assert "A link to snake_case." in document.text and "## Two" in document.text
    assert not any(word in document.text for word in ("http", "no()", "p {}", "data:"))
    headed = page.replace("<title> My\n page </title>", "").replace("{}", "<h1>Head</h1><p>x</p>")
    assert only_document(read_bytes(tmp_path, "b.htm", headed.encode())).title == "Head"


def test_html_declared_encoding_is_used(tmp_path: Path) -> None:
    notes: list[str] = []
    page = f'<html><head><meta charset="gb2312"><title>图谱</title></head><body><p>{CHINESE}</p></body></html>'
    document = only_document(read_bytes(tmp_path, "a.html", page.encode("gb18030"), notes))
    assert (document.title, document.text, document.lang) == ("图谱", CHINESE, "zh")
    assert len(notes) == 1 and "gb18030" in notes[0]


def test_pdf_text_is_extracted(tmp_path: Path) -> None:
    document = only_document(
        read_bytes(
            tmp_path,
            "a.pdf",
            make_pdf("A Short Title", "# no heading", "Ada Lovelace wrote the first program in 1843."),
        )
    )
    assert document.title == "A Short Title"
    assert "Ada Lovelace wrote the first program in 1843." in document.text


def test_docx_is_converted(tmp_path: Path) -> None:
    document = only_document(
        read_bytes(tmp_path, "a.docx", make_docx("A Short Title", "Ada wrote snake_case.", CHINESE))
    )
    assert document.title == "A Short Title"
    assert document.text == f"A Short Title\n\nAda wrote snake_case.\n\n{CHINESE}"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("broken.pdf", b"%PDF-1.4\nnonsense", "damaged"),
        ("cut.pdf", make_pdf("Hello there, world")[:150], ""),
        ("locked.pdf", make_pdf("Hello", encrypt=True), "password"),
        ("empty.pdf", make_pdf(), "no text"),
        ("broken.docx", make_docx("Hello")[:200], "damaged"),
        ("other.docx", b"PK\x05\x06" + bytes(18), "other file"),
        ("notxml.docx", make_docx("</w:nothing>"), ""),
        ("locked.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "password"),
    ],
)
def test_damaged_or_protected_file_is_a_problem(
    tmp_path: Path,
    name: str,
    data: bytes,
    message: str,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert message in only_problem(read_bytes(tmp_path, name, data)).message
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


# Rows


def test_jsonl_rows_keep_their_ids(tmp_path: Path) -> None:
    data = jsonl({"_id": " 0042 ", "title": "T\n1", "text": "One."}, {"_id": 7, "text": "Two."}, {"text": "三是中文。"})
    first, second, third = read_bytes(tmp_path, "a.jsonl", data)
    assert isinstance(first, Document) and isinstance(second, Document) and isinstance(third, Document)
    assert [first.id, second.id, third.id] == [" 0042 ", "7", "a.jsonl:3"]
    assert [first.title, second.title, third.lang, third.source] == ["T 1", "", "zh", "a.jsonl"]


def test_bad_lines_do_not_stop_reading(tmp_path: Path) -> None:
    data = jsonl({"_id": "a", "text": "One."}) + b"{not json}\n" + jsonl([1], {"_id": "b"}, {"_id": "c", "text": " "})
    data += jsonl(
        {"_id": "a", "text": "Again."}, {"_id": ["x"], "text": "One."}, {"_id": "x\0y", "text": "One."}, "text"
    )
    data += (
        b"\n" + b'{"_id": "n", "text": ' + b"[" * 100_000 + b"\n" + jsonl({"_id": "z", "text": "Last \ud800 and \0."})
    )
    notes: list[str] = []
    items = read_bytes(tmp_path, "a.jsonl", data, notes)
    assert [item.id for item in items if isinstance(item, Document)] == ["a", "z"]
    messages = {item.line: item.message for item in items if isinstance(item, ReadProblem)}
    assert sorted(line or 0 for line in messages) == [2, 3, 4, 5, 6, 7, 8, 9, 11]
    assert "again" in messages[6] and "a list" in messages[3] and "_id" in messages[7]
    last = items[-1]
    assert isinstance(last, Document) and last.text == "Last \ufffd and ."
    assert "2 control characters" in notes[0]


def test_too_long_line_is_skipped_without_memory(tmp_path: Path) -> None:
    import tracemalloc

    (tmp_path / "a.jsonl").write_bytes(
        b'{"text": "' + b"x" * 50_000_000 + b'"}\n' + jsonl({"_id": "z", "text": "Last."})
    )
    tracemalloc.start()
    items = list(read_source(Source(tmp_path / "a.jsonl", "a.jsonl")))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(items[0], ReadProblem) and items[0].line == 1 and "20 MB" in items[0].message
    assert isinstance(items[1], Document) and items[1].id == "z"
    assert peak < 45_000_000


def test_memory_does_not_grow_with_file_size(tmp_path: Path) -> None:
    import tracemalloc

    peaks = []
    for count in (300, 3000):
        row = {"title": "T", "text": "word" + " 123" * 1000}
        (tmp_path / "a.jsonl").write_bytes(b"".join(jsonl({"_id": n, **row}) for n in range(count)))
        tracemalloc.start()
        assert sum(isinstance(item, Document) for item in read_source(Source(tmp_path / "a.jsonl", "a"))) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 1_500_000  # of a file of 12 MB


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gb18030"])
def test_jsonl_in_other_encodings_is_read(tmp_path: Path, encoding: str) -> None:
    lines = "".join(json.dumps({"_id": n, "text": CHINESE}, ensure_ascii=False) + "\n" for n in range(50))
    notes: list[str] = []
    items = read_bytes(tmp_path, "a.jsonl", lines.encode(encoding), notes)
    assert [item.text for item in items if isinstance(item, Document)] == [CHINESE] * 50
    assert len(notes) == (encoding != "utf-8-sig")


def test_gzip_complete_truncated_and_invalid(tmp_path: Path) -> None:
    data = gzip.compress(jsonl(*({"_id": n, "text": f"Row {n * 7919 % 1009}."} for n in range(5000))), mtime=0)
    assert len(read_bytes(tmp_path, "a.jsonl.gz", data)) == 5000
    items = read_bytes(tmp_path, "b.jsonl.gz", data[: len(data) // 2])
    assert len(items) > 1000
    assert all(isinstance(item, Document) for item in items[:-1])
    assert isinstance(items[-1], ReadProblem) and items[-1].line == len(items) and "ends early" in items[-1].message
    assert "damage" in only_problem(read_bytes(tmp_path, "c.jsonl.gz", b"no gzip at all")).message
    half = len(data) // 2
    for wrong in (data[:half] + b"\0" * 40 + data[half + 40 :], data[:10] + b"\xff" * 40):
        last = read_bytes(tmp_path, "d.jsonl.gz", wrong)[-1]
        assert isinstance(last, ReadProblem) and "damage" in last.message


def test_binary_jsonl_is_one_problem(tmp_path: Path) -> None:
    (problem,) = read_bytes(tmp_path, "a.jsonl", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\xff\n" * 20)
    assert isinstance(problem, ReadProblem)


def test_json_list_is_read_as_rows(tmp_path: Path) -> None:
    rows = [{"_id": "a", "text": "One."}, {"text": "Two."}, {"_id": "a", "text": "Again."}, 5]
    items = read_bytes(tmp_path, "a.json", json.dumps(rows).encode())
    assert [item.id for item in items if isinstance(item, Document)] == ["a", "a.json:2"]
    assert ["row 3" in str(items[2]), "row 4" in str(items[3])] == [True, True]
    assert only_document(read_bytes(tmp_path, "b.json", b'{"_id": "x", "text": "One."}')).id == "x"
    for data in (b"[", b"3", b"[]", b"[" * 100_000):
        assert "expected" in only_problem(read_bytes(tmp_path, "c.json", data)).message


def test_table_rows_are_documents(tmp_path: Path) -> None:
    data = b'id,Name,born\n1,Ada Lovelace,1815\n\n2,"Bob ""B"" Ross","a\nb"\n3,Cy\n4,D,1,extra\n'
    items = [item for item in read_bytes(tmp_path, "a.csv", data) if isinstance(item, Document)]
    assert [item.id for item in items] == ["a.csv:2", "a.csv:4", "a.csv:6", "a.csv:7"]
    assert [item.title for item in items] == ["Ada Lovelace", 'Bob "B" Ross', "Cy", "D"]
    assert items[0].text == "id: 1\nName: Ada Lovelace\nborn: 1815"
    assert items[2].text == "id: 3\nName: Cy"
    assert items[3].text.endswith("\nextra")


def test_table_with_text_column(tmp_path: Path) -> None:
    notes: list[str] = []
    data = "_id\t标题\ttext\nx1\t北京\t北京是首都。\nx1\t又\t又一个。\nx2\t空\t\n".encode("gb18030")
    items = read_bytes(tmp_path, "a.tsv", data, notes)
    assert isinstance(items[0], Document) and isinstance(items[1], ReadProblem) and isinstance(items[2], ReadProblem)
    assert (items[0].id, items[0].title, items[0].text) == ("x1", "北京", "北京是首都。")
    assert (items[1].line, items[2].line) == (3, 4)
    assert "gb18030" in notes[0]
    assert (
        only_document(read_bytes(tmp_path, "b.csv", b"place;river\nParis;Seine\n")).text == "place: Paris\nriver: Seine"
    )
    assert "no rows" in only_problem(read_bytes(tmp_path, "c.csv", b"a,b\n")).message


def test_reading_twice_gives_equal_documents(tmp_path: Path) -> None:
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
        (make_pdf("Heading line"), "-", "Heading line"),
        (make_docx("Heading line", "Words"), "-", "Heading line"),
    ],
)
def test_standard_input_kind_is_detected(data: bytes, id: str, title: str) -> None:
    document = only_document(list(read_source(Source(Path("-"), "-"), stdin=io.BytesIO(data))))
    assert (document.id, document.title, document.source) == (id, title, "-")


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
    (tmp_path / "p.mp3").write_bytes(b"ID3\0")
    (tmp_path / "program").write_bytes(b"\x7fELF\0\0")
    return tmp_path


def ids(sources: list[Source]) -> list[str]:
    return [source.id for source in sources]


def test_folder_sources_skip_hidden_and_unknown_files(folder: Path) -> None:
    skipped: Counter[str] = Counter()
    sources = discover_sources([str(folder)], folder, skipped)
    assert ids(sources) == ["README", "a.md", "b.txt", "e.PDF", "sub/c.html", "sub/deep/d.jsonl.gz"]
    assert skipped == {"hidden": 2, "unknown kind .mp3": 1, "no ending, and not text": 1}


def test_each_file_is_found_once_with_relative_id(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert ids(discover_sources(["b.txt", "./b.txt", "sub/../b.txt", str(folder / "b.txt"), "*.txt"], Path())) == [
        "b.txt"
    ]
    assert ids(discover_sources(["b.txt"], folder / "sub")) == [(folder / "b.txt").as_posix()]
    assert ids(discover_sources([".hidden.txt", "p.mp3", "-"], folder)) == ["-", ".hidden.txt", "p.mp3"]


def test_globs_are_expanded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "[x].txt").write_text("text")
    assert ids(discover_sources(["[x].txt"], folder)) == ["[x].txt"]
    assert ids(discover_sources(["**/*.html", "?.md"], folder)) == ["a.md", "sub/c.html"]
    assert ids(discover_sources(["s*"], folder)) == ["sub/c.html", "sub/deep/d.jsonl.gz"]


def test_symlink_loops_end(folder: Path) -> None:
    (folder / "sub" / "loop").symlink_to(folder)
    (folder / "link.txt").symlink_to(folder / "b.txt")
    (folder / "gone.txt").symlink_to(folder / "nothing")
    (folder / "self").symlink_to(folder / "self")
    skipped: Counter[str] = Counter()
    source_ids = ids(discover_sources([str(folder)], folder, skipped))
    assert source_ids == ["README", "a.md", "b.txt", "e.PDF", "sub/c.html", "sub/deep/d.jsonl.gz"]
    assert skipped["not a file"] == 2


def test_named_pipe_in_folder_is_skipped(folder: Path) -> None:
    os.mkfifo(folder / "pipe.txt")
    assert "pipe.txt" not in ids(discover_sources([str(folder)], folder))


@pytest.mark.parametrize(
    ("argument", "message"),
    [("b.tx", "did you mean 'b.txt'?"), ("sob/c.html", "did you mean 'sub'?"), ("*.xyz", "'*.xyz'"), ("", "empty")],
)
def test_missing_path_raises_with_suggestion(
    folder: Path, monkeypatch: pytest.MonkeyPatch, argument: str, message: str
) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(UsageError) as caught:
        discover_sources(["a.md", argument], folder)
    assert message in str(caught.value)


def test_non_unicode_file_name_can_be_stored(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff.txt"
    try:
        with open(path, "w") as file:
            file.write("text")
    except OSError:
        pytest.skip("this file system has Unicode names only")
    (source,) = discover_sources([str(tmp_path)], tmp_path)
    document = only_document(list(read_source(source)))
    assert (document.id, document.title) == ("\\xff.txt", "\ufffd")
