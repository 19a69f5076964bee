"""Show a passage of an answer where it stands: its document, its headings, and the text around it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape

from kgrag.errors import UsageError
from kgrag.terminal.citation_numbers import number_citations
from kgrag.terminal.render import closest_passages, display_path
from kgrag.types import Answer, Passage

START_MARK, END_MARK = "»", "«"
"""Enclose the cited sentence, so that it is visible without colours too."""


def find_cited_passage(answer: Answer, number: int) -> tuple[str, list[tuple[int, int]]]:
    """Return the passage id of citation ``number`` and the spans of its cited sentences.

    For an abstention, ``number`` counts the closest passages that are printed below it; they have no cited sentence.

    Raises:
        UsageError: the answer has no citation of this number.
    """
    numbered = number_citations(answer)
    if not numbered:
        closest = closest_passages(answer)
        if not closest:
            raise UsageError("Expected an answer with citations, found none: ask a question that the documents answer.")
        numbers = list(range(1, len(closest) + 1))
        if number in numbers:
            return closest[number - 1].passage.id, []
    else:
        numbers = list(dict.fromkeys(n for n, _ in numbered))
        spans = [(citation.start, citation.end) for n, citation in numbered if n == number]
        if spans:
            return next(citation.passage_id for n, citation in numbered if n == number), spans
    shown = ", ".join(map(str, sorted(numbers)))
    raise UsageError(f"Expected the number of a citation ({shown}), found {number}: choose one of them.")


def passage_lines(
    passage: Passage, title: str, source: str, cited: Sequence[tuple[int, int]], neighbours: Sequence[Passage]
) -> list[str]:
    """Format a passage with its title, headings, page and neighbours; the cited sentences are marked.

    Args:
        passage: the passage to show.
        title: title of its document.
        source: file of its document.
        cited: spans of the cited sentences, as offsets into the document's text.
        neighbours: the passages of its document, in order.
    """
    places = [place.id for place in neighbours]
    index = places.index(passage.id) if passage.id in places else None
    page = passage.page_at(cited[0][0]) if cited else passage.page
    where = [display_path(source)] if source and source != title else []
    where += [f"p. {page}"] if page is not None else []
    where += [f"{index + 1}/{len(places)}"] if index is not None else []
    heading = escape(" › ".join(dict.fromkeys([title, *passage.headings])))
    before = neighbours[index - 1 : index] if index else ()
    after = neighbours[index + 1 : index + 2] if index is not None else ()
    return [
        f"[bold]{heading}[/bold] [dim]({escape(', '.join(where))})[/dim]" if where else f"[bold]{heading}[/bold]",
        *(line for other in before for line in [*_dim_lines(other.text), ""]),
        *_marked_lines(passage, cited),
        *(line for other in after for line in ["", *_dim_lines(other.text)]),
    ]


def _dim_lines(text: str) -> list[str]:
    return [f"[dim]{escape(line)}[/dim]" if line.strip() else "" for line in text.strip("\n").split("\n")]


def _marked_lines(passage: Passage, cited: Sequence[tuple[int, int]]) -> list[str]:
    """Return the lines of a passage, with the cited sentences in bold between marks."""
    text, done, parts = passage.text, 0, []
    for start, end in sorted(cited):
        begin, stop = max(start - passage.start, done), min(end - passage.start, len(text))
        if begin < stop:
            sentence = f"{START_MARK}{text[begin:stop]}{END_MARK}".split("\n")
            bold = [f"[bold green]{escape(line)}[/bold green]" for line in sentence]
            parts += [escape(text[done:begin]), "\n".join(bold)]
            done = stop
    return "".join([*parts, escape(text[done:])]).strip("\n").split("\n")
