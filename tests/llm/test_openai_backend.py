"""Model behind a server: retries of transient errors, clear messages of others, and a key that is never shown."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from kgrag.config import Config, ServerConfig
from kgrag.errors import ModelError
from kgrag.llm import http_client
from kgrag.llm.loader import load_llm
from kgrag.llm.openai_backend import ServerLLM
from kgrag.models.endpoint import parse_address
from kgrag.protocols import GenerationOptions
from tests.support.cli_shell import Shell
from tests.support.fake_llm import FakeLLM
from tests.support.fake_openai_server import API_KEY, FakeOpenAIServer, serve_fake_openai

ASKED = [{"role": "user", "content": "what is the capital of France?"}]
SAYS = FakeLLM().default_answer
FAST = ServerConfig(timeout=0.5, tries=3, at_once=2)


@pytest.fixture
def server() -> Iterator[FakeOpenAIServer]:
    with serve_fake_openai() as running:
        yield running


@pytest.fixture(autouse=True)
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Record the seconds between tries, without waiting."""
    seconds: list[float] = []
    made = http_client.JsonHttpClient.__init__

    def init(self: http_client.JsonHttpClient, *arguments: object) -> None:
        made(self, *arguments, sleep=seconds.append)  # type: ignore[arg-type]

    monkeypatch.setattr(http_client.JsonHttpClient, "__init__", init)
    return seconds


def client(server: FakeOpenAIServer, key: str = "") -> ServerLLM:
    return ServerLLM(parse_address(f"{server.url}#fake"), key, FAST)


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("fault", ["429", "500", "503", "cut", "slow"])
def test_transient_error_is_retried(server: FakeOpenAIServer, waited: list[float], fault: str, streams: bool) -> None:
    server.response_delay = 1.0
    server.faults.extend([fault, fault])
    if streams and fault == "cut":
        return  # a stream that has begun is not begun again: see below
    heard: list[str] = []
    answer = client(server).generate(ASKED, on_text=heard.append if streams else None)
    assert answer == SAYS and (not streams or "".join(heard) == SAYS)
    assert len(server.requests) == 3 and len(waited) == 2
    assert 0.37 <= waited[0] <= 0.63 and 0.75 <= waited[1] <= 1.25, "twice as long each time"


def test_retry_after_header_sets_wait(server: FakeOpenAIServer, waited: list[float]) -> None:
    server.faults.extend(["429 after 7", "429 after 3600"])
    assert client(server).generate(ASKED) == SAYS and waited == [7.0, http_client.MAX_WAIT_SECONDS]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("429", r"answered 429 \(try later\), tried 3 times: wait, or lower server.at_once"),
        ("500", r"answered 500 \(try later\), tried 3 times: check the server's log"),
        ("cut", r"cut the connection, tried 3 times: retry"),
        ("slow", r"did not answer within 0.5 s, tried 3 times: .*server.timeout in kgrag.toml"),
    ],
)
def test_persistent_error_raises_model_error(server: FakeOpenAIServer, fault: str, said: str) -> None:
    server.response_delay = 1.0
    server.faults.extend([fault] * 3)
    with pytest.raises(ModelError, match=said):
        client(server).generate(ASKED)
    assert client(server).generate(ASKED) == SAYS, "the next question is answered"


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("nonsense", r"other than a JSON object \('<html>It works!</html>'\).*such as /v1"),
        ("array", r"other than a JSON object \('\[1, 2\]'\)"),
        ("empty", "JSON without an answer"),
        ("400", r"refused with 400 \(try later\)"),
        ("404", r"refused with 404.*the model's name"),
    ],
)
def test_invalid_reply_or_refusal_is_not_retried(
    server: FakeOpenAIServer, fault: str, said: str, streams: bool
) -> None:
    server.faults.append(fault)
    with pytest.raises(ModelError, match=said):
        client(server).generate(ASKED, on_text=(lambda _: None) if streams else None)
    assert len(server.requests) == 1


