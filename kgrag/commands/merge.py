"""`kgrag graph merges`, `same` and `apart`: what became one thing and why, and a user's word on it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from kgrag import console
from kgrag.commands.graph import graph as graph
from kgrag.commands.options import STORE, Json, Store, open_app, print_json, whole

if TYPE_CHECKING:
    from kgrag.explore.joined import Joined

Name = Annotated[str, typer.Argument(help="A name.", callback=whole)]
Other = Annotated[str, typer.Argument(help="Another.", callback=whole)]
MANY = 20
"""Names that are listed without being asked for; JSON has all."""


@graph.command("merges")
def merged(
    name: Annotated[str | None, typer.Argument(help="Only what became this, or is called this.")] = None,
    store: Store = STORE,
    json_: Json = False,
) -> None:
    """What became one thing, within documents and between them, and why; `graph apart` undoes it."""
    from ingest.patterns import vocabulary
    from kgrag.explore.joined import joined
    from kgrag.explore.show import readings
    from kgrag.text import key

    opened = open_app(store)
    with opened.graph.snapshot():
        found = joined(opened.graph, opened.indices.merges, vocabulary().lands)
        if name is not None:
            means = set(readings(opened.merged, opened.facts, name))
            found = [one for one in found if one.into_id in means or key(one.name) == key(name)]
    if json_:
        print_json([asdict(one) for one in found])
        return
    if not found:
        console.say("No name became another's.")
    for between, heading in ((True, "Between documents"), (False, "Within documents")):
        some = [one for one in found if one.between == between]
        if not some:
            continue
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in Counter(o.reason for o in some).most_common())
        console.say(f"[bold]{heading}[/bold]: {len(some):,} [dim]({escape(reasons)})[/dim]")
        for one in some if name is not None else some[:MANY]:
            _tell(one)
        if name is None and len(some) > MANY:
            console.notice(f"  … and {len(some) - MANY:,} more: name one, or --json has all.")


def _tell(one: Joined) -> None:
    more = one.documents_in_all - len(one.documents)
    where = ", ".join(one.documents) + (f" and {more:,} more" if more else "")
    line = f"{escape(' '.join(one.name.split()))} [cyan]is[/cyan] [bold]{escape(one.into)}[/bold]"
    console.say(f"  {line} [dim]{escape(one.reason)}{escape(f': {where}') if where else ''}[/dim]")


@graph.command("same")
def same(one: Name, other: Other, store: Store = STORE) -> None:
    """Say that two names are one thing; kept in the store's aliases.toml, which wins over what was read."""
    _keep("same", one, other, store)
    console.say(f"{escape(one)} and {escape(other)} are one thing now; `kgrag graph apart` undoes it.")


@graph.command("apart")
def apart(one: Name, other: Other, store: Store = STORE) -> None:
    """Say that two names are two things; documents that took one for the other are read again."""
    _keep("apart", one, other, store)
    console.say(f"{escape(one)} and {escape(other)} are two things now; `kgrag graph same` undoes it.")


def _keep(kind: str, one: str, other: str, store: Store) -> None:
    again = open_app(store).keep(kind, one, other)
    if again:
        console.notice(f"Read again: {', '.join(again[:3])}{f' and {len(again) - 3} more' if len(again) > 3 else ''}.")
