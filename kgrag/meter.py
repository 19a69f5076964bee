"""How fast an answer comes, as it comes."""

from __future__ import annotations

import time
from collections.abc import Callable

OnText = Callable[[str], bool | None]


class Meter:
    """Listens to an answer: seconds to its first piece, and tokens a second after it."""

    def __init__(self) -> None:
        self.first: float | None = None
        self.rate: float | None = None
        self._began = 0.0
        self._times: list[float] = []
        self._text = ""

    def listen(self, on_text: OnText | None) -> OnText:
        """A listener to hand to a model in place of ``on_text``; the clock starts now."""
        self.again()

        def heard(piece: str) -> bool | None:
            self._times.append(time.perf_counter())
            self._text += piece
            return on_text(piece) if on_text is not None else None

        return heard

    def again(self) -> None:
        """What was heard was not the answer yet: the clock starts now."""
        self._began, self._times, self._text = time.perf_counter(), [], ""

    def stop(self, count: Callable[[str], int]) -> None:
        """The answer has ended; ``count`` counts tokens. What no model said leaves the figures as they were."""
        if not self._times:
            return
        self.first = self._times[0] - self._began
        seconds = self._times[-1] - self._times[0]
        tokens = count(self._text)
        self.rate = (tokens - 1) / seconds if tokens > 1 and seconds > 0 else None

    def said(self) -> list[str]:
        """The figures for a status line; none before there are any."""
        first = [f"first word {self.first:.1f} s"] if self.first is not None else []
        return first + ([f"{self.rate:.0f} tokens/s"] if self.rate is not None else [])
