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
from kgrag.llm import constrain
from kgrag.llm.http import Http
from kgrag.llm.stream import Emit, OnText, relay
from kgrag.models.address import Address
from kgrag.protocols import Messages


class ServerLLM:
    """Greedy decoding by a server. Failures that may pass are tried again; a request under way can be stopped."""

    def __init__(self, address: Address, key: str = "", config: ServerConfig | None = None) -> None:
        """Nothing is asked of the server yet.

        Args:
            address: with the model's name, or without where the server has one model.
            key: sent as a bearer token, never shown; "" where the server wants none.
            config: timeouts, tries, and how many requests at a time.
        """
        self.config = config or ServerConfig()
        self._http = Http(address.url, key, self.config)
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

    def _models(self) -> list[dict[str, Any]]:
        found = self._http.get("/models").get("data")
        return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []

    def _only_model(self) -> str:
        names = [str(row.get("id", "")) for row in self._models()]
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
                rows = [row for row in self._models() if row.get("id") == self.name]
                said = (rows[0].get("max_model_len") or (rows[0].get("meta") or {}).get("n_ctx") or 0) if rows else 0
                self._context = int(said)
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
        constrain.checked(schema, choices)
        asked = self._asked(messages, max_tokens, schema, choices)
        if choices:  # an object came to hold the choice: there is nothing to show before it is whole
            answer = self._chosen(self._whole(asked), choices)
            if on_text is not None:
                on_text(answer)
            return answer
        if on_text is None:
            return self._whole(asked)

        def decode(emit: Emit) -> None:
            for piece in self._pieces(asked):
                if emit(piece):
                    return

        return relay(decode, on_text, wait=False)

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
            running = {
                n: pool.submit(self.generate, prompts[n], max_tokens=max_tokens, schema=schema, choices=choices)
                for n in order
            }
            try:
                return [running[n].result() for n in range(len(prompts))]
            except BaseException:
                for one in running.values():
                    one.cancel()
                raise

    def sample(
        self, messages: Messages, number: int, *, max_tokens: int = 128, temperature: float = 1.0, seed: int = 0
    ) -> list[str]:
        """See the Sampler protocol; that the same seed gives the same answers is the server's to keep.

        Raises:
            ModelError: as `generate`.
        """
        asked = self._asked(messages, max_tokens, None, ()) | {"temperature": temperature}
        return [self._whole(asked | {"seed": seed + place}) for place in range(number)]

    def score(self, messages: Messages, continuation: str) -> float:
        """See the LLM protocol; needs a server that gives the log-probabilities of its prompt, as vLLM does.

        Raises:
            ModelError: the server does not, or fails.
        """
        if not continuation:
            return 0.0
        asked = self._asked([*messages, {"role": "assistant", "content": continuation}], 1, None, ())
        asked |= {"prompt_logprobs": 0, "add_generation_prompt": False, "continue_final_message": True}
        tokens = self._http.post("/chat/completions", asked).get("prompt_logprobs")
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
        return guessed_tokens(text)

    # --- the API ---------------------------------------------------------------------------------------------------

    def _asked(self, messages: Messages, max_tokens: int, schema: str | None, choices: Sequence[str]) -> dict[str, Any]:
        asked: dict[str, Any] = {
            "model": self.name,
            "messages": [dict(message) for message in messages],
            "max_tokens": max_tokens,
            "temperature": 0,
        }
        wanted = constrain.as_schema(choices) if choices else schema
        if wanted is not None:
            form = {"name": "answer", "schema": json.loads(wanted), "strict": True}
            asked["response_format"] = {"type": "json_schema", "json_schema": form}
        return asked

    def _whole(self, asked: dict[str, Any]) -> str:
        return _text(self._http.post("/chat/completions", asked), "message", self.address)

    def _pieces(self, asked: dict[str, Any]) -> Iterator[str]:
        for event in self._http.stream("/chat/completions", {**asked, "stream": True}):
            if event.get("choices"):  # the last event may hold the usage alone
                yield _text(event, "delta", self.address)

    def _chosen(self, answer: str, choices: Sequence[str]) -> str:
        said = answer.strip()
        with suppress(ValueError, KeyError, TypeError):
            said = str(json.loads(said)["answer"])
        if said not in choices:
            raise ModelError(
                f"{self.address} answered {said[:40]!r}, which is none of {', '.join(choices)}: it does not follow "
                "a JSON schema (response_format); use a server that does."
            )
        return said


def _text(reply: dict[str, Any], part: str, address: Address) -> str:
    """The text of a reply or of an event of a stream."""
    try:
        return str(reply["choices"][0][part].get("content") or "")
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{address} answered with JSON that holds no answer ({json.dumps(reply)[:80]}): "
            "check that its address ends as the API's does, such as /v1."
        ) from error


def guessed_tokens(text: str) -> int:
    """About how many tokens a text is, whoever counts: one for each East Asian character, one for three others."""
    wide = sum(ord(c) >= 0x2E80 for c in text)
    return wide + -(-(len(text) - wide) // 3)
