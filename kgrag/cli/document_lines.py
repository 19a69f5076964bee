"""Format a document as it was read: passages, headings, names and facts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.markup import escape

from kgrag.explore.document_view import DocumentView
from kgrag.terminal.render import display_path
from kgrag.tree import BlockKind
from kgrag.types import Mention, Passage, Triple

_STYLES = {BlockKind.HEADING: "bold", BlockKind.CODE: "yellow", BlockKind.CAPTION: "italic", BlockKind.FOOTNOTE: "dim"}


def document_lines(view: DocumentView) -> Iterator[str]:
    """Yield the lines of a document: its properties, then each passage with its blocks, names and facts."""
    document = view.document
    yield f"[bold]{escape(document.title)}[/bold] [dim]{escape(display_path(document.source))} · {document.lang}[/dim]"
    for name, value in sorted(document.metadata.items()):
        shown = ", ".join(value) if isinstance(value, tuple) else str(value)
        yield f"[dim]{escape(name)}: {escape(shown)}[/dim]"
    for problem in view.problems:
        yield f"[yellow]![/yellow] {escape(problem)}"
    for passage in view.passages:
        yield ""
        yield _passage_rule(passage)
        mentions = [m for m in view.mentions if m.passage_id == passage.id]
        end = passage.start
        for block in view.blocks(passage):
            if block.start > end and (gap := document.text[end : block.start]).strip():
                yield _mark_names(gap.strip("\n"), end, mentions)
            text = document.text[block.start : min(block.end, passage.end)]
            style = _STYLES.get(block.kind)
            marked = _mark_names(text, block.start, mentions)
            yield f"[{style}]{marked}[/{style}]" if style else marked
            end = min(block.end, passage.end)
        if end < passage.end and (rest := document.text[end : passage.end]).strip():
            yield _mark_names(rest.strip("\n"), end, mentions)
        for triple in (t for t in view.triples if t.passage_id == passage.id and t.predicate != "mentions"):
            yield _fact_line(triple)


def _passage_rule(passage: Passage) -> str:
    location = [f"#{passage.id.rpartition('#')[2]}"]
    pages = [number for _, number in passage.page_starts]
    if pages:
        location.append(f"p. {pages[0]}" if len(set(pages)) == 1 else f"pp. {pages[0]}–{pages[-1]}")
    location += [" › ".join(passage.headings)] if passage.headings else []
    return f"[dim]── {escape(' · '.join(location))} · {passage.end - passage.start:,} characters ──[/dim]"


def _fact_line(triple: Triple) -> str:
    predicate = triple.predicate.replace("_", " ")
    return (
        f"  [green]↳[/green] {escape(triple.subject)} [dim]—{escape(predicate)}→[/dim] {escape(triple.object)} "
        f"[dim]{triple.confidence:.2f}, {escape(triple.found_by)}[/dim]"
    )


def _mark_names(text: str, start: int, mentions: Sequence[Mention]) -> str:
    """Escape a text that starts at ``start``, with the names in it underlined."""
    parts, position = [], 0
    for mention in mentions:
        begin, end = mention.start - start, mention.end - start
        if position <= begin < end <= len(text):
            parts += [escape(text[position:begin]), f"[underline cyan]{escape(text[begin:end])}[/underline cyan]"]
            position = end
    return "".join([*parts, escape(text[position:])])
