"""Fake OpenAI-compatible server on 127.0.0.1, with the faults of real servers."""

from __future__ import annotations

import json
import math
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from kgrag.protocols import GenerationOptions
from tests.support.fake_llm import FakeLLM

API_KEY = "secret-key-of-the-test"


class FakeOpenAIServer(ThreadingHTTPServer):
    """Serves a `FakeLLM`. Each request takes the leftmost of ``faults``; "" is none.

    A fault is a status ("429", "429 after 0", "500"), "nonsense" (no JSON), "array" (JSON, no object), "empty" (no
    choices), "cut" (the connection ends before the answer does), "slow" (nothing comes), or "echo the key".
    """

    daemon_threads = True

    def __init__(self, llm: FakeLLM | None = None) -> None:
        super().__init__(("127.0.0.1", 0), FakeOpenAIHandler)
        self.llm = llm or FakeLLM()
        self.faults: deque[str] = deque()
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.requires_key, self.response_delay, self.supports_schema, self.supports_logprobs = False, 5.0, True, True
        self.model_names = ["fake"]
        self.active_requests = self.max_active_requests = 0
        self.lock = threading.Lock()
        self.disconnect_count = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        self.disconnect_count += 1  # the client has disconnected


class FakeOpenAIHandler(BaseHTTPRequestHandler):
    server: FakeOpenAIServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None: ...

    def do_GET(self) -> None:
        rows = [
            {"id": name, "object": "model", "max_model_len": self.server.llm.context}
            for name in self.server.model_names
        ]
        self._respond({}, lambda: self._send_json({"object": "list", "data": rows}))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.active_requests += 1
            self.server.max_active_requests = max(self.server.max_active_requests, self.server.active_requests)
        try:
            self._respond(body, lambda: self._complete_chat(body))
        finally:
            with self.server.lock:
                self.server.active_requests -= 1

    def _respond(self, body: dict[str, Any], send_answer: Any) -> None:
        self.server.requests.append((self.path, body))
        fault = self.server.faults.popleft() if self.server.faults else ""
        if self.server.requires_key and self.headers.get("Authorization") != f"Bearer {API_KEY}":
            self._send_json({"error": {"message": "Incorrect API key"}}, 401)
        elif not self.path.startswith("/v1/"):
            self._send_json({"detail": "Not Found"}, 404)
        elif fault[:3].isdigit():
            retry_headers = {"Retry-After": fault[10:]} if " after " in fault else {}
            self._send_json({"error": {"message": "try later"}}, int(fault[:3]), retry_headers)
        elif fault == "nonsense":
            self._send(b"<html>It works!</html>", 200, {"Content-Type": "text/html"})
        elif fault == "array":
            self._send(b"[1, 2]", 200, {})
        elif fault == "empty":
            self._send_json({"choices": []}) if not body.get("stream") else self._send_events(['{"choices": [{}]}'])
        elif fault == "echo the key":
            self._send_json({"error": {"message": f"bad key {self.headers.get('Authorization')}"}}, 400)
        elif fault == "slow":
            time.sleep(self.server.response_delay)
            self.close_connection = True
        elif fault == "cut":
            self._send_truncated(body)
        else:
            send_answer()

    def _send_truncated(self, body: dict[str, Any]) -> None:
        self.send_response(200)
        if not body.get("stream"):
            self.send_header("Content-Length", "1000")
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b'data: {"choices": [{"delta": {"content": "Par"}}]}\n\n' if body.get("stream") else b'{"cho')
        self.close_connection = True

    def _complete_chat(self, body: dict[str, Any]) -> None:
        messages, response_format = (
            body["messages"],
            body.get("response_format") if self.server.supports_schema else None,
        )
        schema = json.dumps(response_format["json_schema"]["schema"]) if response_format else None
        if sum(self.server.llm.count(m["content"]) for m in messages) + body["max_tokens"] > self.server.llm.context:
            self._send_json({"error": {"message": f"maximum context length is {self.server.llm.context}"}}, 400)
            return
        if body.get("continue_final_message"):
            *previous_messages, last_message = messages
            text = last_message["content"]
            prefix_scores = [self.server.llm.score(previous_messages, text[:n]) for n in range(len(text) + 1)]
            tokens = [
                {"1": {"logprob": b - a, "decoded_token": c}}
                for a, b, c in zip(prefix_scores, prefix_scores[1:], text, strict=False)
            ]
            logprob_fields = {"prompt_logprobs": [None, {"2": {"logprob": -math.e, "decoded_token": "?"}}, *tokens]}
            self._send_json(
                {"choices": [{"message": {"content": ""}}]} | (logprob_fields if self.server.supports_logprobs else {})
            )
            return
        if body.get("stream"):
            text = self.server.llm.generate(messages, GenerationOptions(max_tokens=body["max_tokens"], schema=schema))
            pieces = [text[n : n + 3] for n in range(0, len(text), 3)]
            events = [
                json.dumps({"choices": [{"delta": {"content": piece}, "finish_reason": None}]}) for piece in pieces
            ]
            finish_event = '{"choices": [{"delta": {}, "finish_reason": "stop"}]}'
            self._send_events([*events, finish_event, '{"choices": [], "usage": {"total_tokens": 3}}', "[DONE]"])
            return
        text = self.server.llm.generate(messages, GenerationOptions(max_tokens=body["max_tokens"], schema=schema))
        self._send_json({"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]})

    def _send_events(self, events: list[str]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for event in events:
            self.wfile.write(f"data: {event}\n\n".encode())
            self.wfile.flush()
        self.close_connection = True

    def _send_json(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self._send(json.dumps(value).encode(), status, {"Content-Type": "application/json", **(headers or {})})

    def _send(self, content: bytes, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def serve_fake_openai(llm: FakeLLM | None = None) -> Iterator[FakeOpenAIServer]:
    """Run a server until the end of the block."""
    server = FakeOpenAIServer(llm)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