def test_stream_cut_in_the_middle_is_not_retried(server: FakeOpenAIServer) -> None:
    server.faults.append("cut")
    heard: list[str] = []
    with pytest.raises(ModelError, match="cut the connection in the middle of an answer: retry"):
        client(server).generate(ASKED, on_text=heard.append)
    assert heard == ["Par"] and len(server.requests) == 1


def test_stop_closes_stream(server: FakeOpenAIServer) -> None:
    server.llm.default_answer = "word " * 500
    heard: list[str] = []

    def stop(piece: str) -> bool:
        heard.append(piece)
        return len(heard) == 2

    llm = client(server)
    assert llm.generate(ASKED, GenerationOptions(max_tokens=3000), on_text=stop) == "".join(heard) == "word w"
    assert llm.generate(ASKED, GenerationOptions(max_tokens=4)) == "word", "and the next question is answered"


def test_ctrl_c_does_not_wait_for_server(server: FakeOpenAIServer) -> None:
    server.faults.append("slow")
    server.response_delay = 20
    llm = ServerLLM(parse_address(f"{server.url}#fake"), "", ServerConfig(timeout=30, tries=1))

    def interrupt() -> None:
        time.sleep(0.3)
        import _thread

        _thread.interrupt_main()

    began = time.monotonic()
    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        llm.generate(ASKED, on_text=lambda _: None)
    assert time.monotonic() - began < 5


def test_unreachable_server_raises_model_error() -> None:
    with serve_fake_openai() as server:
        gone = server.url
    llm = ServerLLM(parse_address(f"{gone}#fake"), "", FAST)
    with pytest.raises(ModelError, match=r"cannot be reached \(.*\), tried 3 times: start the server"):
        llm.generate(ASKED)
    assert llm.context == 0


def test_key_is_sent_and_never_shown(
    server: FakeOpenAIServer, monkeypatch: pytest.MonkeyPatch, shell: Shell, store: object
) -> None:
    server.requires_key = True
    assert client(server, API_KEY).generate(ASKED) == SAYS
    with pytest.raises(ModelError, match="KGRAG_API_KEY"):
        client(server).generate(ASKED)
    server.faults.append("echo the key")
    with pytest.raises(ModelError) as error:
        client(server, API_KEY).generate(ASKED)
    assert API_KEY not in str(error.value) and "…" in str(error.value)
    monkeypatch.setenv("KGRAG_API_KEY", API_KEY)
    assert load_llm(f"{server.url}#fake").generate(ASKED) == SAYS
    server.faults.append("echo the key")
    code, out, err = shell("ask", "Who paid?", "--closed-book", "--store", str(store), "--model", f"{server.url}#fake")
    assert code == 1 and API_KEY not in out + err and "refused with 400" in err


@pytest.mark.parametrize(
    ("key", "said", "heard"),
    [
        (API_KEY, f"It is {API_KEY}.", "It is …."),
        (API_KEY, f"It is {API_KEY[:-1]}", f"It is {API_KEY[:-1]}"),
        ("EMPTY", "It is EMPTY.", "It is EMPTY."),
    ],
)
def test_key_in_a_reply_is_masked_unless_it_is_a_word(
    server: FakeOpenAIServer, key: str, said: str, heard: str
) -> None:
    server.llm.default_answer = said
    pieces: list[str] = []
    assert client(server, key).generate([{"role": "user", "content": "?"}]) == heard
    assert client(server, key).generate([{"role": "user", "content": "?"}], on_text=pieces.append) == heard
    assert "".join(pieces) == heard


def test_batch_respects_request_limit(server: FakeOpenAIServer) -> None:
    server.llm.answers = {f"question {n}": f"answer {n}" for n in range(9)}
    made = server.llm.generate

    def slowly(*arguments: object, **options: object) -> str:
        time.sleep(0.05)
        return made(*arguments, **options)  # type: ignore[arg-type]

    server.llm.generate = slowly  # type: ignore[method-assign]
    prompts = [[{"role": "user", "content": f"question {n}"}] for n in range(9)]
    assert client(server).batch(prompts) == [f"answer {n}" for n in range(9)]
    assert server.max_active_requests == 2


