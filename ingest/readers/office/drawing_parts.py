"""Read the text of charts and diagrams (SmartArt) of Office files."""

from __future__ import annotations

from ingest.readers.office.ooxml_package import OOXMLPackage
from ingest.readers.office.table_grid import Cell, add_grid
from ingest.readers.office.xml_elements import Element, attribute, child, children, descendants, tag_of, text_of
from ingest.readers.tree_builder import TreeBuilder

MAX_CHART_POINTS = 10_000
"""Maximum number of points of a series that is read."""


def add_drawing_part(builder: TreeBuilder, package: OOXMLPackage, name: str) -> None:
    """Add a chart as a table of its categories and series, or the texts of a diagram as items."""
    if name not in package:
        return
    root = package.read_xml(name)
    if tag_of(root) == "chartSpace":
        _add_chart(builder, root)
    elif tag_of(root) == "dataModel":
        for point in descendants(root, "pt"):
            text = text_of(child(point, "t"))
            if text and attribute(point, "type", "node") in ("node", "asst"):
                builder.add_item(text)


def _add_chart(builder: TreeBuilder, root: Element) -> None:
    chart = child(root, "chart")
    builder.add_caption(text_of(child(chart, "title", "tx")))
    names: list[str] = []
    columns: list[dict[int, str]] = []
    categories: dict[int, str] = {}
    for series in descendants(root, "ser"):
        names.append(text_of(next(descendants(child(series, "tx"), "v"), None)) or f"{len(names) + 1}")
        categories = categories or _points(child(series, "cat")) or _points(child(series, "xVal"))
        columns.append(_points(child(series, "val")) or _points(child(series, "yVal")))
    places = sorted(set(categories).union(*columns))[:MAX_CHART_POINTS]
    rows = [[Cell(categories.get(place, "")), *(Cell(column.get(place, "")) for column in columns)] for place in places]
    if rows:
        add_grid(builder, [[Cell(""), *map(Cell, names)], *rows], header_rows=1)


def _points(data: Element | None) -> dict[int, str]:
    """Return the stored values of a series by their places."""
    points: dict[int, str] = {}
    for point in descendants(data, "pt") if data is not None else ():
        place = attribute(point, "idx")
        if place.isdecimal():
            points[int(place)] = " ".join(filter(None, (text_of(value) for value in children(point, "v"))))
    return points
