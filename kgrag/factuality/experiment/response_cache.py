"""What was asked and answered, kept by content: a run that is stopped at any moment goes on where it was.

A file of JSON lines, only ever added to, each line synced before it counts. A line that a kill left half written is cut
off when the file is next opened. A key holds all that an answer depends on, so what is out of date is never found.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from kgrag.errors import ModelError, ReadError
from kgrag.protocols import LLM, Messages, SupportJudge
from kgrag.types import ClaimVerdict, Verdict


class ResponseCache:
    """Values by what they depend on, in a file that is made when the first is kept.

    Args:
        path: the file.

    Raises:
        ReadError: it is no such file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._values: dict[str, Any] = {}
        valid_bytes = 0
        if path.is_file():
            for line in path.read_bytes().splitlines(keepends=True):
                if not line.endswith(b"\n"):
                    break  # cut off in the middle: it was never acknowledged
                try:
                    row = json.loads(line)
                    self._values[row["key"]] = row["value"]
                except (ValueError, KeyError, TypeError) as error:
                    raise ReadError(f"{path}, kept from an earlier run, is damaged ({error}): remove it.") from error
                valid_bytes += len(line)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")
        self._file.truncate(valid_bytes)

    def get_or_compute(self, parts: Sequence[Any], compute: Callable[[], Any], *, sync: bool = True) -> Any:
        """The value that depends on ``parts`` (JSON), made and kept where it is not there; it is JSON, too.

        Without ``sync`` it is on the disk when the next one is: for what costs less than the waiting.
        """
        text = json.dumps(parts, ensure_ascii=True, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:32]
        if digest in self._values:
            return self._values[digest]
        value = compute()
        self._file.write(json.dumps({"key": digest, "value": value}).encode() + b"\n")
        self._file.flush()
        if sync:
            os.fsync(self._file.fileno())
        self._values[digest] = value
        return value

    def __enter__(self) -> ResponseCache:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:  # fmt: skip
        self._file.close()


class CachedLLM:
    """An `LLM` whose answers are kept; the model loads when one is not there.

    Args:
        load: gives the model.
        stamp: what tells its weights, precision and adapter from all others.
        kept: where its answers are.
        clock: seconds.
    """

    def __init__(
        self, load: Callable[[], LLM], fingerprint: str, cache: ResponseCache, clock: Callable[[], float]
    ) -> None:
        self.fingerprint, self._load, self._cache, self._clock = fingerprint, load, cache, clock
        self._model: LLM | None = None
        self.seconds = 0.0
        """What the answers since it was last set took, each when it was first given."""

    @property
    def model(self) -> LLM:
        """The model itself."""
        if self._model is None:
            self._model = self._load()
        return self._model

    @property
    def name(self) -> str:
        """As the model has it."""
        return str(self._cache.get_or_compute(["name", self.fingerprint], lambda: self.model.name))

    @property
    def context(self) -> int:
        """As the model has it."""
        return int(self._cache.get_or_compute(["context", self.fingerprint], lambda: self.model.context))

    @property
    def adapter(self) -> str:
        """The one that is on, or ""."""
        return str(
            self._cache.get_or_compute(["adapter", self.fingerprint], lambda: getattr(self.model, "adapter", ""))
        )

    def _cached_timed(self, parts: Sequence[Any], compute: Callable[[], Any]) -> Any:
        def timed_compute() -> Any:
            start = self._clock()
            value = compute()
            return [value, round(self._clock() - start, 3)]

        value, seconds = self._cache.get_or_compute([*parts, self.fingerprint], timed_compute)
        self.seconds += seconds
        return value

    def generate(
        self,
        messages: Messages,
        *,
        max_tokens: int = 128,
        on_text: Callable[[str], bool | None] | None = None,
        schema: str | None = None,
        choices: Sequence[str] = (),
    ) -> str:
        """See the LLM protocol; ``on_text`` is not called."""
        request = [[dict(m) for m in messages], max_tokens, schema, list(choices)]
        answer = self._cached_timed(["generate", request], lambda: self.model.generate(messages, max_tokens=max_tokens, schema=schema, choices=choices))  # fmt: skip
        return str(answer)

    def batch(
        self,
        prompts: Sequence[Messages],
        *,
        max_tokens: int = 128,
        schema: str | None = None,
        choices: Sequence[str] = (),
    ) -> list[str]:
        """See the LLM protocol; one after the other."""
        return [self.generate(m, max_tokens=max_tokens, schema=schema, choices=choices) for m in prompts]

    def score(self, messages: Messages, continuation: str) -> float:
        """See the LLM protocol."""
        request = [[dict(m) for m in messages], continuation]
        return float(self._cached_timed(["score", request], lambda: self.model.score(messages, continuation)))

    def count(self, text: str) -> int:
        """See the LLM protocol."""
        return int(
            self._cache.get_or_compute(["count", self.fingerprint, text], lambda: self.model.count(text), sync=False)
        )

    def sample(
        self, messages: Messages, number: int, *, max_tokens: int = 128, temperature: float = 1.0, seed: int = 0
    ) -> list[str]:
        """See the Sampler protocol."""

        def draw_samples() -> list[str]:
            model = self.model
            if not hasattr(model, "sample"):
                raise ModelError(
                    f"{model.name} cannot answer by chance, so there are no samples of it: give --samples 0."
                )
            return list(model.sample(messages, number, max_tokens=max_tokens, temperature=temperature, seed=seed))

        request = [[dict(m) for m in messages], number, max_tokens, temperature, seed]
        return [str(text) for text in self._cached_timed(["sample", request], draw_samples)]


class CachedJudge:
    """A `SupportJudge` whose judgements are kept; ``stamp`` tells it from all others."""

    def __init__(self, judge: Callable[[], SupportJudge], fingerprint: str, cache: ResponseCache) -> None:
        self._load, self._fingerprint, self._cache = judge, fingerprint, cache
        self._judge: SupportJudge | None = None

    def judge(self, claim: str, evidence: Sequence[str]) -> ClaimVerdict:
        """See the SupportJudge protocol; of no evidence at all nothing is asked."""
        if not evidence:
            return ClaimVerdict(Verdict.NOT_ENOUGH_INFO, math.nan)

        def compute_judgement() -> Any:
            if self._judge is None:
                self._judge = self._load()
            judgement = self._judge.judge(claim, evidence)
            support = None if math.isnan(judgement.support) else round(judgement.support, 6)
            return [judgement.verdict.value, support, dict(judgement.component_scores)]

        verdict, support, parts = self._cache.get_or_compute(
            ["judge", self._fingerprint, claim, list(evidence)], compute_judgement
        )
        return ClaimVerdict(Verdict(verdict), math.nan if support is None else support, parts)
