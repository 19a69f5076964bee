"""Relay text from the decoding thread to the caller, who can stop or interrupt it."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Event, Thread

from kgrag.protocols import OnText

Emit = Callable[[str], bool]
"""Called by the decoder with each piece of text; returns True when decoding should stop."""


def relay_stream(decode: Callable[[Emit], None], on_text: OnText | None, *, wait: bool = True) -> str:
    """Run ``decode`` in a thread, pass its pieces to ``on_text`` in this thread, and return the whole text.

    Decoders spend their time in foreign code that ignores Ctrl-C. This thread receives it, and stops the decoder at the
    next token. Pieces decoded after a stop are dropped. Errors of ``decode`` and ``on_text`` are raised here.

    Args:
        decode: decodes, and passes each piece to its argument.
        on_text: called with each piece; returns True to stop.
        wait: whether to wait for a stopped decoder. False is safe for a decoder without a local model.
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
            # With a timeout: without one, Windows does not deliver an interrupt.
            return pieces.get(timeout=0.5)
        except Empty:
            continue
