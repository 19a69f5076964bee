"""Measure the speed of a streamed answer."""

from __future__ import annotations

import time
from collections.abc import Callable

from kgrag.protocols import OnText


class ThroughputMeter:
    """Meter of a streamed answer: seconds to the first piece, then tokens per second."""

    def __init__(self) -> None:
        self.first_piece_seconds: float | None = None
        self.tokens_per_second: float | None = None
        self._start_time = 0.0
        self._piece_times: list[float] = []
        self._text = ""

    def listen(self, on_text: OnText | None) -> OnText:
        """Start the clock and return a listener that measures each piece and passes it to ``on_text``."""
        self.restart()

        def record_piece(piece: str) -> bool | None:
            self._piece_times.append(time.perf_counter())
            self._text += piece
            return on_text(piece) if on_text is not None else None

        return record_piece

    def restart(self) -> None:
        """Restart the clock and drop the text so far, because it was not part of the answer."""
        self._start_time, self._piece_times, self._text = time.perf_counter(), [], ""

    def stop(self, count: Callable[[str], int]) -> None:
        """End the measurement; ``count`` counts tokens. Without any text, the figures stay as they were."""
        if not self._piece_times:
            return
        self.first_piece_seconds = self._piece_times[0] - self._start_time
        seconds = self._piece_times[-1] - self._piece_times[0]
        tokens = count(self._text)
        self.tokens_per_second = (tokens - 1) / seconds if tokens > 1 and seconds > 0 else None

    def summary(self) -> list[str]:
        """Return the figures for a status line; [] before the first answer."""
        first_piece_note = (
            [f"first word {self.first_piece_seconds:.1f} s"] if self.first_piece_seconds is not None else []
        )
        return first_piece_note + (
            [f"{self.tokens_per_second:.0f} tokens/s"] if self.tokens_per_second is not None else []
        )
