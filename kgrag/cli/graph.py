"""The commands of `kgrag graph`: entities with their facts, paths, conflicts, statistics, and export."""

from __future__ import annotations

from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from kgrag.cli.options import DEFAULT_STORE, JsonOption, StoreOption, open_store, print_json, replace_surrogates
from kgrag.errors import UsageError
from kgrag.terminal import console
from kgrag.terminal.render import format_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kgrag.explore.entity_view import FactView

graph = typer.Typer(
    suggest_commands=False,  # click suggests
    help="Explore the graph: facts with their sentences, paths, conflicts, statistics, export.",
    no_args_is_help=True,
)
MAX_PICTURED_ENTITIES = 300
"""Default number of entities in a picture: more are unreadable, and layout takes seconds."""
MAX_LISTED_PREDICATES = 15
"""Predicates in a table; JSON has all."""
GuessesOption = Annotated[
    bool, typer.Option("--guesses", help="Show the relation classifier's guesses too, of which about half are right.")
]
MinConfidenceOption = Annotated[float, typer.Option(min=0, max=1, help="Minimum confidence of facts, 0 to 1.")]


@graph.command("show")
def show_entity(
    name: Annotated[
        str,
        typer.Argument(help="Name as in the documents or their titles, in any case.", callback=replace_surrogates),
    ],
    store: StoreOption = DEFAULT_STORE,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of facts in each direction.")] = 20,
    guesses: GuessesOption = False,
    json_: JsonOption = False,
) -> None:
    """Show an entity: its facts and the facts that mention it, each with its sentence."""
    from kgrag.explore.entity_view import view_entity

    opened_store = open_store(store)
    with opened_store.graph_store.snapshot():
        facts = opened_store.shown_facts(with_guesses=guesses)
        view = view_entity(opened_store.merged_graph, facts, opened_store.predicates, name, limit)
    if json_:
        print_json(asdict(view))
        return
    about = f", the subject of {view.title}" if view.title and view.title != view.name else ""
    console.print_result(f"[bold]{escape(view.name)}[/bold] [dim]{view.type.lower()}[/dim]{escape(about)}")
    if view.aliases:
        console.print_result(f"  also called {escape(', '.join(view.aliases))}")
    console.print_result(
        f"  [dim]named {_format_times(view.mentions)} in {_format_count(view.documents, 'document')}[/dim]"
    )
    _print_facts(view.facts, view.facts_in_all, is_outgoing=True)
    if view.incoming:
        console.print_result(f"\n[dim]Facts of others that mention {escape(view.name)}:[/dim]")
        _print_facts(view.incoming, view.incoming_in_all, is_outgoing=False)
    if not view.facts and not view.incoming:
        console.print_result("No facts; `kgrag retrieve` finds the passages that mention it.")
    if view.also:
        console.print_notice(f"The name can also mean {', '.join(view.also)}.")


def _format_times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"


def _format_count(number: int, word: str, words: str = "") -> str:
    return f"{number:,} {word if number == 1 else words or word + 's'}"


def _print_facts(facts: Sequence[FactView], total: int, *, is_outgoing: bool) -> None:
    """Print facts grouped by predicate, the other entity in bold, and the number of facts left out."""
    from graphs.facts.builder import surface_form
    from kgrag.text import normalize_name

    for predicate, group in groupby(facts, key=lambda fact: fact.predicate):
        arrow = f"—{_predicate_label(predicate)}→" if is_outgoing else f"←{_predicate_label(predicate)}—"
        console.print_result(f"  [cyan]{escape(arrow)}[/cyan]")
        for fact in group:
            other_end = fact.object if is_outgoing else fact.subject
            console.print_result(
                f"    [bold]{escape(other_end)}[/bold] [dim]{fact.confidence:.2f} {fact.found_by}[/dim]"
            )
            before, spelling, after = fact.sentence.partition(
                surface_form(fact.sentence, normalize_name(other_end)) or fact.sentence
            )
            if spelling == fact.sentence:
                before, spelling = spelling, ""
            marked_sentence = f"{escape(before)}[bold]{escape(spelling)}[/bold]{escape(after)}"
            console.print_result(f"      “{marked_sentence}” [dim]{escape(_format_location(fact))}[/dim]")
    if total > len(facts):
        console.print_notice(
            f"  … and {total - len(facts):,} more with a lower confidence: --limit {total} shows them."
        )


def _predicate_label(predicate: str) -> str:
    return predicate.replace("_", " ")


def _format_location(fact: FactView) -> str:
    """Format the document and the character span of a fact."""
    title = f"{fact.title}, " if fact.title and fact.title != fact.document else ""
    return f"({title}{fact.document}:{fact.start}-{fact.end})"


