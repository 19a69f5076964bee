"""How fast an answer comes, as it comes."""

from __future__ import annotations

import time
from collections.abc import Callable

OnText = Callable[[str], bool | None]


class ThroughputMeter:
    """Listens to an answer: seconds to its first piece, and tokens a second after it."""

    def __init__(self) -> None:
        self.first_piece_seconds: float | None = None
        self.tokens_per_second: float | None = None
        self._start_time = 0.0
        self._piece_times: list[float] = []
        self._text = ""

    def listen(self, on_text: OnText | None) -> OnText:
        """A listener to hand to a model in place of ``on_text``; the clock starts now."""
        self.restart()

        def record_piece(piece: str) -> bool | None:
            self._piece_times.append(time.perf_counter())
            self._text += piece
            return on_text(piece) if on_text is not None else None

        return record_piece

    def restart(self) -> None:
        """What was heard was not the answer yet: the clock starts now."""
        self._start_time, self._piece_times, self._text = time.perf_counter(), [], ""

    def stop(self, count: Callable[[str], int]) -> None:
        """The answer has ended; ``count`` counts tokens. What no model said leaves the figures as they were."""
        if not self._piece_times:
            return
        self.first_piece_seconds = self._piece_times[0] - self._start_time
        seconds = self._piece_times[-1] - self._piece_times[0]
        tokens = count(self._text)
        self.tokens_per_second = (tokens - 1) / seconds if tokens > 1 and seconds > 0 else None

    def summary(self) -> list[str]:
        """The figures for a status line; none before there are any."""
        first_piece_note = (
            [f"first word {self.first_piece_seconds:.1f} s"] if self.first_piece_seconds is not None else []
        )
        return first_piece_note + (
            [f"{self.tokens_per_second:.0f} tokens/s"] if self.tokens_per_second is not None else []
        )
