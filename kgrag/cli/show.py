"""The command `kgrag show`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from kgrag.cli.options import DEFAULT_STORE, JsonOption, StoreOption, open_store, print_json
from kgrag.terminal import console


def show(
    document: Annotated[str, typer.Argument(help="Id of a document, the end of its path, or its title.")],
    store: StoreOption = DEFAULT_STORE,
    page: Annotated[int | None, typer.Option("--page", help="Show only this page of a document with pages.")] = None,
    json_: JsonOption = False,
) -> None:
    """Show a document as it was read: its structure, passages, names and facts, and what was left out."""
    from kgrag.cli.document_lines import document_lines
    from kgrag.explore.document_view import view_document

    view = view_document(open_store(store).graph_store, document, page)
    if json_:
        read = view.document
        print_json(
            {
                "id": read.id,
                "title": read.title,
                "source": read.source,
                "lang": read.lang,
                "metadata": dict(read.metadata),
                "text": read.text,
                "blocks": [asdict(block) for passage in view.passages for block in view.blocks(passage)],
                "links": [asdict(link) for link in read.tree.links],
                "passages": [asdict(passage) for passage in view.passages],
                "mentions": [asdict(mention) for mention in view.mentions],
                "triples": [asdict(triple) for triple in view.triples],
                "problems": list(view.problems),
            }
        )
    else:
        console.print_lines(list(document_lines(view)))