def _print_fact(fact: FactView) -> None:
    line = f"{escape(fact.subject)} [cyan]{escape(_predicate_label(fact.predicate))}[/cyan] [bold]{escape(fact.object)}[/bold]"
    # mentions are evident from the text: no confidence or extractor
    console.print_result(
        f"  {line}" + (f" [dim]{fact.confidence:.2f} {fact.found_by}[/dim]" if fact.predicate != "mentions" else "")
    )
    console.print_result(f"    “{escape(fact.sentence)}” [dim]{escape(_format_location(fact))}[/dim]")


@graph.command("path")
def show_paths(
    first: Annotated[str, typer.Argument(help="Name of an entity.", callback=replace_surrogates)],
    second: Annotated[str, typer.Argument(help="Name of another entity.", callback=replace_surrogates)],
    store: StoreOption = DEFAULT_STORE,
    most: Annotated[int, typer.Option(min=1, help="Number of paths.")] = 3,
    longest: Annotated[int, typer.Option(min=1, max=8, help="Maximum number of steps in a path.")] = 4,
    guesses: GuessesOption = False,
    json_: JsonOption = False,
) -> None:
    """Find the best paths between two names over facts, with sentences; over mentions if no facts connect them."""
    from kgrag.explore.entity_paths import find_paths
    from kgrag.explore.entity_view import FactRenderer, resolve_entities
    from kgrag.explore.mention_edges import MentionEdges

    opened_store = open_store(store)
    with opened_store.graph_store.snapshot():
        facts = opened_store.shown_facts(with_guesses=guesses)
        start, goal = (resolve_entities(opened_store.merged_graph, facts, name)[0] for name in (first, second))
        if start == goal:
            raise UsageError(
                f"Expected names of two entities, found {facts.display_name(start)} for both: pass another name."
            )
        search_result = find_paths(
            facts,
            start,
            goal,
            max_paths=most,
            max_steps=longest,
            mentions=lambda: MentionEdges(opened_store.merged_graph),
        )
        names = {node: name for path in search_result.paths for node, name in zip(path.nodes, path.names, strict=True)}
        renderer = FactRenderer(opened_store.merged_graph, names.__getitem__, opened_store.predicates)
        fact_views = [[renderer.render(t) for t in path.triples] for path in search_result.paths]
    if json_:
        print_json(
            [
                {"names": path.names, "nodes": path.nodes, "facts": [asdict(fact) for fact in facts_of_path]}
                for path, facts_of_path in zip(search_result.paths, fact_views, strict=True)
            ]
        )
    for path, facts_of_path in () if json_ else zip(search_result.paths, fact_views, strict=True):
        console.print_result(f"[green]↳[/green] {format_path(path)}")
        for fact in facts_of_path:
            _print_fact(fact)
    if not search_result.paths and search_result.is_complete and not json_:
        console.print_result(
            f"No path of at most {_format_count(longest, 'step')} connects {escape(facts.display_name(start))} and "
            f"{escape(facts.display_name(goal))}, over facts or mentions."
        )
    elif not search_result.is_complete:
        console.print_notice(
            "The search was cut short, because there are too many paths: a smaller --longest is searched completely."
        )


@graph.command("conflicts")
def show_conflicts(store: StoreOption = DEFAULT_STORE, json_: JsonOption = False) -> None:
    """List facts that contradict each other, such as two dates of birth; all of them stay in the store."""
    from kgrag.explore.conflicts import find_conflicts

    opened_store = open_store(store)
    with opened_store.graph_store.snapshot():
        found_conflicts = find_conflicts(opened_store.merged_graph, opened_store.shown_facts(), opened_store.predicates)
    if json_:
        print_json([asdict(conflict) for conflict in found_conflicts])
        return
    for conflict in found_conflicts:
        console.print_result(
            f"[bold]{escape(conflict.subject)}[/bold]: {len(conflict.facts)} values of {_predicate_label(conflict.predicate)}"
        )
        for fact in conflict.facts:
            _print_fact(fact)
    if not found_conflicts:
        console.print_result("No contradicting facts.")


