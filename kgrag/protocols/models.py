"""Interfaces of language models, embedders, rerankers and judges."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kgrag.protocols.arrays import Matrix
from kgrag.types import ClaimVerdict

Messages = Sequence[Mapping[str, str]]
"""A conversation: each message a mapping with ``role`` (system, user or assistant) and ``content``."""


class Embedder(Protocol):
    """Turns text into unit vectors."""

    name: str
    dimensions: int
    languages: frozenset[str]

    def embed(self, texts: Sequence[str]) -> Matrix:
        """(texts, dimensions), rows of length 1."""

    def embed_query(self, text: str) -> Matrix:
        """(dimensions,), of length 1."""


class LLM(Protocol):
    """A language model that answers chat messages, wherever it runs."""

    @property
    def name(self) -> str:
        """What it is called, in answers and in figures."""

    @property
    def context(self) -> int:
        """Tokens of prompt and answer together, at most; 0 where nobody says."""

    def generate(
        self,
        messages: Messages,
        *,
        max_tokens: int = 128,
        on_text: Callable[[str], bool | None] | None = None,
        schema: str | None = None,
        choices: Sequence[str] = (),
    ) -> str:
        """Decode greedily. ``messages`` are ``{"role", "content"}``; ``on_text`` is given each piece of text as it
        comes and stops the decoding by returning True; ``schema`` (a JSON schema) or ``choices`` (the answer is one of
        them) constrain the output."""

    def batch(
        self,
        prompts: Sequence[Messages],
        *,
        max_tokens: int = 128,
        schema: str | None = None,
        choices: Sequence[str] = (),
    ) -> list[str]:
        """`generate` for each prompt, in the order given; those of like length run together."""

    def score(self, messages: Messages, continuation: str) -> float:
        """The natural logarithm of the probability that the answer to ``messages`` begins with ``continuation``."""

    def count(self, text: str) -> int:
        """How many tokens ``text`` is."""


class Sampler(Protocol):
    """A language model that can answer by chance, too: whoever asks several times sees how sure it is."""

    def sample(
        self, messages: Messages, number: int, *, max_tokens: int = 128, temperature: float = 1.0, seed: int = 0
    ) -> list[str]:
        """``number`` answers, drawn at ``temperature`` (above 0); the same seed gives the same ones on one machine."""


class TextModel(Protocol):
    """A language model that reads a plain text, without a chat around it: what is measured of it."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def context(self) -> int:
        """Tokens that it reads, at most; 0 where nobody says."""

    def token_logprobs(self, text: str) -> list[float]:
        """Of every token of ``text`` but the first: the natural logarithm of its probability after those before it.

        ``text`` has at most ``context`` tokens."""

    def count(self, text: str) -> int:
        """How many tokens ``text`` is."""


class Reranker(Protocol):
    """Reads a question and a passage together."""

    name: str

    def score(self, question: str, texts: Sequence[str]) -> NDArray[np.float64]:
        """(texts,): how well each fits the question, higher is better; the same input gives the same scores."""


class SupportJudge(Protocol):
    """Says whether a text bears out a claim."""

    def judge(self, claim: str, evidence: Sequence[str]) -> ClaimVerdict:
        """What is to be said of ``claim`` given all of ``evidence``."""
