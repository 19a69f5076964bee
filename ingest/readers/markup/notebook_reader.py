"""Read Jupyter notebooks: cells of text and code, and what the code printed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser

from ingest.readers.content import Content
from ingest.readers.content_join import join_contents
from ingest.readers.markup.hidden_markup import remove_hidden_markup
from ingest.readers.markup.markdown import parse_markup
from ingest.readers.metadata import normalize_metadata
from ingest.readers.read_log import ReadLog
from ingest.readers.tree_builder import TreeBuilder
from kgrag.errors import ReadError

MAX_OUTPUT_CHARS = 4000
"""Maximum length of a cell's printed output; more is progress bars and logs."""
MAX_OUTPUT_ROWS = 200
"""Maximum number of rows of a table in an output."""
MAX_TABLE_CHARS = 100_000
"""Maximum length of the html of a table in an output; a longer one is read as text."""
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_PICTURE = re.compile(r"!\[[^\]]*\]\((?:attachment|data):[^)]*\)|<img\b[^>]*>", re.IGNORECASE)
_HTML_TAG = re.compile(r"</?(?:div|span|p|br|center|font|b|i|a|h\d)\b[^<>]*>", re.IGNORECASE)


def read_notebook(data: bytes, log: ReadLog) -> Content:
    """Read a notebook of format 3 or 4.

    Raises:
        ReadError: it is no JSON, or has no cells.
    """
    try:
        notebook = json.loads(log.decode(data))
    except (ValueError, RecursionError) as error:
        raise ReadError("expected a notebook in JSON, found a damaged file: save it again in Jupyter") from error
    cells = _cells(notebook)
    if cells is None:
        raise ReadError("expected a notebook with 'cells', found none: save it again in Jupyter")
    properties = _mapping(notebook.get("metadata"))
    kernel = _mapping(properties.get("kernelspec"))
    language = _mapping(properties.get("language_info")).get("name") or kernel.get("language") or "python"
    language = str(language).lower()
    text, tree = join_contents(piece for cell in cells for piece in _read_cell(_mapping(cell), language, log))
    authors = properties.get("authors")
    names = [_mapping(a).get("name") or a for a in authors] if isinstance(authors, list) else authors
    fields: dict[object, object] = {key: properties.get(key) for key in ("tags", "keywords", "date")}
    fields["author"] = ", ".join(str(name) for name in names) if isinstance(names, list) else names
    fields["kernel"] = language
    metadata = normalize_metadata(fields)
    return Content(text, tree, str(properties.get("title") or ""), metadata)


def _cells(notebook: object) -> list[object] | None:
    fields = _mapping(notebook)
    cells = fields.get("cells")
    if not isinstance(cells, list) and isinstance(fields.get("worksheets"), list):
        cells = []
        for sheet in fields["worksheets"]:  # type: ignore[attr-defined]
            inner = _mapping(sheet).get("cells")
            cells += inner if isinstance(inner, list) else []
    return cells if isinstance(cells, list) else None


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _source(value: object) -> str:
    """Return a string that is written as one, or as a list of its lines."""
    if isinstance(value, list):
        value = "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""


def _read_cell(cell: Mapping[str, object], language: str, log: ReadLog) -> Iterator[Content]:
    kind = cell.get("cell_type")
    source = log.clean(_ANSI.sub("", _source(cell.get("source", cell.get("input")))))
    if kind == "heading":  # format 3
        level = cell.get("level")
        yield Content(*parse_markup(f"{'#' * (level if isinstance(level, int) else 1)} {source}"))
    elif kind == "markdown":
        source = remove_hidden_markup(source)
        yield Content(*parse_markup(_HTML_TAG.sub("", _PICTURE.sub("", source)).strip("\n")))
    elif kind == "code":
        builder = TreeBuilder()
        magic = re.match(r"%%(bash|sh|sql|html|javascript|js|latex|markdown|perl|ruby|R)\b", source)
        builder.add_code(source, magic.group(1).lower() if magic else language)
        outputs = cell.get("outputs")
        for output in outputs if isinstance(outputs, list) else []:
            _add_output(builder, _mapping(output), log)
        yield Content(*builder.build())
    elif source:
        yield Content(source)


def _add_output(builder: TreeBuilder, output: Mapping[str, object], log: ReadLog) -> None:
    """Add an output as rows, if it is a table, or as text; pictures are left out."""
    if output.get("output_type") in ("error", "pyerr"):
        builder.add_code(f"{output.get('ename', 'Error')}: {output.get('evalue', '')}"[:500], "text")
        return
    data = _mapping(output.get("data")) or output  # format 3 has the media types beside output_type
    rows = parse_html_table(_source(data.get("text/html", data.get("html"))))
    if rows:
        if not rows[0][0] and all(row[0] == str(number) for number, row in enumerate(rows[1:])):
            rows = [row[1:] for row in rows]  # the index of a data frame, which only counts
        builder.add_table(rows[1 : MAX_OUTPUT_ROWS + 1], rows[0])
        return
    markdown = _source(data.get("text/markdown"))
    text = markdown or _source(data.get("text/plain", data.get("text")))
    text = _ANSI.sub("", text).strip("\n")
    text = "\n".join(line.rsplit("\r", 1)[-1] for line in text.replace("\r\n", "\n").split("\n"))
    if re.fullmatch(r"<[\w.]+[^<>\n]*>", text.strip()):  # the name of an object: <Figure size 640x480 with 1 Axes>
        return
    if len(text) > MAX_OUTPUT_CHARS:
        text = text[: MAX_OUTPUT_CHARS // 2] + "\n…\n" + text[-MAX_OUTPUT_CHARS // 2 :]
    builder.add_code(log.clean(text), "text")


def parse_html_table(html: str) -> list[list[str]]:
    """Return the rows of the only table in html, as pandas prints one, the header first; [] if there is none."""
    if len(html) > MAX_TABLE_CHARS or html.lower().count("<table") != 1:
        return []
    parser = _TableParser()
    parser.feed(html)
    parser.close()
    rows = [row for row in parser.rows if any(row)]
    return rows if len(rows) > 1 and max(map(len, rows)) <= 100 else []


class _TableParser(HTMLParser):
    """Parser of a table without merged cells."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._is_in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a row or a cell."""
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            self.rows[-1].append("")
        self._is_in_cell = tag in ("td", "th") or (self._is_in_cell and tag not in ("tr", "style", "script"))

    def handle_endtag(self, tag: str) -> None:
        """End a cell."""
        if tag in ("td", "th", "tr"):
            self._is_in_cell = False

    def handle_data(self, data: str) -> None:
        """Add text to the cell."""
        if self._is_in_cell and self.rows and self.rows[-1]:
            self.rows[-1][-1] += data
