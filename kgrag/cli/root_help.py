"""Draw the page of `kgrag --help` as typer does.

typer's own drawing imports parsers for Markdown and source code, which takes 0.1 s.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from rich.align import Align
from rich.columns import Columns
from rich.console import Console, RenderableType
from rich.highlighter import RegexHighlighter
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from rich.theme import Theme

THEME = Theme({"option": "bold cyan", "switch": "bold green", "metavar": "bold yellow", "usage": "yellow"})
FORCE_COLOR_VARIABLES = ("GITHUB_ACTIONS", "FORCE_COLOR", "PY_COLORS")
"""Environment variables for which typer colours its help pages without a terminal."""


class OptionHighlighter(RegexHighlighter):
    """Colours options and placeholders."""

    highlights = [  # noqa: RUF012, the type is that of rich
        r"(^|\W)(?P<switch>\-\w+)(?![a-zA-Z0-9])",
        r"(^|\W)(?P<option>\-\-[\w\-]+)(?![a-zA-Z0-9])",
        r"(?P<metavar>\<[^\>]+\>)",
        r"(?P<usage>Usage: )",
    ]


def print_root_help(ctx: Any, summaries: Mapping[str, str]) -> None:
    """Print usage, help and options of the group in ``ctx``, and a summary of each command."""
    highlight = OptionHighlighter()
    console = _open_console(highlight)
    console.print(Padding(highlight(ctx.command.get_usage(ctx)), 1), style="bold")
    console.print(Padding(Align(highlight(Text.from_markup(ctx.command.help)), pad=False), (0, 1, 1, 1)))

    options = _make_table(highlight=True)
    for parameter in ctx.command.get_params(ctx):
        long_names = [name for name in parameter.opts if name.startswith("--")]
        short_names = [name for name in parameter.opts if not name.startswith("--")]
        names = (highlight(",".join(long_names)), highlight(",".join(short_names)))
        # typer has columns for the negative forms and the values of options; the group's options are flags
        options.add_row(*names, "", "", "", Columns([highlight(Text.from_markup(parameter.help))]))
    console.print(_frame(options, "Options"))

    commands = _make_table(highlight=False)
    commands.add_column(style="bold cyan", no_wrap=True, width=max(map(len, summaries)))
    commands.add_column(ratio=10)
    for name, summary in summaries.items():
        commands.add_row(name, highlight(Text.from_markup(summary)))
    console.print(_frame(commands, "Commands"))


def _open_console(highlighter: RegexHighlighter) -> Console:
    """Open standard output with typer's colours and the environment variables that typer reads."""
    force_terminal = True if any(map(os.environ.get, FORCE_COLOR_VARIABLES)) else None
    if os.environ.get("_TYPER_FORCE_DISABLE_TERMINAL"):
        force_terminal = False
    width = os.environ.get("TERMINAL_WIDTH")
    return Console(
        theme=THEME, highlighter=highlighter, force_terminal=force_terminal, width=int(width) if width else None
    )


def _make_table(highlight: bool) -> Table:
    return Table(highlight=highlight, show_header=False, expand=True, box=None, pad_edge=False, padding=(0, 1))


def _frame(content: RenderableType, title: str) -> Panel:
    return Panel(content, border_style="dim", title=title, title_align="left")
