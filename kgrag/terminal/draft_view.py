"""Show an answer on the terminal while the model writes it; the checked answer takes its place."""

from __future__ import annotations

from rich.live import Live
from rich.text import Text

from kgrag.terminal import console
from kgrag.types import DraftStatement

_view: tuple[Live, Text] | None = None


def stream_draft(piece: str) -> None:
    """Show a piece of an answer as a draft, which `clear_draft` removes."""
    global _view
    console.end_progress()
    if _view is None:
        text = Text(style="dim")
        live = Live(
            console=console.out, transient=True, refresh_per_second=12, get_renderable=lambda: end_of_draft(text)
        )
        _view = live, text
        live.start()
    _view[1].append(console.replace_control_chars(piece))


def mark_statement(statement: DraftStatement) -> None:
    """Show a statement of the draft in full light if the documents support it, and struck through if not."""
    if _view is not None:
        text = console.replace_control_chars(statement.text)
        start = _view[1].plain.rfind(text)
        if start >= 0:
            _view[1].stylize("not dim" if statement.is_supported else "strike", start, start + len(text))


def end_of_draft(text: Text) -> Text:
    """Return the last lines of a draft, as many as fit on the screen: a terminal can redraw no others."""
    lines = text.wrap(console.out, max(console.out.width, 1), no_wrap=False)
    return Text("\n").join(lines[-max(console.out.height - 1, 1) :])


def clear_draft() -> None:
    """Remove the draft, so that the next output takes its place."""
    global _view
    if _view is not None:
        _view[0].stop()
        _view = None
