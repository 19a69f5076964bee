"""Format answers, hits and figures as lines of rich markup, with the user's own text escaped."""

from __future__ import annotations

import os
import re

from rich.markup import escape

from kgrag.terminal.citation_numbers import has_marks, number_citations
from kgrag.terminal.console import VERBATIM
from kgrag.text import detect_language, sentence_spans, shorten
from kgrag.text.telling_sentence import telling_sentence
from kgrag.types import Answer, DiagnosticCode, Hit, Path

MAX_SHOWN_COPIES = 5
"""Maximum number of documents named beside a hit that hold the same text."""
MAX_CLOSEST_PASSAGES = 3
"""Maximum number of passages named below an abstention."""
_CLOSEST_LABEL = {"en": "closest:", "zh": "最接近的段落："}
_FENCE = re.compile(r"\s*(`{3,}|~{3,})")


def format_path(path: Path) -> str:
    """Format ``Ada Lovelace —father→ Lord Byron —place of death→ Missolonghi``, arrows from subject to object."""
    line = escape(path.names[0])
    for number, triple in enumerate(path.triples):
        label = triple.predicate.replace("_", " ")
        forward = triple.subject == path.nodes[number] or triple.object == path.nodes[number + 1]
        arrow = f"—{label}→" if forward else f"←{label}—"
        line += f" [dim]{escape(arrow)}[/dim] {escape(path.names[number + 1])}"
    return line


def display_path(source: str) -> str:
    """Return a source's path, relative to the working folder if it is inside."""
    working_folder = os.getcwd() + os.sep
    return source[len(working_folder) :] if source.startswith(working_folder) else source


def citation_lines(answer: Answer) -> list[str]:
    """Format each citation: the document and the sentence; of a quotation, which shows its sentences, each document."""
    titles = {hit.passage.id: (hit.title, hit.source) for hit in answer.evidence}
    lines = []
    is_marked = has_marks(answer)
    for number, citation in number_citations(answer):
        title, source = titles.get(citation.passage_id, (citation.passage_id, ""))
        mark = escape(f"[{number}] ") if is_marked else ""
        place = _format_place(title, source, citation.page)
        quote = "" if answer.reader == "quote" else f": “{escape(shorten(citation.quote, 240))}”"
        lines.append(f"  [cyan]•[/cyan] {mark}[bold]{escape(title)}[/bold]{place}{quote}")
    return list(dict.fromkeys(lines))


def _format_place(title: str, source: str, page: int | None) -> str:
    """Format a source, unless it is the title, and a page in brackets; "" without both."""
    place = [display_path(source)] if source and source != title else []
    place += [f"p. {page}"] if page is not None else []
    return f" [dim]({escape(', '.join(place))})[/dim]" if place else ""


def closest_passages(answer: Answer) -> tuple[Hit, ...]:
    """Return the best passages of an abstention; none for another answer."""
    return answer.evidence[:MAX_CLOSEST_PASSAGES] if answer.abstained and answer.grounded else ()


def closest_lines(answer: Answer) -> list[str]:
    """Format the best passages of an abstention: title, headings, place and first sentence."""
    label = _CLOSEST_LABEL[detect_language(answer.question)]
    return [
        f"  [dim]{label}[/dim] {escape(' › '.join(dict.fromkeys([hit.title, *hit.passage.headings])))}"
        f"{_format_place(hit.title, hit.source, hit.passage.page)}: “{escape(shorten(_first_sentence(hit), 160))}”"
        for hit in closest_passages(answer)
    ]


def _first_sentence(hit: Hit) -> str:
    """Return the first sentence of a passage that is no heading; its beginning if it has only short lines."""
    text = _text_without_title(hit)
    headings = {hit.title, *hit.passage.headings}
    if span := telling_sentence(text, headings):
        return text[slice(*span)]
    sentences = [text[start:end] for start, end in sentence_spans(text)]
    return " ".join(sentence for sentence in sentences if sentence.strip("#* ") not in headings)


