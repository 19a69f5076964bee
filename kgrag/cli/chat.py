"""The command `kgrag chat`."""

from __future__ import annotations

from typing import Annotated

import typer

from kgrag.cli.options import (
    DEFAULT_STORE,
    AdapterOption,
    AttentionOption,
    ModelOption,
    PrecisionOption,
    StoreOption,
    StyleOption,
    WalkOption,
    WhereOption,
    open_store,
)


def chat(
    store: StoreOption = DEFAULT_STORE,
    model: ModelOption = None,
    precision: PrecisionOption = None,
    attention: AttentionOption = None,
    adapter: AdapterOption = None,
    walk: WalkOption = None,
    style: StyleOption = None,
    where: WhereOption = None,
    resume: Annotated[
        str, typer.Option(help="Name of a saved conversation to continue, or last for the most recent one.")
    ] = "",
) -> None:
    """Ask questions in a conversation. /help lists the commands."""
    from kgrag.chat.repl import Chat
    from kgrag.chat.sessions import load_session

    opened_store = open_store(
        store, model=model, precision=precision, attention=attention, walk=walk, adapter=adapter, style=style
    )
    conversation = Chat(opened_store, load_session(opened_store.folder, resume) if resume else None)
    if where:
        conversation.set_filter(where)
    conversation.run()