def test_batch_stops_at_first_failure(server: FakeOpenAIServer) -> None:
    server.faults.append("400")
    with pytest.raises(ModelError, match="400"):
        client(server).batch([ASKED] * 3)


def test_single_model_needs_no_name(server: FakeOpenAIServer) -> None:
    llm = ServerLLM(parse_address(server.url), "", FAST)
    assert llm.generate(ASKED) == SAYS and llm.name == "fake" and llm.context == FakeLLM.context
    server.model_names = ["one", "two"]
    with pytest.raises(ModelError, match=r"serves 2 models \(one, two\), expected one: add a name, such as .*/v1#one"):
        ServerLLM(parse_address(server.url), "", FAST).generate(ASKED)


def test_server_without_schema_or_logprobs_is_rejected(server: FakeOpenAIServer) -> None:
    server.supports_schema = server.supports_logprobs = False
    with pytest.raises(ModelError, match="expected one of yes, no: the server ignores"):
        client(server).generate(ASKED, GenerationOptions(choices=("yes", "no")))
    with pytest.raises(ModelError, match="returned no log-probabilities of the prompt"):
        client(server).score(ASKED, "Paris")


def test_score_covers_continuation_only(server: FakeOpenAIServer) -> None:
    llm = client(server)
    for text in ("P", "Paris", "Paris is", "London"):
        assert llm.score(ASKED, text) == pytest.approx(server.llm.score(ASKED, text))


@pytest.mark.parametrize(
    ("name", "url", "model", "here"),
    [
        ("http://127.0.0.1:8000/v1#a/b", "http://127.0.0.1:8000/v1", "a/b", True),
        ("HTTPS://api.example.org/v1/#gpt", "https://api.example.org/v1", "gpt", False),
        ("http://localhost:11434/v1", "http://localhost:11434/v1", "", True),
        ("http://[::1]:80/v1#m", "http://[::1]:80/v1", "m", True),
        ("http://10.0.0.7/v1#m", "http://10.0.0.7/v1", "m", False),
    ],
)
def test_parse_address_valid_url_is_split(name: str, url: str, model: str, here: bool) -> None:
    found = parse_address(name)
    assert (found.url, found.model, found.is_local) == (url, model, here)
    assert str(parse_address(str(found))) == str(found)


def test_invalid_address_is_rejected(shell: Shell, store: object) -> None:
    for name, said in [
        ("http://user:secret@host/v1", "A key does not belong in an address"),
        ("http://host/v1?key=secret", "A key does not belong in an address"),
        ("http:///v1", "found no host"),
        ("http://host:99999/v1", "found a malformed one"),
    ]:
        line = shell.expect_error(2, "ask", "Who?", "--store", str(store), "--model", name)
        assert said in line and "secret" not in line


def test_remote_server_prints_privacy_notice() -> None:
    said: list[str] = []
    load_llm("https://api.example.org/v1#m", lambda message, _: said.append(message))
    assert said == ["questions and passages are sent to https://api.example.org/v1"]
    load_llm("http://127.0.0.1:9/v1#m", lambda message, _: said.append(message))
    assert len(said) == 1
    with pytest.raises(ModelError, match="adapter cannot be added to a model behind a server"):
        load_llm("http://127.0.0.1:9/v1#m", config=Config.model_validate({"adapter": "x"}))


def test_retry_waits_grow_up_to_limit() -> None:
    passing = http_client._TransientError("x", "y")
    least = [min(passing.wait_seconds(n) for _ in range(20)) for n in (1, 2, 3, 10, 50)]
    assert all(a < b for a, b in pairwise(least[:3])) and least[-1] <= http_client.MAX_WAIT_SECONDS * 1.25


def test_configured_context_precedes_what_the_server_states(server: FakeOpenAIServer) -> None:
    address = parse_address(f"{server.url}#fake")
    assert ServerLLM(address, API_KEY).context == server.llm.context
    assert ServerLLM(address, API_KEY, ServerConfig(context=9000)).context == 9000
