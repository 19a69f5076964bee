"""A language model behind an OpenAI-compatible server: vLLM, Ollama, llama.cpp's server, or one that is paid for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Lock
from typing import Any

from kgrag.config import ServerConfig
from kgrag.errors import ModelError
from kgrag.llm import constrained_decoding
from kgrag.llm.http_client import JsonHttpClient
from kgrag.llm.streaming import Emit, OnText, relay_stream
from kgrag.models.endpoint import ServerAddress
from kgrag.protocols import Messages


class ServerLLM:
    """Greedy decoding by a server. Failures that may pass are tried again; a request under way can be stopped."""

    def __init__(self, address: ServerAddress, key: str = "", config: ServerConfig | None = None) -> None:
        """Nothing is asked of the server yet.

        Args:
            address: with the model's name, or without where the server has one model.
            key: sent as a bearer token, never shown; "" where the server wants none.
            config: timeouts, tries, and how many requests at a time.
        """
        self.config = config or ServerConfig()
        self._http = JsonHttpClient(address.url, key, self.config)
        self.address = address
        self._model = address.model
        self._context: int | None = None
        self._lock = Lock()

    @property
    def name(self) -> str:
        """The model's name, as the server calls it."""
        if not self._model:
            with self._lock:
                self._model = self._model or self._only_model()
        return self._model

    def _list_models(self) -> list[dict[str, Any]]:
        rows = self._http.get("/models").get("data")
        return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []

    def _only_model(self) -> str:
        names = [str(row.get("id", "")) for row in self._list_models()]
        if len(names) != 1:
            listed = ", ".join(names[:8]) or "none"
            raise ModelError(
                f"{self.address} serves {len(names)} models ({listed}), expected one: name it, such as "
                f"{self.address.url}#{names[0] if names else 'NAME'}."
            )
        return names[0]

    @property
    def context(self) -> int:
        """What the server says of its longest prompt, 0 where it does not: it then refuses what is too long itself."""
        if self._context is None:
            self._context = 0
            with suppress(ModelError):
                rows = [row for row in self._list_models() if row.get("id") == self.name]
                context_tokens = (
                    (rows[0].get("max_model_len") or (rows[0].get("meta") or {}).get("n_ctx") or 0) if rows else 0
                )
                self._context = int(context_tokens)
        return self._context

    def generate(
        self,
        messages: Messages,
        *,
        max_tokens: int = 128,
        on_text: OnText | None = None,
        schema: str | None = None,
        choices: Sequence[str] = (),
    ) -> str:
        """The answer to ``messages``, at most ``max_tokens`` long; see the LLM protocol.

        Raises:
            ModelError: the server cannot be reached, is busy for too long, refuses, or answers with nonsense.
        """
        constrained_decoding.validate_constraints(schema, choices)
        request = self._request_body(messages, max_tokens, schema, choices)
        if choices:  # an object came to hold the choice: there is nothing to show before it is whole
            answer = self._parse_choice(self._complete(request), choices)
            if on_text is not None:
                on_text(answer)
            return answer
        if on_text is None:
            return self._complete(request)

        def decode(emit: Emit) -> None:
            for piece in self._stream_pieces(request):
                if emit(piece):
                    return

        return relay_stream(decode, on_text, wait=False)

    def batch(
        self,
        prompts: Sequence[Messages],
        *,
        max_tokens: int = 128,
        schema: str | None = None,
        choices: Sequence[str] = (),
    ) -> list[str]:
        """`generate` for each prompt, several requests at a time; the answers in the order of the prompts."""
        if not prompts:
            return []
        # the server batches by itself; the longest first, so that none of them is waited for alone at the end
        order = sorted(range(len(prompts)), key=lambda n: -sum(len(m["content"]) for m in prompts[n]))
        with ThreadPoolExecutor(min(self.config.at_once, len(prompts)), "kgrag-ask") as pool:
            futures = {
                n: pool.submit(self.generate, prompts[n], max_tokens=max_tokens, schema=schema, choices=choices)
                for n in order
            }
            try:
                return [futures[n].result() for n in range(len(prompts))]
            except BaseException:
                for future in futures.values():
                    future.cancel()
                raise

    def sample(
        self, messages: Messages, number: int, *, max_tokens: int = 128, temperature: float = 1.0, seed: int = 0
    ) -> list[str]:
        """See the Sampler protocol; that the same seed gives the same answers is the server's to keep.

        Raises:
            ModelError: as `generate`.
        """
        request = self._request_body(messages, max_tokens, None, ()) | {"temperature": temperature}
        return [self._complete(request | {"seed": seed + index}) for index in range(number)]

    def score(self, messages: Messages, continuation: str) -> float:
        """See the LLM protocol; needs a server that gives the log-probabilities of its prompt, as vLLM does.

        Raises:
            ModelError: the server does not, or fails.
        """
        if not continuation:
            return 0.0
        request = self._request_body([*messages, {"role": "assistant", "content": continuation}], 1, None, ())
        request |= {"prompt_logprobs": 0, "add_generation_prompt": False, "continue_final_message": True}
        tokens = self._http.post("/chat/completions", request).get("prompt_logprobs")
        if not isinstance(tokens, list):
            raise ModelError(
                f"{self.address} does not give the log-probability of a text that it is given, which vLLM does "
                "(prompt_logprobs): use such a server, or a model that runs here."
            )
        total, text = 0.0, ""
        for token in reversed(tokens):  # the continuation's tokens are the last ones
            row = next(iter(token.values())) if isinstance(token, dict) and token else None
            if not isinstance(row, dict) or len(text) >= len(continuation):
                break
            total += float(row.get("logprob", "nan"))
            text = str(row.get("decoded_token", "")) + text
        if text.strip() != continuation.strip():
            raise ModelError(
                f"{self.address} gave the log-probabilities of {text[:40]!r} where {continuation[:40]!r} was asked "
                "for: a word that begins in the prompt cannot be scored; give a continuation that begins one."
            )
        return total

    def count(self, text: str) -> int:
        """How many tokens ``text`` is, by a guess from its characters: servers do not tell in a way that all know."""
        return estimate_tokens(text)

    # --- the API ---------------------------------------------------------------------------------------------------

    def _request_body(
        self, messages: Messages, max_tokens: int, schema: str | None, choices: Sequence[str]
    ) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self.name,
            "messages": [dict(message) for message in messages],
            "max_tokens": max_tokens,
            "temperature": 0,
        }
        answer_schema = constrained_decoding.choices_schema(choices) if choices else schema
        if answer_schema is not None:
            schema_format = {"name": "answer", "schema": json.loads(answer_schema), "strict": True}
            request["response_format"] = {"type": "json_schema", "json_schema": schema_format}
        return request

    def _complete(self, request: dict[str, Any]) -> str:
        return _content_of(self._http.post("/chat/completions", request), "message", self.address)

    def _stream_pieces(self, request: dict[str, Any]) -> Iterator[str]:
        for event in self._http.stream("/chat/completions", {**request, "stream": True}):
            if event.get("choices"):  # the last event may hold the usage alone
                yield _content_of(event, "delta", self.address)

    def _parse_choice(self, answer: str, choices: Sequence[str]) -> str:
        choice = answer.strip()
        with suppress(ValueError, KeyError, TypeError):
            choice = str(json.loads(choice)["answer"])
        if choice not in choices:
            raise ModelError(
                f"{self.address} answered {choice[:40]!r}, which is none of {', '.join(choices)}: it does not follow "
                "a JSON schema (response_format); use a server that does."
            )
        return choice


def _content_of(reply: dict[str, Any], message_key: str, address: ServerAddress) -> str:
    """The text of a reply or of an event of a stream."""
    try:
        return str(reply["choices"][0][message_key].get("content") or "")
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{address} answered with JSON that holds no answer ({json.dumps(reply)[:80]}): "
            "check that its address ends as the API's does, such as /v1."
        ) from error


def estimate_tokens(text: str) -> int:
    """About how many tokens a text is, whoever counts: one for each East Asian character, one for three others."""
    wide = sum(ord(c) >= 0x2E80 for c in text)
    return wide + -(-(len(text) - wide) // 3)
