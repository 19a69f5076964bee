"""`kgrag graph`: an entity with its facts, paths between two, what contradicts, sizes, and the graph for other programs."""

from __future__ import annotations

from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from kgrag import console
from kgrag.commands.options import STORE, Json, Store, open_app, print_json, whole
from kgrag.errors import UsageError
from kgrag.render import path_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kgrag.explore.show import Said

graph = typer.Typer(
    suggest_commands=False,  # click does
    help="Look at the graph: facts with their sentences, paths, conflicts, sizes.",
    no_args_is_help=True,
)
PICTURED = 300
"""Entities in a picture, unless more are asked for: people see no more, and laying out takes seconds."""
COMMONEST = 15
"""Predicates that a table has; JSON has all."""
Sure = Annotated[float, typer.Option(min=0, max=1, help="Leave out facts that are less sure than this.")]


@graph.command("show")
def show_entity(
    name: Annotated[
        str, typer.Argument(help="A name, as the documents or their titles have it; case is no matter.", callback=whole)
    ],
    store: Store = STORE,
    limit: Annotated[int, typer.Option(min=1, help="At most so many facts in each direction.")] = 20,
    json_: Json = False,
) -> None:
    """What the graph knows of a name: facts of it and facts that name it, each with its sentence."""
    from kgrag.explore.show import show

    opened = open_app(store)
    with opened.graph.snapshot():
        shown = show(opened.merged, opened.facts, opened.vocabulary, name, limit)
    if json_:
        print_json(asdict(shown))
        return
    about = f", the subject of {shown.title}" if shown.title and shown.title != shown.name else ""
    console.say(f"[bold]{escape(shown.name)}[/bold] [dim]{shown.type.lower()}[/dim]{escape(about)}")
    if shown.aliases:
        console.say(f"  also called {escape(', '.join(shown.aliases))}")
    console.say(f"  [dim]named {_times(shown.mentions)} in {_number(shown.documents, 'document')}[/dim]")
    _facts(shown.facts, shown.facts_in_all, of_it=True)
    if shown.incoming:
        console.say(f"\n[dim]What is said of others and names {escape(shown.name)}:[/dim]")
        _facts(shown.incoming, shown.incoming_in_all, of_it=False)
    if not shown.facts and not shown.incoming:
        console.say("No fact is known of it; `kgrag retrieve` finds the passages that name it.")
    if shown.also:
        console.notice(f"The name may also mean {', '.join(shown.also)}.")


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"


def _number(number: int, word: str, words: str = "") -> str:
    return f"{number:,} {word if number == 1 else words or word + 's'}"


def _facts(facts: Sequence[Said], in_all: int, *, of_it: bool) -> None:
    """Facts under their predicates, the other end of each in bold where its sentence has it, and how many are left out."""
    from graphs.gather import surface
    from kgrag.text import key

    for predicate, some in groupby(facts, key=lambda said: said.predicate):
        arrow = f"—{_words(predicate)}→" if of_it else f"←{_words(predicate)}—"
        console.say(f"  [cyan]{escape(arrow)}[/cyan]")
        for said in some:
            other = said.object if of_it else said.subject
            console.say(f"    [bold]{escape(other)}[/bold] [dim]{said.confidence:.2f} {said.found_by}[/dim]")
            before, spelt, after = said.sentence.partition(surface(said.sentence, key(other)) or said.sentence)
            if spelt == said.sentence:
                before, spelt = spelt, ""
            shown = f"{escape(before)}[bold]{escape(spelt)}[/bold]{escape(after)}"
            console.say(f"      “{shown}” [dim]{escape(_where(said))}[/dim]")
    if in_all > len(facts):
        console.notice(f"  … and {in_all - len(facts):,} more that are less sure: --limit {in_all} shows them.")


def _words(predicate: str) -> str:
    return predicate.replace("_", " ")


def _where(said: Said) -> str:
    """The document and the span of characters, as what follows a sentence."""
    title = f"{said.title}, " if said.title and said.title != said.document else ""
    return f"({title}{said.document}:{said.start}-{said.end})"


def _fact(said: Said) -> None:
    line = f"{escape(said.subject)} [cyan]{escape(_words(said.predicate))}[/cyan] [bold]{escape(said.object)}[/bold]"
    # that a text names something is plain to see, whoever reads it
    console.say(
        f"  {line}" + (f" [dim]{said.confidence:.2f} {said.found_by}[/dim]" if said.predicate != "mentions" else "")
    )
    console.say(f"    “{escape(said.sentence)}” [dim]{escape(_where(said))}[/dim]")


