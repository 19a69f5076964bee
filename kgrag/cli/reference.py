"""Render the reference of the command line: ``python -m kgrag.cli.reference > docs/reference/cli.md``."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any

import typer

from kgrag.cli.main import app

INTRODUCTION = """\
# Command line

<!-- Generated from the commands by `python -m kgrag.cli.reference`; do not edit. -->

Every command takes `--help`. A default in the column "default" applies unless `kgrag.toml` sets another value.
Exit codes: 0 success, 1 failure, 2 usage error, 130 interrupted with Ctrl-C.
"""


def render_reference() -> str:
    """Render all commands as Markdown, in the order of `--help`."""
    root = typer.main.get_command(app)
    commands = list(_leaf_commands(root, ("kgrag",)))
    contents = "\n".join(
        f"- [`{' '.join(path)}`](#{'-'.join(path)}): {_summary(command)}" for path, command in commands
    )
    sections = [_render_command(path, command) for path, command in commands]
    return "\n\n".join([INTRODUCTION + "\n" + contents, *sections]) + "\n"


def _leaf_commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the path and the command of every command that can be run by itself."""
    subcommands: dict[str, Any] = getattr(command, "commands", {})
    if not subcommands or command.invoke_without_command:
        yield path, command
    for name, subcommand in subcommands.items():
        yield from _leaf_commands(subcommand, (*path, name))


def _render_command(path: tuple[str, ...], command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and not p.hidden]
    usage = " ".join([*path, *(_argument_name(p) for p in arguments), "[OPTIONS]"])
    parts = [f"## {' '.join(path)}", _help(command), f"```\n{usage}\n```"]
    if arguments:
        argument_rows = [(f"`{_argument_name(p)}`", _escape(p.help or "")) for p in arguments]
        parts.append(_table(("argument", "description"), argument_rows))
    if options:
        option_rows = [(_option_names(p), _value(p), _default(p), _description(p)) for p in options]
        parts.append(_table(("option", "value", "default", "description"), option_rows))
    return "\n\n".join(parts)


def _help(command: Any) -> str:
    return " ".join(inspect.cleandoc(command.help or "").split())


def _summary(command: Any) -> str:
    """Return the first sentence of a command's help."""
    first, dot, _ = _help(command).partition(". ")
    return first + dot.strip() if dot else first


def _argument_name(parameter: Any) -> str:
    name = str(parameter.name).strip("_").upper()
    name = f"{name}..." if parameter.nargs == -1 else name
    return name if parameter.required else f"[{name}]"


def _option_names(parameter: Any) -> str:
    return ", ".join(f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts])


def _value(parameter: Any) -> str:
    """Return the kind of value: its choices, or its type and range; "" for a flag."""
    if parameter.is_flag:
        return ""
    choices = getattr(parameter.type, "choices", None)
    if choices:
        return " \\| ".join(f"`{_plain(choice)}`" for choice in choices)
    lowest, highest = getattr(parameter.type, "min", None), getattr(parameter.type, "max", None)
    limits = [f"≥ {lowest:g}"] if lowest is not None else []
    limits += [f"≤ {highest:g}"] if highest is not None else []
    return " ".join([str(parameter.type.name).removesuffix(" range"), *limits])


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    value = parameter.default
    if parameter.is_flag or value is None or value == "" or callable(value) or value == ():
        return ""
    return f"`{_plain(value)}`"


def _plain(value: Any) -> str:
    return str(value.value if isinstance(value, Enum) else value)


def _description(parameter: Any) -> str:
    variable = f" Environment variable: `{parameter.envvar}`." if parameter.envvar else ""
    return _escape((parameter.help or "") + variable)


def _table(heading: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [heading, tuple("---" for _ in heading), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _escape(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    print(render_reference(), end="")
