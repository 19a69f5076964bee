"""Interfaces of language models, embedders, rerankers and judges."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from kgrag.protocols.arrays import Matrix
from kgrag.types import ClaimVerdict

Messages = Sequence[Mapping[str, str]]
"""A conversation: each message a mapping with ``role`` (system, user or assistant) and ``content``."""
OnText = Callable[[str], bool | None]
"""Called with each piece of generated text; returns True to stop the decoding."""


@dataclass(frozen=True, slots=True)
class GenerationOptions:
    """Length and form of a generated answer.

    Attributes:
        max_tokens: upper limit of the answer's length, in tokens.
        schema: JSON schema (as text) that the answer follows; None for free text.
        choices: the answer is one of these texts; empty for free text. Excludes ``schema``.
    """

    max_tokens: int = 128
    schema: str | None = None
    choices: tuple[str, ...] = ()


class Embedder(Protocol):
    """Encodes text as unit vectors; some encoders encode a question in another way than a passage."""

    name: str
    dimensions: int
    languages: frozenset[str]

    def embed(self, texts: Sequence[str]) -> Matrix:
        """Return the vectors of passages, (texts, dimensions), rows of length 1."""

    def embed_query(self, text: str) -> Matrix:
        """Return the vector of a question, (dimensions,), of length 1."""


@runtime_checkable
class TokenEmbedder(Embedder, Protocol):
    """An embedder that also gives the vectors of single tokens."""

    def embed_tokens(self, texts: Sequence[str], *, is_query: bool = False) -> list[Matrix]:
        """Return the vectors of each text's tokens, (tokens, dimensions); their mean has the direction of the text's."""


class LLM(Protocol):
    """A language model that answers chat messages, local or on a server."""

    @property
    def name(self) -> str:
        """Name of the model, as shown in answers and reports."""

    @property
    def context(self) -> int:
        """Maximum number of tokens of prompt and answer together; 0 if unknown."""

    @property
    def adapter(self) -> str:
        """Name of the active LoRA adapter; "" without one."""

    def generate(
        self, messages: Messages, options: GenerationOptions = GenerationOptions(), *, on_text: OnText | None = None
    ) -> str:
        """Answer ``messages`` by greedy decoding.

        ``on_text`` is called with each piece of text as it is decoded, and stops the decoding by returning True.

        Raises:
            ModelError: the options contradict each other, prompt and answer exceed the context, or the model fails.
        """

    def batch(self, prompts: Sequence[Messages], options: GenerationOptions = GenerationOptions()) -> list[str]:
        """Return the answer of `generate` for each prompt, in the order of ``prompts``.

        Backends decode prompts of similar length together.
        """

    def score(self, messages: Messages, continuation: str) -> float:
        """Return the natural log probability that the answer to ``messages`` begins with ``continuation``."""

    def count(self, text: str) -> int:
        """Return the number of tokens in ``text``."""


class Sampler(Protocol):
    """A language model that samples answers; several samples of one prompt show how certain it is."""

    def sample(
        self, messages: Messages, number: int, *, max_tokens: int = 128, temperature: float = 1.0, seed: int = 0
    ) -> list[str]:
        """Return ``number`` answers sampled at ``temperature`` (above 0).

        The same seed gives the same answers on one machine.
        """


class TextModel(Protocol):
    """A language model that scores plain text without a chat template, to measure perplexity."""

    @property
    def name(self) -> str:
        """Name of the model."""

    @property
    def context(self) -> int:
        """Maximum number of tokens of a text; 0 if unknown."""

    def token_logprobs(self, text: str) -> list[float]:
        """Return the natural log probability of every token of ``text`` but the first, given the tokens before it.

        ``text`` has at most ``context`` tokens.
        """

    def count(self, text: str) -> int:
        """Return the number of tokens in ``text``."""


class Reranker(Protocol):
    """Scores a passage together with a question."""

    name: str

    def score(self, question: str, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return (texts,): the relevance of each text to the question, higher is better; deterministic."""


class SupportJudge(Protocol):
    """Decides whether evidence supports or refutes a claim."""

    def judge(self, claim: str, evidence: Sequence[str]) -> ClaimVerdict:
        """Return the verdict on ``claim`` given all of ``evidence``."""
