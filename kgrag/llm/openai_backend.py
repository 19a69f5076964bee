"""Language model behind an OpenAI-compatible server: vLLM, Ollama, llama.cpp, or a paid service."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Lock

from kgrag.config import ServerConfig
from kgrag.errors import ModelError
from kgrag.llm import constrained_decoding
from kgrag.llm.chat_model import ChatModel
from kgrag.llm.http_client import JsonHttpClient
from kgrag.llm.streaming import Emit, relay_stream
from kgrag.models.endpoint import ServerAddress
from kgrag.protocols import GenerationOptions, Messages, OnText
from kgrag.serialize import JsonObject
from kgrag.text.token_estimate import estimate_tokens


class ServerLLM(ChatModel):
    """Greedy decoding by a server. Retries transient errors; a running request can be stopped."""

    def __init__(self, address: ServerAddress, key: str = "", config: ServerConfig | None = None) -> None:
        """Store the settings; sends no request yet.

        Args:
            address: address of the server, with the model's name unless the server has a single model.
            key: bearer token, never shown; "" for none.
            config: timeout, number of tries and of concurrent requests.
        """
        self.config = config or ServerConfig()
        self._http = JsonHttpClient(address.url, key, self.config)
        self.address = address
        self._model = address.model
        self._context: int | None = None
        self._lock = Lock()

    @property
    def name(self) -> str:
        """Name of the model, as the server gives it."""
        if not self._model:
            with self._lock:
                self._model = self._model or self._only_model()
        return self._model

    def _list_models(self) -> list[JsonObject]:
        rows = self._http.get("/models").get("data")
        return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []

    def _only_model(self) -> str:
        names = [str(row.get("id", "")) for row in self._list_models()]
        if len(names) != 1:
            listed = ", ".join(names[:8]) or "none"
            raise ModelError(
                f"{self.address} serves {len(names)} models ({listed}), expected one: add a name, such as "
                f"{self.address.url}#{names[0] if names else 'NAME'}."
            )
        return names[0]

    @property
    def context(self) -> int:
        """Context length as the configuration or the server states it; 0 if neither does."""
        if self._context is None:
            self._context = self.config.context or self._stated_context()
        return self._context

    def _stated_context(self) -> int:
        with suppress(ModelError):
            for row in self._list_models():
                if row.get("id") == self.name:
                    return int(row.get("max_model_len") or (row.get("meta") or {}).get("n_ctx") or 0)
        return 0

    def generate(
        self, messages: Messages, options: GenerationOptions = GenerationOptions(), *, on_text: OnText | None = None
    ) -> str:
        """Answer ``messages``; see the LLM protocol.

        Raises:
            ModelError: the server cannot be reached, stays busy, refuses, or returns an invalid response.
        """
        constrained_decoding.validate_constraints(options)
        request = self._request_body(messages, options)
        if options.choices:  # the choice arrives inside a JSON object: nothing to stream before it is complete
            answer = self._parse_choice(self._complete(request), options.choices)
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

    def batch(self, prompts: Sequence[Messages], options: GenerationOptions = GenerationOptions()) -> list[str]:
        """Return the answer of `generate` for each prompt, in order, with several concurrent requests."""
        if not prompts:
            return []
        # the server batches by itself; the longest first, so that none of them finishes alone at the end
        order = sorted(range(len(prompts)), key=lambda n: -sum(len(m["content"]) for m in prompts[n]))
        with ThreadPoolExecutor(min(self.config.at_once, len(prompts)), "kgrag-ask") as pool:
            futures = {n: pool.submit(self.generate, prompts[n], options) for n in order}
            try:
                return [futures[n].result() for n in range(len(prompts))]
            except BaseException:
                for future in futures.values():
                    future.cancel()
                raise

    def sample(
        self, messages: Messages, number: int, *, max_tokens: int = 128, temperature: float = 1.0, seed: int = 0
    ) -> list[str]:
        """Draw samples; see the Sampler protocol. Whether a seed repeats its answers depends on the server.

        Raises:
            ModelError: as `generate`.
        """
        request = self._request_body(messages, GenerationOptions(max_tokens)) | {"temperature": temperature}
        return [self._complete(request | {"seed": seed + index}) for index in range(number)]

    def score(self, messages: Messages, continuation: str) -> float:
        """Score ``continuation``; see the LLM protocol. Needs a server with prompt log-probabilities, such as vLLM.

        Raises:
            ModelError: the server does not support it, or fails.
        """
        if not continuation:
            return 0.0
        request = self._request_body(
            [*messages, {"role": "assistant", "content": continuation}], GenerationOptions(max_tokens=1)
        )
        request |= {"prompt_logprobs": 0, "add_generation_prompt": False, "continue_final_message": True}
        tokens = self._http.post("/chat/completions", request).get("prompt_logprobs")
        if not isinstance(tokens, list):
            raise ModelError(
                f"{self.address} returned no log-probabilities of the prompt (prompt_logprobs), which vLLM supports: "
                "use such a server or a local model."
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
                f"{self.address} returned the log-probabilities of {text[:40]!r}, expected {continuation[:40]!r}: "
                "a continuation must not start inside a word of the prompt; pass one that starts with a new word."
            )
        return total

    def count(self, text: str) -> int:
        """Estimate the number of tokens from the characters: servers have no common way to count them."""
        return estimate_tokens(text)

    # --- the API ---------------------------------------------------------------------------------------------------

    def _request_body(self, messages: Messages, options: GenerationOptions) -> JsonObject:
        request: JsonObject = {
            "model": self.name,
            "messages": [dict(message) for message in messages],
            "max_tokens": options.max_tokens,
            "temperature": 0,
        }
        answer_schema = constrained_decoding.choices_schema(options.choices) if options.choices else options.schema
        if answer_schema is not None:
            schema_format = {"name": "answer", "schema": json.loads(answer_schema), "strict": True}
            request["response_format"] = {"type": "json_schema", "json_schema": schema_format}
        return request

    def _complete(self, request: JsonObject) -> str:
        return self._http.mask_reply(
            _content_of(self._http.post("/chat/completions", request), "message", self.address)
        )

    def _stream_pieces(self, request: JsonObject) -> Iterator[str]:
        pending = ""
        for event in self._http.stream("/chat/completions", {**request, "stream": True}):
            if event.get("choices"):  # the last event may hold the usage alone
                pending = self._http.mask_reply(pending + _content_of(event, "delta", self.address))
                end = len(pending) - self._http.key_prefix_at_end(pending)
                yield pending[:end]
                pending = pending[end:]
        yield pending

    def _parse_choice(self, answer: str, choices: Sequence[str]) -> str:
        choice = answer.strip()
        with suppress(ValueError, KeyError, TypeError):
            choice = str(json.loads(choice)["answer"])
        if choice not in choices:
            raise ModelError(
                f"{self.address} answered {choice[:40]!r}, expected one of {', '.join(choices)}: the server ignores "
                "JSON schemas (response_format); use one that supports them."
            )
        return choice


def _content_of(reply: JsonObject, message_key: str, address: ServerAddress) -> str:
    """Return the text of a response or of a stream's event."""
    try:
        return str(reply["choices"][0][message_key].get("content") or "")
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{address} returned JSON without an answer ({json.dumps(reply)[:80]}): "
            "check that the address ends with the API's path, such as /v1."
        ) from error
