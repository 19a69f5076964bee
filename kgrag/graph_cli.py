"""`kgrag graph`: an entity with its facts, paths between two, what contradicts, sizes, and the graph for other programs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from kgrag import console
from kgrag.options import STORE, Json, Store, open_app, print_json

if TYPE_CHECKING:
    from kgrag.explore.show import Said

graph = typer.Typer(
    help="Look at the graph: facts with their sentences, paths, conflicts, sizes.", no_args_is_help=True
)
PICTURED = 300
"""Entities in a picture, unless more are asked for: people see no more, and laying out takes seconds."""
Sure = Annotated[float, typer.Option(min=0, max=1, help="Leave out facts that are less sure than this.")]


@graph.command("show")
def show_entity(
    name: Annotated[str, typer.Argument(help="A name, as the documents or their titles have it.")],
    store: Store = STORE,
    limit: Annotated[int, typer.Option(min=1, help="At most so many facts in each direction.")] = 20,
    json_: Json = False,
) -> None:
    """What the graph knows of a name, each fact with its sentence."""
    from kgrag.explore.show import show

    opened = open_app(store)
    shown = show(opened.graph, opened.facts, name, limit)
    if json_:
        print_json(asdict(shown))
        return
    about = f", the subject of {shown.title}" if shown.title and shown.title != shown.name else ""
    console.say(f"[bold]{escape(shown.name)}[/bold]{escape(about)}")
    for said in shown.facts:
        _fact(said)
    if shown.incoming:
        console.say(f"\n[dim]What is said of others and names {escape(shown.name)}:[/dim]")
        for said in shown.incoming:
            _fact(said)
    if not shown.facts and not shown.incoming:
        console.say("No fact is known of it; `kgrag retrieve` finds the passages that name it.")


def _fact(said: Said) -> None:
    words = said.predicate.replace("_", " ")
    line = f"{escape(said.subject)} [cyan]{escape(words)}[/cyan] [bold]{escape(said.object)}[/bold]"
    console.say(f"  {line} [dim]{said.confidence:.2f}[/dim]")
    console.say(f"    [dim]{escape(said.sentence)}  ({escape(said.document)}:{said.start}-{said.end})[/dim]")


@graph.command("path")
def best_paths(
    first: Annotated[str, typer.Argument(help="A name.")],
    second: Annotated[str, typer.Argument(help="Another.")],
    store: Store = STORE,
    most: Annotated[int, typer.Option(min=1, help="How many paths.")] = 3,
    longest: Annotated[int, typer.Option(min=1, max=8, help="Facts in a path, at most.")] = 4,
    json_: Json = False,
) -> None:
    """The best paths between two names over facts, each fact with its sentence."""
    from kgrag.explore.paths import paths
    from kgrag.explore.show import resolve, say

    opened = open_app(store)
    facts = opened.facts
    ends = resolve(facts, first), resolve(facts, second)
    found = paths(facts, *ends, most=most, longest=longest)
    told = [[say(opened.graph, facts, t) for t in path.triples] for path in found]
    if json_:
        print_json(
            [{"names": p.names, "facts": [asdict(s) for s in said]} for p, said in zip(found, told, strict=True)]
        )
        return
    if not found:
        console.say(f"No path of at most {longest} facts joins {escape(first)} and {escape(second)}.")
    for path, said in zip(found, told, strict=True):
        console.say("[bold]" + " – ".join(map(escape, path.names)) + "[/bold]")
        for one in said:
            _fact(one)


@graph.command("conflicts")
def contradictions(store: Store = STORE, json_: Json = False) -> None:
    """Facts that cannot all be right, such as two dates of one birth; all of them stay in the store."""
    from ingest.patterns import vocabulary
    from kgrag.explore.conflicts import conflicts

    opened = open_app(store)
    found = conflicts(opened.graph, opened.facts, vocabulary())
    if json_:
        print_json([asdict(one) for one in found])
        return
    for one in found:
        console.say(f"[bold]{escape(one.subject)}[/bold]: {len(one.facts)} values of {one.predicate.replace('_', ' ')}")
        for said in one.facts:
            _fact(said)
    if not found:
        console.say("No facts contradict each other.")


@graph.command("stats")
def sizes(store: Store = STORE, sure: Sure = 0.0, json_: Json = False) -> None:
    """Sizes, degrees, connected parts and communities of the graph of typed facts."""
    from kgrag.explore.whole import stats

    opened = open_app(store)
    found = stats(opened.graph, opened.facts, sure)
    if json_:
        print_json(asdict(found))
        return
    rows = [(name, f"{number:,}") for name, number in found.counts.items()]
    mean, median, ninetieth, most = found.degrees
    rows += [("facts an entity, mean; median; 90 %; most", f"{mean:.1f}; {median:.0f}; {ninetieth:.0f}; {most:,}")]
    rows += [("connected parts; the largest has", f"{found.components[0]:,}; {found.components[1]:,}")]
    rows += [("communities; modularity", f"{len(found.communities):,}; {found.modularity:.2f}")]
    console.table(rows, right=(1,))
    for heading, pairs in (("facts by predicate", list(found.predicates.items())[:15]), ("hubs", list(found.hubs))):
        console.table([(heading, ""), *((escape(name), f"{n:,}") for name, n in pairs)], right=(1,), heading=True)
    communities = [(", ".join(map(escape, names)), f"{size:,}") for size, names in found.communities[:5]]
    console.table([("communities", ""), *communities], right=(1,), heading=True)


@graph.command("export")
def write(
    out: Annotated[Path, typer.Argument(help="A file that ends in .graphml, .json or .html.")],
    store: Store = STORE,
    around: Annotated[str | None, typer.Option(help="Only what is near this name.")] = None,
    hops: Annotated[int, typer.Option(min=1, help="How near: facts away.")] = 2,
    most: Annotated[
        int | None, typer.Option(min=1, help="Entities, at most, the greatest; 300 in a picture, else all.")
    ] = None,
    sure: Sure = 0.0,
) -> None:
    """The graph of typed facts, each with its sentence: for other programs, or as a page with a picture to click."""
    from kgrag.explore import whole
    from kgrag.explore.show import resolve

    opened = open_app(store)
    part = whole.network(opened.graph, opened.facts, sure)
    if around:
        part = whole.around(part, resolve(opened.facts, around), hops)
    most = most or (PICTURED if out.suffix.lower() == ".html" else len(part))
    kept = whole.greatest(part, most)
    whole.export(opened.graph, opened.facts, kept, out)
    left = len(part) - len(kept)
    console.say(f"{len(kept):,} entities and {kept.number_of_edges():,} facts are in {escape(str(out))}.")
    if left:
        console.notice(f"{left:,} entities of a smaller degree were left out: name more with --most.")