@graph.command("stats")
def show_stats(
    store: StoreOption = DEFAULT_STORE,
    sure: MinConfidenceOption = 0.0,
    guesses: GuessesOption = False,
    json_: JsonOption = False,
) -> None:
    """Show the size, degrees, connected components and communities of the graph of typed facts."""
    from kgrag.explore.stats import compute_stats

    opened_store = open_store(store)
    with opened_store.graph_store.snapshot():
        graph_stats = compute_stats(opened_store.merged_graph, opened_store.shown_facts(with_guesses=guesses), sure)
    if json_:
        print_json(asdict(graph_stats))
        return
    counts = ("documents", "passages", "entities", "mentions", "typed_facts", "mentions_edges")
    rows = [(_predicate_label(name), f"{getattr(graph_stats, name):,}") for name in counts]
    if sure:
        rows.append((f"facts of confidence {sure:g} or more", f"{graph_stats.facts_used:,}"))
    degrees = f"{graph_stats.degree_mean:.1f}; {graph_stats.degree_median:.0f}; {graph_stats.degree_p90:.0f}; {graph_stats.degree_max:,}"
    modularity = "–" if graph_stats.modularity != graph_stats.modularity else f"{graph_stats.modularity:.2f}"
    rows += [
        ("entities with facts", f"{graph_stats.entities_in_facts:,}"),
        ("facts per entity: mean; median; 90 %; maximum", degrees),
        ("connected components; size of the largest", f"{graph_stats.components:,}; {graph_stats.largest_component:,}"),
        ("communities; modularity", f"{graph_stats.communities:,}; {modularity}"),
    ]
    console.print_table(rows, right=(1,))
    predicates = list(graph_stats.facts_by_predicate.items())
    tables = (
        ("facts by predicate", [(_predicate_label(name), n) for name, n in predicates[:MAX_LISTED_PREDICATES]]),
        ("hubs", [(hub.name, hub.degree) for hub in graph_stats.hubs]),
        (
            "communities",
            [(", ".join(community.names), community.size) for community in graph_stats.largest_communities],
        ),
    )
    for heading, pairs in tables:
        if not pairs:
            continue
        console.print_table([(heading, ""), *((escape(name), f"{n:,}") for name, n in pairs)], right=(1,), heading=True)
    if len(predicates) > MAX_LISTED_PREDICATES:
        console.print_notice(
            f"{_format_count(len(predicates) - MAX_LISTED_PREDICATES, 'more predicate')}: --json lists all."
        )


@graph.command("export")
def export_command(
    out: Annotated[Path, typer.Argument(help="File that ends in .graphml, .json or .html.")],
    store: StoreOption = DEFAULT_STORE,
    around: Annotated[
        str | None, typer.Option(help="Name of an entity: only its neighbourhood (default: the whole graph).")
    ] = None,
    hops: Annotated[int, typer.Option(min=1, help="Size of the neighbourhood, in facts.")] = 2,
    most: Annotated[
        int | None, typer.Option(min=1, help="Maximum number of entities, by degree (default: 300 for html, else all).")
    ] = None,
    sure: MinConfidenceOption = 0.0,
    guesses: GuessesOption = False,
    mentions: Annotated[
        bool,
        typer.Option("--mentions", help="Include mentions: an edge from a document's subject to each entity it names."),
    ] = False,
) -> None:
    """Export the graph of typed facts, each with its sentence: for other programs, or as a page with a picture."""
    from kgrag.explore.entity_view import resolve_entities
    from kgrag.explore.export import export_graph, export_suffix
    from kgrag.explore.mention_edges import MentionEdges
    from kgrag.explore.networkx_view import hop_distances, to_networkx, top_by_degree

    kind = export_suffix(out)
    opened_store = open_store(store)
    with opened_store.graph_store.snapshot():
        mention_edges = MentionEdges(opened_store.merged_graph) if mentions else None
        facts = opened_store.shown_facts(with_guesses=guesses)
        subgraph = to_networkx(facts, sure, mention_edges)
        distance_by_node = (
            hop_distances(subgraph, resolve_entities(opened_store.merged_graph, facts, around)[0], hops)
            if around
            else None
        )
        reachable = subgraph if distance_by_node is None else subgraph.subgraph(distance_by_node)
        if not len(reachable):
            scope = f"near {around}" if around else f"in {store}"
            raise UsageError(
                f"Expected facts {scope}, found none to export: try --mentions, a lower --sure or another name."
            )
        exported = top_by_degree(
            subgraph, most or (MAX_PICTURED_ENTITIES if kind == ".html" else len(subgraph)), distance_by_node
        )
        export_graph(opened_store.merged_graph, facts, opened_store.predicates, exported, out, mention_edges)
    edges = "fact or mention", "facts and mentions"
    edge_words = edges if mentions else ("fact", "facts")
    console.print_result(
        f"Wrote {_format_count(len(exported), 'entity', 'entities')} and {_format_count(exported.number_of_edges(), *edge_words)} to {escape(str(out))}."
    )
    if left_out := len(reachable) - len(exported):
        left_out_edges = reachable.number_of_edges() - exported.number_of_edges()
        reason = "farther away or of a lower degree" if around else "of a lower degree"
        console.print_notice(
            f"Left out: {_format_count(left_out, 'entity', 'entities')} {reason}, with {_format_count(left_out_edges, *edge_words)}; "
            f"--most {len(reachable)} exports all."
        )
