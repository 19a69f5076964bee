"""Read PDF files: text in reading order with pages and places, headings, lists, tables, code and links.

Pages are read one by one, with a window of pages around the current one, so that memory does not grow with the file.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from ingest.readers.content import Content
from ingest.readers.images.ocr import find_recognizer
from ingest.readers.images.recognized_page import Recognizer
from ingest.readers.pdf.blocks import BlockWriter
from ingest.readers.pdf.columns import Line, make_lines, merge_pieces, order_columns
from ingest.readers.pdf.contents import without_contents
from ingest.readers.pdf.document import open_pdf, read_outline, read_properties
from ingest.readers.pdf.furniture import WINDOW, PageEdges, find_edges, remove_furniture
from ingest.readers.pdf.geometry import Table
from ingest.readers.pdf.grids import replace_grids
from ingest.readers.pdf.page_reader import read_page
from ingest.readers.pdf.pages import Page
from ingest.readers.pdf.problems import PageProblems, page_ranges
from ingest.readers.pdf.styles import Bookmark, Styles
from ingest.readers.pdf.tables import find_columns_table
from ingest.readers.read_log import ReadLog
from ingest.readers.titles import first_line
from ingest.readers.tree_builder import TreeBuilder
from kgrag.errors import ReadError
from kgrag.tree import BlockKind, DocumentTree

SAMPLE_PAGES = 40
"""Pages, evenly over the document, from which its styles are learned."""
MAX_TITLE_CHARS = 200


def read_pdf(data: bytes, log: ReadLog, recognizer: Recognizer | None = None) -> Content:
    """Read a PDF file.

    Args:
        data: the file.
        log: counts cleaned characters.
        recognizer: reads the images of scanned pages; default: the one of the extra ``ocr``, if it is installed.

    Raises:
        ReadError: the file is damaged or protected by a password, or has no text.
    """
    recognizer = recognizer or find_recognizer()
    document = open_pdf(data)
    try:
        title, metadata = read_properties(document)
        content = read_pages(
            lambda number: read_page(document, number, recognizer), len(document), log, read_outline(document)
        )
    finally:
        document.close()
    if content.text.strip():
        return replace(content, title=title or content.title, metadata={**metadata, **content.metadata})
    if content.problems:
        raise ReadError("; ".join(content.problems))
    raise ReadError("there is no text in it: leave it out, or print it to a new pdf if it shows some")


def read_pages(read: Callable[[int], Page], count: int, log: ReadLog, outline: Sequence[Bookmark] = ()) -> Content:
    """Return the content of pages; its text is "" if they have none.

    Args:
        read: returns the page of a number, from 1; called once for each.
        count: number of pages.
        log: counts cleaned characters.
        outline: bookmarks.
    """
    step = max(1, -(-count // SAMPLE_PAGES))
    sample = {number: read(number) for number in range(1, count + 1, step)}
    styles = Styles(sample.values(), outline)
    builder = TreeBuilder()
    writer = BlockWriter(builder, styles)
    state = PageProblems()
    first_page: Page | None = None
    pages = (sample.pop(number) if number in sample else read(number) for number in range(1, count + 1))
    for page in _without_furniture(pages, styles, count):
        state.add(page)
        first_page = first_page or page
        _write_page(page, writer)
    writer.close()
    text, tree = builder.build()
    log.cleaned_count += builder.cleaned_count
    title = _largest_text(first_page, styles) or _first_paragraph(text, tree)
    metadata = {"ocr_pages": page_ranges(state.recognized)} if state.recognized and text.strip() else {}
    return Content(text, tree, title, metadata, tuple(state.sentences()))


def _without_furniture(pages: Iterator[Page], styles: Styles, count: int) -> Iterator[Page]:
    """Yield the pages without running heads and footers, which pages before and after them show."""
    ahead: deque[tuple[Page, PageEdges]] = deque()
    behind: deque[PageEdges] = deque(maxlen=WINDOW)
    for page in pages:
        styles.learn_words(page)
        ahead.append((page, find_edges(page)))
        if len(ahead) > WINDOW:
            yield _strip_first(ahead, behind, count)
    while ahead:
        yield _strip_first(ahead, behind, count)


def _strip_first(ahead: deque[tuple[Page, PageEdges]], behind: deque[PageEdges], count: int) -> Page:
    page, edges = ahead.popleft()
    remove_furniture(page, edges, [*behind, *(later for _, later in ahead)], count)
    behind.append(edges)
    return page


def _write_page(page: Page, writer: BlockWriter) -> None:
    """Write the lines and tables of a page in reading order."""
    page.pieces = merge_pieces(page.pieces)
    replace_grids(page)
    regions = [make_lines(rows, page.number) for rows in order_columns(page.pieces)]
    lines = without_contents([line for region in regions for line in region])
    kept = {id(line) for line in lines}
    writer.begin_page(page, lines)
    for region in regions:
        _write_region([line for line in region if id(line) in kept], page, writer)
    for piece in page.turned:
        writer.add_line(Line([piece], page.number, piece.left, piece.right))


def _write_region(lines: Sequence[Line], page: Page, writer: BlockWriter) -> None:
    rows = [line.pieces for line in lines]
    number = 0
    while number < len(lines):
        grids = [piece for piece in rows[number] if piece.table]
        if grids:
            others = [piece for piece in rows[number] if not piece.table]
            for piece in grids:
                assert isinstance(piece.table, Table)
                writer.add_table(piece.table, page)
            if others:
                writer.add_line(Line(others, page.number, lines[number].column_left, lines[number].column_right))
        elif found := find_columns_table(rows, number, page.rules):
            table, number = found
            writer.add_table(table, page)
            continue
        else:
            writer.add_line(lines[number])
        number += 1


def _largest_text(page: Page | None, styles: Styles) -> str:
    """Return the text of the first page in its largest size if it is larger than the text; "" otherwise."""
    if page is None or not page.pieces:
        return ""
    lines = [line for rows in order_columns(page.pieces) for line in make_lines(rows, page.number)]
    lines = [line for line in lines if any(char.isalpha() for char in line.text)]
    size = max((line.style.size for line in lines), default=0.0)
    if size < 1.15 * styles.body_size:
        return ""
    first = next(number for number, line in enumerate(lines) if line.style.size == size)
    parts: list[str] = []
    for line in lines[first:]:
        if line.style.size < 0.95 * size:
            break
        parts.append(line.text)
    title = " ".join(parts)
    return title if len(title) <= MAX_TITLE_CHARS else ""


def _first_paragraph(text: str, tree: DocumentTree) -> str:
    """Return the first paragraph if it is a short line without the end of a sentence; "" if there are headings."""
    if not tree.blocks or any(block.kind is BlockKind.HEADING for block in tree.blocks):
        return ""
    line = first_line(text[tree.blocks[0].start : tree.blocks[0].end])
    is_title = tree.blocks[0].kind is BlockKind.PARAGRAPH and any(map(str.isalpha, line))
    return line if is_title and not line.endswith((".", ",", ";", ":", "。", "，", "；", "：")) else ""
