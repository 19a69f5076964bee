"""Cache of responses by content: a run that is stopped at any moment resumes where it stopped.

The cache is an append-only file of JSON lines; each line is synced before it counts. The next open truncates a line that
a kill left incomplete. A key covers everything that an answer depends on, so the cache never returns a stale value.
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
from kgrag.llm.chat_model import ChatModel
from kgrag.protocols import LLM, GenerationOptions, Messages, OnText, SupportJudge
from kgrag.types import ClaimVerdict, Verdict


class ResponseCache:
    """Values by a digest of everything that they depend on, in an append-only file.

    Args:
        path: the file; created if missing.

    Raises:
        ReadError: the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._values: dict[str, object] = {}
        valid_bytes = 0
        if path.is_file():
            for line in path.read_bytes().splitlines(keepends=True):
                if not line.endswith(b"\n"):
                    break  # incomplete line: it was never acknowledged
                try:
                    row = json.loads(line)
                    self._values[row["key"]] = row["value"]
                except (ValueError, KeyError, TypeError) as error:
                    raise ReadError(f"{path}, the cache of an earlier run, is damaged ({error}): delete it.") from error
                valid_bytes += len(line)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")
        self._file.truncate(valid_bytes)

    def get_or_compute(self, parts: Sequence[Any], compute: Callable[[], Any], *, sync: bool = True) -> Any:
        """Return the cached value for ``parts``, or compute and cache it; both are JSON.

        Without ``sync`` the value reaches the disk with the next synced value: for values that are cheaper than a sync.
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


class CachedLLM(ChatModel):
    """An `LLM` whose answers are cached; the model loads when an answer is not in the cache.

    Args:
        load: loads the model.
        fingerprint: identifies its weights, precision and adapter.
        cache: cache of its answers.
        clock: returns the time in seconds.
    """

    def __init__(
        self, load: Callable[[], LLM], fingerprint: str, cache: ResponseCache, clock: Callable[[], float]
    ) -> None:
        self.fingerprint, self._load, self._cache, self._clock = fingerprint, load, cache, clock
        self._model: LLM | None = None
        self.seconds = 0.0
        """Generation time of the answers since the last reset, measured when each was first generated."""

    @property
    def model(self) -> LLM:
        """The loaded model."""
        if self._model is None:
            self._model = self._load()
        return self._model

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self._cache.get_or_compute(["name", self.fingerprint], lambda: self.model.name))

    @property
    def context(self) -> int:
        """The model's context length in tokens."""
        return int(self._cache.get_or_compute(["context", self.fingerprint], lambda: self.model.context))

    @property  # read only: the wrapped model decides
    def adapter(self) -> str:  # type: ignore[override]
        """The model's adapter, or ""."""
        return str(self._cache.get_or_compute(["adapter", self.fingerprint], lambda: self.model.adapter))

    def _cached_timed(self, parts: Sequence[Any], compute: Callable[[], Any]) -> Any:
        def timed_compute() -> Any:
            start = self._clock()
            value = compute()
            return [value, round(self._clock() - start, 3)]

        value, seconds = self._cache.get_or_compute([*parts, self.fingerprint], timed_compute)
        self.seconds += seconds
        return value

    def generate(
        self, messages: Messages, options: GenerationOptions = GenerationOptions(), *, on_text: OnText | None = None
    ) -> str:
        """See the LLM protocol; ``on_text`` is not called."""
        request = [[dict(m) for m in messages], options.max_tokens, options.schema, list(options.choices)]
        answer = self._cached_timed(["generate", request], lambda: self.model.generate(messages, options))
        return str(answer)

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
                raise ModelError(f"{model.name} does not support sampling: pass --samples 0.")
            return list(model.sample(messages, number, max_tokens=max_tokens, temperature=temperature, seed=seed))

        request = [[dict(m) for m in messages], number, max_tokens, temperature, seed]
        return [str(text) for text in self._cached_timed(["sample", request], draw_samples)]


class CachedJudge:
    """A `SupportJudge` whose judgements are cached; ``fingerprint`` identifies the judge."""

    def __init__(self, judge: Callable[[], SupportJudge], fingerprint: str, cache: ResponseCache) -> None:
        self._load, self._fingerprint, self._cache = judge, fingerprint, cache
        self._judge: SupportJudge | None = None

    def judge(self, claim: str, evidence: Sequence[str]) -> ClaimVerdict:
        """See the SupportJudge protocol; without evidence the judge is not called."""
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