def text_lines(text: str) -> list[str]:
    """Format an answer: bold on one line, as it is on several lines, with code that is never wrapped."""
    lines = text.strip("\n").split("\n")
    if len(lines) == 1:
        return [f"[bold]{escape(text)}[/bold]"]
    formatted, fence = [], ""
    for line in lines:
        match = _FENCE.match(line)
        is_code = bool(fence or match)
        if match and not fence:
            fence = match[1]
        elif match and match[1].startswith(fence):
            fence = ""
        formatted.append(f"[{VERBATIM}]{escape(line)}[/{VERBATIM}]" if is_code else escape(line))
    return formatted


def answer_lines(answer: Answer, *, with_text: bool = True) -> list[str]:
    """Format an answer with its citations, its paths and its diagnostics."""
    lines = [f"[dim]{escape(step)}[/dim]" for step in answer.steps] if with_text else []
    lines += text_lines(answer.text) if with_text else []
    lines += citation_lines(answer)
    lines += closest_lines(answer)
    lines += [f"  [green]↳[/green] {format_path(path)}" for path in answer.non_empty_paths[:4]]
    shown = [d for d in answer.diagnostics if d.code != DiagnosticCode.EVIDENCE_OMITTED]
    lines += [f"  [yellow]![/yellow] [dim]{escape(shorten(d.message, 200))}[/dim]" for d in shown]
    graph_provenance = (
        f"from the knowledge graph; missing facts read by {answer.model}"
        if answer.model
        else "from the knowledge graph"
    )
    provenance = {
        "graph": graph_provenance,
        "table": "from the rows of a table",
        "quote": "quoted from the documents, without a model",
        "collection": f"from all documents; written up by {answer.model}"
        if answer.model
        else "from all documents, without a model",
    }.get(answer.reader, answer.model)
    if provenance and not (answer.abstained and not answer.model):
        lines.append(f"  [dim]{escape(provenance)}, {answer.seconds:.1f} s[/dim]")
    return lines


def hit_lines(hit: Hit) -> list[str]:
    """Format a hit on two to four lines: rank, title, beginning of the text, graph paths and copies."""
    retrievers = [n for n in ("bm25", "vector", "graph:names+3", "cross") if n in hit.component_scores]
    ranks = ", ".join(f"{n.split(':')[0]} #{hit.component_scores[f'{n} rank']:.0f}" for n in retrievers) or "typed fact"
    lines = [
        f"[bold]{hit.rank}. {escape(hit.title)}[/bold] [dim]{hit.score:.2f} · {escape(ranks)} · {escape(_location(hit))}[/dim]"
    ]
    lines.append(f"   {escape(shorten(_text_without_title(hit), 160))}")
    lines += [f"   [green]↳[/green] {format_path(path)}" for path in hit.paths if path.triples]
    return lines + ([f"   [dim]also in: {escape(_copy_places(hit))}[/dim]"] if hit.copies else [])


def _copy_places(hit: Hit) -> str:
    """Return the documents that hold a hit's copies, at most `MAX_SHOWN_COPIES` by name."""
    places = list(dict.fromkeys(display_path(copy.rpartition("#")[0]) for copy in hit.copies))
    more = f" and {len(places) - MAX_SHOWN_COPIES} more" if len(places) > MAX_SHOWN_COPIES else ""
    return ", ".join(places[:MAX_SHOWN_COPIES]) + more


def _location(hit: Hit) -> str:
    """Return the file of a hit, its page if it has pages, and the headings above it."""
    passage = hit.passage
    page = [f"p. {passage.page}"] if passage.page is not None else []
    return " · ".join([display_path(hit.source), *page, " › ".join(passage.headings)]).removesuffix(" · ")


def _text_without_title(hit: Hit) -> str:
    """Return a passage's text without a heading that repeats the document's title."""
    heading = re.match(r"\s*#*\s*" + re.escape(hit.title) + r"\s*\n", hit.passage.text)
    return hit.passage.text[heading.end() :] if heading else hit.passage.text
