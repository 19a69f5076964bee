"""The commands `kgrag graph merges`, `same` and `apart`: review and correct merged entities."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from kgrag.cli.graph import graph as graph
from kgrag.cli.options import DEFAULT_STORE, JsonOption, StoreOption, open_store, print_json, replace_surrogates
from kgrag.terminal import console

if TYPE_CHECKING:
    from kgrag.explore.merge_report import MergeRecord

NameArgument = Annotated[str, typer.Argument(help="Name of an entity.", callback=replace_surrogates)]
OtherNameArgument = Annotated[str, typer.Argument(help="Name of another entity.", callback=replace_surrogates)]
MAX_LISTED_MERGES = 20
"""Merges to print without a name; JSON has all."""


@graph.command("merges")
def show_merges(
    name: Annotated[
        str | None, typer.Argument(help="Name of an entity: only merges into it, or of it (default: all).")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    json_: JsonOption = False,
) -> None:
    """List merged entities with the reason for each merge (`graph apart` undoes one)."""
    from kgrag.explore.entity_view import resolve_entities
    from kgrag.explore.merge_report import list_merges
    from kgrag.text import normalize_name

    opened_store = open_store(store)
    with opened_store.graph_store.snapshot():
        records = list_merges(
            opened_store.graph_store, opened_store.indices.merges, opened_store.predicates.country_names
        )
        if name is not None:
            entity_ids = set(resolve_entities(opened_store.merged_graph, opened_store.facts, name))
            records = [
                record
                for record in records
                if record.into_id in entity_ids or normalize_name(record.name) == normalize_name(name)
            ]
    if json_:
        print_json([asdict(record) for record in records])
        return
    if not records:
        console.print_result("No merged entities.")
    for between, heading in ((True, "Between documents"), (False, "Within documents")):
        group = [record for record in records if record.between == between]
        if not group:
            continue
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in Counter(o.reason for o in group).most_common())
        console.print_result(f"[bold]{heading}[/bold]: {len(group):,} [dim]({escape(reasons)})[/dim]")
        for record in group if name is not None else group[:MAX_LISTED_MERGES]:
            _print_merge(record)
        if name is None and len(group) > MAX_LISTED_MERGES:
            console.print_notice(f"  … and {len(group) - MAX_LISTED_MERGES:,} more: pass a name, or --json for all.")


def _print_merge(record: MergeRecord) -> None:
    more = record.documents_in_all - len(record.documents)
    documents = ", ".join(record.documents) + (f" and {more:,} more" if more else "")
    line = f"{escape(' '.join(record.name.split()))} [cyan]is[/cyan] [bold]{escape(record.into)}[/bold]"
    console.print_result(f"  {line} [dim]{escape(record.reason)}{escape(f': {documents}') if documents else ''}[/dim]")


@graph.command("same")
def declare_same(one: NameArgument, other: OtherNameArgument, store: StoreOption = DEFAULT_STORE) -> None:
    """Merge two names into one entity. Saved in the store's aliases.toml, which overrides automatic merges."""
    _set_alias("same", one, other, store)
    console.print_result(f"Merged {escape(one)} and {escape(other)}; `kgrag graph apart` undoes it.")


@graph.command("apart")
def declare_apart(one: NameArgument, other: OtherNameArgument, store: StoreOption = DEFAULT_STORE) -> None:
    """Separate two names into two entities. Documents that confused them are ingested again."""
    _set_alias("apart", one, other, store)
    console.print_result(f"Separated {escape(one)} and {escape(other)}; `kgrag graph same` undoes it.")


def _set_alias(kind: str, first_name: str, second_name: str, store: StoreOption) -> None:
    reread_ids = open_store(store).set_alias(kind, first_name, second_name)
    if reread_ids:
        console.print_notice(
            f"Ingested again: {', '.join(reread_ids[:3])}{f' and {len(reread_ids) - 3} more' if len(reread_ids) > 3 else ''}."
        )
