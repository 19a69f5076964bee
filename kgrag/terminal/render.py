"""Answers, hits and reports for people: lines of text with rich's markup kept away from the user's own words."""

from __future__ import annotations

import math
import os
import re

from rich.markup import escape

from kgrag.text import shorten
from kgrag.types import Answer, Hit, Path


def format_path(path: Path) -> str:
    """``Ada Lovelace —father→ Lord Byron —place of death→ Missolonghi``, arrows as the triples point."""
    line = escape(path.names[0])
    for number, triple in enumerate(path.triples):
        label = triple.predicate.replace("_", " ")
        forward = triple.subject == path.nodes[number] or triple.object == path.nodes[number + 1]
        arrow = f"—{label}→" if forward else f"←{label}—"
        line += f" [dim]{escape(arrow)}[/dim] {escape(path.names[number + 1])}"
    return line


def display_path(source: str) -> str:
    """A source as people see it: relative to where they are, if it is below."""
    working_folder = os.getcwd() + os.sep
    return source[len(working_folder) :] if source.startswith(working_folder) else source


def citation_lines(answer: Answer) -> list[str]:
    """Each citation: its document and the sentence."""
    titles = {hit.passage.id: (hit.title, hit.source) for hit in answer.evidence}
    lines = []
    for citation in answer.citations:
        title, source = titles.get(citation.passage_id, (citation.passage_id, ""))
        location = f" [dim]({escape(display_path(source))})[/dim]" if source and source != title else ""
        lines.append(
            f"  [cyan]•[/cyan] [bold]{escape(title)}[/bold]{location}: “{escape(shorten(citation.quote, 240))}”"
        )
    return lines


def answer_lines(answer: Answer, *, with_text: bool = True) -> list[str]:
    """An answer with its citations, its paths and what was refused."""
    lines = [f"[dim]{escape(step)}[/dim]" for step in answer.steps] if with_text else []
    lines += [f"[bold]{escape(answer.text)}[/bold]"] if with_text else []
    lines += citation_lines(answer)
    lines += [f"  [green]↳[/green] {format_path(path)}" for path in answer.non_empty_paths[:4]]
    refused = [d for d in answer.diagnostics if "left out of the prompt" not in d]
    lines += [f"  [yellow]![/yellow] [dim]{escape(shorten(d, 200))}[/dim]" for d in refused]
    graph_provenance = (
        f"typed facts, and what they lack looked up by {answer.model}" if answer.model else "typed facts alone"
    )
    provenance = graph_provenance if answer.reader == "graph" else answer.model
    if provenance and not (answer.abstained and not answer.model):
        lines.append(f"  [dim]{escape(provenance)}, {answer.seconds:.1f} s[/dim]")
    return lines


def hit_lines(hit: Hit) -> list[str]:
    """A hit on two or three lines: rank, title, the beginning of its text, and its path."""
    retrievers = [n for n in ("bm25", "vector", "graph:names+3", "cross") if n in hit.component_scores]
    ranks = ", ".join(f"{n.split(':')[0]} #{hit.component_scores[f'{n} rank']:.0f}" for n in retrievers) or "typed fact"
    lines = [
        f"[bold]{hit.rank}. {escape(hit.title)}[/bold] [dim]{hit.score:.2f} · {escape(ranks)} · {escape(display_path(hit.source))}[/dim]"
    ]
    lines.append(f"   {escape(shorten(_text_without_title(hit), 160))}")
    lines += [f"   [green]↳[/green] {format_path(path)}" for path in hit.paths if path.triples]
    return lines


def _text_without_title(hit: Hit) -> str:
    """A passage's text without the heading that only repeats its document's title."""
    heading = re.match(r"\s*#*\s*" + re.escape(hit.title) + r"\s*\n", hit.passage.text)
    return hit.passage.text[heading.end() :] if heading else hit.passage.text


def format_interval(measure: dict[str, float], *, percent: bool = True) -> str:
    """``93.5 [91.2, 95.6]``, or a dash where nothing could be measured."""
    if math.isnan(measure["value"]):
        return "– –"
    scale = 100 if percent else 1
    return f"{scale * measure['value']:.1f} [{scale * measure['low']:.1f}, {scale * measure['high']:.1f}]"
