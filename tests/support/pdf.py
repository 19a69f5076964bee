"""Build small PDFs for tests, without a library."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

HELVETICA, BOLD, COURIER, UNMAPPED, CHINESE = "F1", "F2", "F3", "F4", "F5"
WIDTH, HEIGHT = 600, 800


class Text(NamedTuple):
    """A line of text: x and y of its baseline from the upper left corner, in points, and quarter turns to the left."""

    x: float
    y: float
    text: str
    size: float = 10
    font: str = HELVETICA
    turn: int = 0


def lines(texts: Sequence[str], x: float = 72, y: float = 100, leading: float = 12, **style: object) -> list[Text]:
    """Return lines one below the other."""
    return [Text(x, y + leading * number, text, **style) for number, text in enumerate(texts)]  # type: ignore[arg-type]


def build_pdf(
    *pages: Sequence[Text | str],
    info: Mapping[str, str] | None = None,
    outline: Sequence[tuple[str, int]] = (),
    rotation: int = 0,
    link: tuple[tuple[float, float, float, float], str] | None = None,
) -> bytes:
    """Return a PDF.

    Args:
        pages: texts, and drawing commands as strings in PDF's own coordinates.
        info: entries of the information dictionary.
        outline: titles and pages, from 1, of bookmarks of one level.
        rotation: degrees by which pages are displayed turned to the right.
        link: box in PDF's coordinates and target of a link on every page.
    """
    objects: list[bytes] = [b""] * 9
    chars = sorted({char for page in pages for item in page if isinstance(item, Text) for char in item.text})
    for number, name in ((3, "Helvetica"), (4, "Helvetica-Bold"), (5, "Courier")):
        font = f"<< /Type /Font /Subtype /Type1 /BaseFont /{name} /Encoding /WinAnsiEncoding >>"
        objects[number - 1] = font.encode()
    descendant = (
        "<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Test /DW 1000 "
        "/CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> "
        "/FontDescriptor << /Type /FontDescriptor /FontName /Test /Flags 4 /FontBBox [0 -200 1000 800] "
        "/ItalicAngle 0 /Ascent 800 /Descent -200 /CapHeight 700 /StemV 80 >> >>"
    )
    for number, extra in ((6, ""), (7, " /ToUnicode 8 0 R")):
        objects[number - 1] = (
            f"<< /Type /Font /Subtype /Type0 /BaseFont /Test /Encoding /Identity-H /DescendantFonts [{descendant}]{extra} >>"
        ).encode()
    mapped = "\n".join(f"<{code:04x}> <{char.encode('utf-16-be').hex()}>" for code, char in enumerate(chars, 1))
    cmap = (
        "/CIDInit /ProcSet findresource begin begincmap /CMapName /Test def 1 begincodespacerange <0000> <ffff> "
        f"endcodespacerange {len(chars)} beginbfchar\n{mapped}\nendbfchar endcmap end"
    )
    objects[7] = _stream(cmap.encode())
    page_numbers = [len(objects) + 1 + 2 * number for number in range(len(pages))]
    for page in pages:
        content = "\n".join(item if isinstance(item, str) else _show(item, chars) for item in page)
        notes = ""
        if link:
            box = " ".join(map(str, link[0]))
            notes = f"/Annots [<< /Type /Annot /Subtype /Link /Rect [{box}] /A << /S /URI /URI ({link[1]}) >> >>]"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {WIDTH} {HEIGHT}] /Rotate {rotation} /Contents {len(objects) + 2} 0 R "
            f"/Resources << /Font << /F1 3 0 R /F2 4 0 R /F3 5 0 R /F4 6 0 R /F5 7 0 R >> >> {notes} >>".encode()
        )
        objects.append(_stream(content.encode("cp1252")))
    root = "/Type /Catalog /Pages 2 0 R"
    if outline:
        first = len(objects) + 1
        last = first + len(outline) - 1
        for number, (title, target) in enumerate(outline):
            place = f"/Parent {last + 1} 0 R /Dest [{page_numbers[target - 1]} 0 R /Fit]"
            place += f" /Next {first + number + 1} 0 R" if number + 1 < len(outline) else ""
            objects.append(f"<< /Title ({title}) {place} >>".encode())
        objects.append(f"<< /Type /Outlines /First {first} 0 R /Last {last} 0 R /Count {len(outline)} >>".encode())
        root += f" /Outlines {last + 1} 0 R"
    objects[0] = f"<< {root} >>".encode()
    kids = " ".join(f"{number} 0 R" for number in page_numbers)
    objects[1] = f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode()
    objects[8] = ("<< " + " ".join(f"/{key} ({value})" for key, value in (info or {}).items()) + " >>").encode()
    return _assemble(objects)


def _show(item: Text, chars: Sequence[str]) -> str:
    matrix = ("1 0 0 1", "0 1 -1 0", "-1 0 0 -1", "0 -1 1 0")[item.turn]
    if item.font in (UNMAPPED, CHINESE):
        string = "<" + "".join(f"{chars.index(char) + 1:04x}" for char in item.text) + ">"
    else:
        string = "(" + re.sub(r"([()\\])", r"\\\1", item.text) + ")"
    return f"BT /{item.font} {item.size} Tf {matrix} {item.x} {HEIGHT - item.y} Tm {string} Tj ET"


def _stream(data: bytes) -> bytes:
    return b"<< /Length %d >>\nstream\n%s\nendstream" % (len(data), data)


def _assemble(objects: Sequence[bytes]) -> bytes:
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer << /Size %d /Root 1 0 R /Info 9 0 R >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, len(out))
    return out + b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table) + trailer
