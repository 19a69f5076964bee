"""JSON over HTTP with retries; the API key never appears in a message."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any

from kgrag.config import ServerConfig
from kgrag.errors import ModelError
from kgrag.serialize import JsonObject

if TYPE_CHECKING:
    import httpx

TRANSIENT_STATUSES = frozenset([408, 409, 425, 429, 500, 502, 503, 504])
"""HTTP statuses of transient errors, which are retried."""
MAX_WAIT_SECONDS = 60.0
"""Longest wait that a server's Retry-After header can ask for, in seconds."""
MIN_SECRET_CHARS = 12
"""Characters of a key that is a secret; shorter ones are placeholders for servers that ask for none."""


class JsonHttpClient:
    """JSON client of one server, with a limit on concurrent requests.

    Args:
        url: base URL; every path is appended to it.
        key: bearer token; "" for none.
        config: timeout, number of tries and of concurrent requests.
        sleep: waits between tries; tests pass their own.
    """

    def __init__(self, url: str, key: str, config: ServerConfig, sleep: Callable[[float], None] = time.sleep) -> None:
        import httpx

        self._url, self._config, self._sleep, self._key = url, config, sleep, key
        self._slots = BoundedSemaphore(config.at_once)
        timeout = httpx.Timeout(config.timeout, connect=min(10.0, config.timeout))
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(timeout=timeout, headers=headers, follow_redirects=True)

    def get(self, path: str) -> JsonObject:
        """Return the JSON object at ``path``. Raises ModelError: see `post`."""
        return self._with_retries(lambda: self._response_object(self._client.get(self._url + path)))

    def post(self, path: str, body: JsonObject) -> JsonObject:
        """Send ``body`` and return the JSON object of the response.

        Raises:
            ModelError: no response within the timeout and the tries, a response that is not a JSON object, or a refusal.
        """
        return self._with_retries(lambda: self._response_object(self._client.post(self._url + path, json=body)))

    def stream(self, path: str, body: JsonObject) -> Iterator[JsonObject]:
        """Send ``body`` and yield the events of the response. Retries only until the first event.

        Raises:
            ModelError: as `post`, or the stream ended too early.
        """
        with self._slots:
            for attempt in range(1, self._config.tries + 1):
                has_started = False
                try:
                    with self._translate_errors(), self._client.stream("POST", self._url + path, json=body) as response:
                        if response.status_code != 200:
                            response.read()
                            self._raise_refusal(response)
                        for event in self._parse_events(response):
                            has_started = True
                            yield event
                    return
                except _TransientError as passing:
                    if has_started or attempt == self._config.tries:
                        detail = " in the middle of an answer" if has_started else f", tried {attempt} times"
                        raise ModelError(f"{self._url} {passing}{detail}: {passing.advice}") from passing
                    self._sleep(passing.wait_seconds(attempt))

    def _parse_events(self, response: httpx.Response) -> Iterator[JsonObject]:
        """Yield server-sent events up to ``[DONE]`` or the event with the finish reason."""
        is_finished, other_text = False, ""
        for line in response.iter_lines():
            if not line.startswith("data:"):
                other_text += (
                    line[: 200 - len(other_text)] if not line.startswith((":", "event:", "id:", "retry:")) else ""
                )
                continue
            data = line[5:].strip()
            if data == "[DONE]":
                return
            event = self._parse_object(data)
            if "error" in event:
                raise ModelError(f"{self._url} failed while answering ({_error_reason(event)}): retry.")
            is_finished = is_finished or any(choice.get("finish_reason") for choice in event.get("choices") or [])
            yield event
        if other_text:
            self._parse_object(other_text if not other_text.startswith("{") else "{")
        if not is_finished:
            raise _TransientError("cut the connection", "retry; if it happens again, check the server's log.")

    def _with_retries(self, send: Callable[[], JsonObject]) -> JsonObject:
        with self._slots:
            for attempt in range(1, self._config.tries + 1):
                try:
                    with self._translate_errors():
                        return send()
                except _TransientError as passing:
                    if attempt == self._config.tries:
                        raise ModelError(f"{self._url} {passing}, tried {attempt} times: {passing.advice}") from passing
                    self._sleep(passing.wait_seconds(attempt))
        raise AssertionError("tries are at least one")

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        """Translate the client's errors into transient and permanent ones."""
        import httpx

        try:
            yield
        except httpx.TimeoutException as error:
            message = f"did not answer within {self._config.timeout:g} s"
            raise _TransientError(message, "check the server's load, or raise server.timeout in kgrag.toml.") from error
        except httpx.ConnectError as error:
            reason = self._mask_key(str(error)) or "no connection"
            raise _TransientError(f"cannot be reached ({reason})", "start the server, or fix its address.") from error
        except httpx.TransportError as error:
            raise _TransientError(
                "cut the connection", "retry; if it happens again, check the server's log."
            ) from error
        except (httpx.InvalidURL, httpx.TooManyRedirects, UnicodeEncodeError) as error:
            reason = self._mask_key(str(error))
            raise ModelError(f"{self._url} cannot be reached ({reason}): fix the address or the key.") from None

    def _response_object(self, response: httpx.Response) -> JsonObject:
        if response.status_code != 200:
            self._raise_refusal(response)
        return self._parse_object(response.text)

    def _parse_object(self, text: str) -> JsonObject:
        try:
            parsed = json.loads(text)
        except ValueError:
            parsed = None
        if not isinstance(parsed, dict):
            excerpt = self._mask_key(" ".join(text.split())[:80])
            raise ModelError(
                f"{self._url} returned something other than a JSON object ({excerpt!r}): "
                "check that the address ends with the API's path, such as /v1."
            )
        return parsed

    def _raise_refusal(self, response: httpx.Response) -> None:
        status = response.status_code
        try:
            reason = _error_reason(json.loads(response.text))
        except ValueError:
            reason = " ".join(response.text.split())[:120]
        reason = self._mask_key(reason) or response.reason_phrase
        if status in TRANSIENT_STATUSES:
            advice = "wait, or lower server.at_once in kgrag.toml." if status == 429 else "check the server's log."
            raise _TransientError(
                f"answered {status} ({reason})", advice, _parse_retry_after(response.headers.get("retry-after", ""))
            )
        advice = {
            401: "set KGRAG_API_KEY to a valid key.",
            403: "set KGRAG_API_KEY to a key with access to this model.",
            404: "check the address and the model's name, such as http://host:8000/v1#NAME.",
            413: "lower evidence_tokens or k, or shorten the question.",
        }.get(status, "fix the cause and retry.")
        raise ModelError(f"{self._url} refused with {status} ({reason}): {advice}")

    def _mask_key(self, text: str) -> str:
        """Mask the API key in a text, because a server may repeat it."""
        return text.replace(self._key, "…") if self._key else text

    def mask_reply(self, text: str) -> str:
        """Mask the API key in a model's text, unless it is a placeholder such as "EMPTY", which may be a word of it."""
        return self._mask_key(text) if len(self._key) >= MIN_SECRET_CHARS else text

    def key_prefix_at_end(self, text: str) -> int:
        """Return how many characters at the end of a text may be the beginning of the API key."""
        if len(self._key) < MIN_SECRET_CHARS:
            return 0
        return next((n for n in range(len(self._key) - 1, 0, -1) if text.endswith(self._key[:n])), 0)


class _TransientError(Exception):
    """A transient failure: a retry may succeed."""

    def __init__(self, message: str, advice: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.advice, self._retry_after = advice, retry_after

    def wait_seconds(self, attempt: int) -> float:
        """Return the seconds to wait: the server's Retry-After, or exponential backoff with jitter."""
        if self._retry_after is not None:
            return min(self._retry_after, MAX_WAIT_SECONDS)
        return float(min(0.5 * 2 ** (attempt - 1), MAX_WAIT_SECONDS) * random.uniform(0.75, 1.25))


def _parse_retry_after(header: str) -> float | None:
    try:
        return max(0.0, float(header))
    except ValueError:  # Retry-After may be a date: use the backoff
        return None


def _error_reason(reply: Any) -> str:
    """Return a server's error message from any of the common JSON forms."""
    detail = reply.get("error", reply) if isinstance(reply, dict) else reply
    if isinstance(detail, dict):
        detail = detail.get("message") or detail.get("detail") or detail
    return " ".join(str(detail).split())[:200]
