"""The command `kgrag ask`."""

from __future__ import annotations

from typing import Annotated

import typer

from kgrag.cli.options import (
    DEFAULT_STORE,
    AdapterOption,
    AttentionOption,
    JsonOption,
    ModelOption,
    PrecisionOption,
    ReaderChoice,
    StoreOption,
    StyleOption,
    WalkOption,
    WhereOption,
    open_store,
    print_json,
    replace_surrogates,
)
from kgrag.terminal import console, draft_view


def ask(
    question: Annotated[str, typer.Argument(help="Question in English or Chinese.", callback=replace_surrogates)],
    store: StoreOption = DEFAULT_STORE,
    k: Annotated[
        int | None, typer.Option("-k", help="Number of passages to retrieve (default: 8, or as in kgrag.toml).")
    ] = None,
    closed_book: Annotated[
        bool, typer.Option("--closed-book", help="Answer from the model's memory, without the documents.")
    ] = False,
    reader: Annotated[
        ReaderChoice,
        typer.Option(
            help="Source of the answer: graph, llm, quote for the documents' own words, or auto for whichever fits."
        ),
    ] = ReaderChoice.auto,
    style: StyleOption = None,
    deep: Annotated[
        bool,
        typer.Option("--deep", help="Let the model write up what many documents are about, in a few checked calls."),
    ] = False,
    where: WhereOption = None,
    model: ModelOption = None,
    walk: WalkOption = None,
    precision: PrecisionOption = None,
    attention: AttentionOption = None,
    adapter: AdapterOption = None,
    json_: JsonOption = False,
) -> None:
    """Answer a question from the store, with the cited sentences and the path through the graph."""
    from kgrag.retrieve.hybrid import validate_question
    from kgrag.serialize import answer_json
    from kgrag.terminal.render import answer_lines

    validate_question(question, 1 if k is None else k)
    opened_store = open_store(
        store, model=model, precision=precision, attention=attention, walk=walk, adapter=adapter, style=style
    )
    stream = None if json_ or not console.is_interactive() else draft_view.stream_draft
    if not json_:
        console.show_spinner()
    try:
        answer = opened_store.ask(
            question,
            k=k,
            reader=reader.value,
            closed_book=closed_book,
            where=where,
            deep=deep,
            on_text=stream,
            on_progress=stream,
            on_statement=draft_view.mark_statement if stream else None,
        )
    finally:
        console.end_progress()
        draft_view.clear_draft()
    if json_:
        print_json(answer_json(answer))
        return
    console.print_lines(answer_lines(answer))
