"""Carrying text from the thread that decodes to the caller, who may stop it or be interrupted."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Event, Thread

Emit = Callable[[str], bool]
"""Given a piece of text by the decoder; returns True when decoding should stop."""
OnText = Callable[[str], bool | None]
"""The caller's: given each piece, returns True to stop."""


def relay_stream(decode: Callable[[Emit], None], on_text: OnText | None, *, wait: bool = True) -> str:
    """Run ``decode`` in a thread and hand its pieces to ``on_text`` in this one; all of them joined.

    The decoders spend their time in foreign code that does not see Ctrl-C; waiting here does, and stops them at the
    next token. What is decoded after a stop is not handed over. An error of ``decode`` or ``on_text`` is raised here.
    ``wait`` says whether a stopped decoder is waited for: one that holds no model of ours need not be.
    """
    pieces: SimpleQueue[str | None] = SimpleQueue()
    stop = Event()
    failures: list[BaseException] = []

    def emit(piece: str) -> bool:
        pieces.put(piece)
        return stop.is_set()

    def run_decoder() -> None:
        try:
            decode(emit)
        except BaseException as error:  # raised again in the caller's thread
            failures.append(error)
        finally:
            pieces.put(None)

    thread = Thread(target=run_decoder, name="kgrag-decode", daemon=True)
    thread.start()
    texts: list[str] = []
    try:
        while (piece := _next_piece(pieces)) is not None:
            if piece and not stop.is_set():
                texts.append(piece)
                if on_text is not None and on_text(piece):
                    stop.set()
    finally:
        has_ended = not stop.is_set() and not thread.is_alive()
        stop.set()
        if wait or has_ended:
            thread.join()
    if failures:
        raise failures[0]
    return "".join(texts)


def _next_piece(pieces: SimpleQueue[str | None]) -> str | None:
    while True:
        try:
            # With a timeout, because without one Windows does not let an interrupt through.
            return pieces.get(timeout=0.5)
        except Empty:
            continue