@graph.command("path")
def best_paths(
    first: Annotated[str, typer.Argument(help="A name.", callback=whole)],
    second: Annotated[str, typer.Argument(help="Another.", callback=whole)],
    store: Store = STORE,
    most: Annotated[int, typer.Option(min=1, help="How many paths.")] = 3,
    longest: Annotated[int, typer.Option(min=1, max=8, help="Steps in a path, at most.")] = 4,
    json_: Json = False,
) -> None:
    """The best paths between two names over facts, each with its sentence; over mentions where no facts join them."""
    from kgrag.explore.mentions import Mentions
    from kgrag.explore.paths import paths
    from kgrag.explore.show import Teller, readings

    opened = open_app(store)
    with opened.graph.snapshot():
        facts = opened.facts
        start, goal = (readings(opened.merged, facts, name)[0] for name in (first, second))
        if start == goal:
            raise UsageError(f"Expected two things, found {facts.name(start)} under both names: name another.")
        joined = paths(facts, start, goal, most=most, longest=longest, mentions=lambda: Mentions(opened.merged))
        names = {node: name for path in joined.paths for node, name in zip(path.nodes, path.names, strict=True)}
        teller = Teller(opened.merged, names.__getitem__, opened.vocabulary)
        told = [[teller.say(t) for t in path.triples] for path in joined.paths]
    if json_:
        print_json(
            [
                {"names": path.names, "nodes": path.nodes, "facts": [asdict(said) for said in facts_of_path]}
                for path, facts_of_path in zip(joined.paths, told, strict=True)
            ]
        )
    for path, facts_of_path in () if json_ else zip(joined.paths, told, strict=True):
        console.say(f"[green]↳[/green] {path_line(path)}")
        for one in facts_of_path:
            _fact(one)
    if not joined.paths and joined.complete and not json_:
        console.say(
            f"No path of at most {_number(longest, 'step')} joins {escape(facts.name(start))} and "
            f"{escape(facts.name(goal))}, over facts or over mentions."
        )
    elif not joined.complete:
        console.notice("Not every way was looked at, there are too many: a smaller --longest is looked at whole.")


@graph.command("conflicts")
def contradictions(store: Store = STORE, json_: Json = False) -> None:
    """Facts that cannot all be right, such as two dates of one birth; all of them stay in the store."""
    from kgrag.explore.conflicts import conflicts

    opened = open_app(store)
    with opened.graph.snapshot():
        found = conflicts(opened.merged, opened.facts, opened.vocabulary)
    if json_:
        print_json([asdict(one) for one in found])
        return
    for one in found:
        console.say(f"[bold]{escape(one.subject)}[/bold]: {len(one.facts)} values of {_words(one.predicate)}")
        for said in one.facts:
            _fact(said)
    if not found:
        console.say("No facts contradict each other.")


@graph.command("stats")
def sizes(store: Store = STORE, sure: Sure = 0.0, json_: Json = False) -> None:
    """Sizes, degrees, connected parts and communities of the graph of typed facts."""
    from kgrag.explore.stats import stats

    opened = open_app(store)
    with opened.graph.snapshot():
        found = stats(opened.merged, opened.facts, sure)
    if json_:
        print_json(asdict(found))
        return
    counts = ("documents", "passages", "entities", "mentions", "typed_facts", "mentions_edges")
    rows = [(_words(name), f"{getattr(found, name):,}") for name in counts]
    if sure:
        rows.append((f"of these facts, at least {sure:g} sure", f"{found.facts_used:,}"))
    degrees = f"{found.degree_mean:.1f}; {found.degree_median:.0f}; {found.degree_p90:.0f}; {found.degree_max:,}"
    modularity = "–" if found.modularity != found.modularity else f"{found.modularity:.2f}"
    rows += [
        ("entities that facts speak of", f"{found.entities_in_facts:,}"),
        ("facts an entity, mean; median; 90 %; most", degrees),
        ("connected parts; the largest has", f"{found.components:,}; {found.largest_component:,}"),
        ("communities; modularity", f"{found.communities:,}; {modularity}"),
    ]
    console.table(rows, right=(1,))
    predicates = list(found.facts_by_predicate.items())
    tables = (
        ("facts by predicate", [(_words(name), n) for name, n in predicates[:COMMONEST]]),
        ("hubs", [(hub.name, hub.degree) for hub in found.hubs]),
        ("communities", [(", ".join(one.names), one.size) for one in found.largest_communities]),
    )
    for heading, pairs in tables:
        if not pairs:
            continue
        console.table([(heading, ""), *((escape(name), f"{n:,}") for name, n in pairs)], right=(1,), heading=True)
    if len(predicates) > COMMONEST:
        console.notice(f"{_number(len(predicates) - COMMONEST, 'more predicate')}: --json has them all.")


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
    mentions: Annotated[
        bool, typer.Option("--mentions", help="Also which document's subject names which entity.")
    ] = False,
) -> None:
    """The graph of typed facts, each with its sentence: for other programs, or as a page with a picture to click."""
    from kgrag.explore.export import ending, export
    from kgrag.explore.mentions import Mentions
    from kgrag.explore.show import readings
    from kgrag.explore.whole import distances, greatest, network

    kind = ending(out)
    opened = open_app(store)
    with opened.graph.snapshot():
        named = Mentions(opened.merged) if mentions else None
        part = network(opened.merged, opened.facts, sure, named)
        near = distances(part, readings(opened.merged, opened.facts, around)[0], hops) if around else None
        reached = part if near is None else part.subgraph(near)
        if not len(reached):
            where = f"near {around}" if around else f"in {store}"
            raise UsageError(
                f"Expected facts {where}, found none to write: try --mentions, a lower --sure or another name."
            )
        kept = greatest(part, most or (PICTURED if kind == ".html" else len(part)), near)
        export(opened.merged, opened.facts, opened.vocabulary, kept, out, named)
    edges = "fact or mention", "facts and mentions"
    what = edges if mentions else ("fact", "facts")
    console.say(
        f"{_number(len(kept), 'entity', 'entities')} and {_number(kept.number_of_edges(), *what)} are in {escape(str(out))}."
    )
    if left := len(reached) - len(kept):
        gone = reached.number_of_edges() - kept.number_of_edges()
        which = "farther away or of a smaller degree" if around else "of a smaller degree"
        console.notice(
            f"Left out: {_number(left, 'entity', 'entities')} {which}, with {_number(gone, *what)}; "
            f"--most {len(reached)} takes all."
        )
