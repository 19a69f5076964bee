"""Contract of the LLM protocol, for every backend: with tiny random weights, and with the real model if present."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from threading import current_thread

import pytest

from kgrag.errors import ModelError
from kgrag.llm.loader import SMALL_MODEL, load_llm
from kgrag.llm.openai_backend import ServerLLM
from kgrag.llm.openvino_backend import OpenVINOLLM
from kgrag.llm.streaming import Emit, relay_stream
from kgrag.llm.transformers_backend import TransformersLLM
from kgrag.models.convert import local_folder, openvino_folder, transformers_folder
from kgrag.models.device import cpu_device
from kgrag.models.endpoint import parse_address
from kgrag.models.precision import choose_runtime
from kgrag.models.registry import find_model
from kgrag.protocols import LLM, GenerationOptions
from tests.support.fake_llm import FakeLLM
from tests.support.fake_openai_server import serve_fake_openai
from tests.support.messages import chat_messages
from tests.support.tiny_model import CONTEXT_TOKENS

SCHEMA = json.dumps({"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]})


def load_transformers_llm(folder: Path, name: str = "tiny") -> TransformersLLM:
    return TransformersLLM(
        folder, name, choice=choose_runtime(find_model(str(folder)), cpu_device(), backend="transformers")
    )


BACKENDS = [
    "fake",
    "server",
    "transformers",
    "openvino",
    pytest.param("real openvino", marks=pytest.mark.slow),
    pytest.param("real transformers", marks=pytest.mark.slow),
]


@pytest.fixture(scope="module", params=BACKENDS)
def llm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LLM]:
    if request.param == "fake":
        yield FakeLLM()
    elif request.param == "server":
        with serve_fake_openai() as server:
            yield ServerLLM(parse_address(f"{server.url}#fake"))
    elif request.param == "transformers":
        yield load_transformers_llm(request.getfixturevalue("tiny"))
    elif request.param == "openvino":
        yield OpenVINOLLM(request.getfixturevalue("tiny_openvino"), "tiny", cache=tmp_path_factory.mktemp("cache"))
    else:
        model = find_model(SMALL_MODEL)
        folder = local_folder(model)
        if folder is None:
            pytest.skip(f"{SMALL_MODEL} is not here: pull it")
        if request.param == "real openvino":
            yield OpenVINOLLM(
                openvino_folder(model, folder), SMALL_MODEL, model.context, tmp_path_factory.mktemp("cache")
            )
        else:
            yield load_transformers_llm(transformers_folder(model, folder), SMALL_MODEL)


def test_generate_streams_deterministic_answer(llm: LLM) -> None:
    pieces: list[str] = []
    threads = set()

    def hear(piece: str) -> None:
        pieces.append(piece)
        threads.add(current_thread().name)

    answer = llm.generate(
        chat_messages("what is the capital of France?"), GenerationOptions(max_tokens=24), on_text=hear
    )
    assert answer and answer == "".join(pieces)
    assert threads == {current_thread().name}
    assert "<|" not in answer
    assert llm.generate(chat_messages("what is the capital of France?"), GenerationOptions(max_tokens=24)) == answer


def test_generate_respects_max_tokens(llm: LLM) -> None:
    one = llm.generate(chat_messages("the capital"), GenerationOptions(max_tokens=1))
    more = llm.generate(chat_messages("the capital"), GenerationOptions(max_tokens=12))
    assert len(more) <= 12 * 30 and more.startswith(one.rstrip("\ufffd"))


def test_generate_stops_when_on_text_returns_true(llm: LLM) -> None:
    heard: list[str] = []

    def stop(piece: str) -> bool:
        heard.append(piece)
        return len(heard) == 2

    answer = llm.generate(
        chat_messages("what is the capital of France?"), GenerationOptions(max_tokens=40), on_text=stop
    )
    assert len(heard) <= 2 and answer == "".join(heard)
    whole = llm.generate(chat_messages("what is the capital of France?"), GenerationOptions(max_tokens=40))
    assert whole.startswith(answer)


def test_generate_raises_error_of_on_text(llm: LLM) -> None:
    def fail(piece: str) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        llm.generate(chat_messages("what is the capital of France?"), GenerationOptions(max_tokens=40), on_text=fail)
    assert llm.generate(chat_messages("what is the capital of France?"), GenerationOptions(max_tokens=4))


def test_prompt_longer_than_context_is_rejected(llm: LLM) -> None:
    too_long = "the capital of France " * llm.context
    said = r"maximum context length" if isinstance(llm, ServerLLM) else r"prompt has \d+ tokens.*may have 16.*context"
    with pytest.raises(ModelError, match=said) as error:
        llm.generate(chat_messages(too_long), GenerationOptions(max_tokens=16))
    assert str(llm.context) in str(error.value)
    with pytest.raises(ModelError):
        llm.generate(chat_messages("short"), GenerationOptions(max_tokens=llm.context))


def test_count_returns_positive_tokens(llm: LLM) -> None:
    assert llm.count("") == 0
    assert 0 < llm.count("Paris") < llm.count("Paris is the capital of France") < 31


def test_context_is_known(llm: LLM) -> None:
    assert llm.context == {"tiny": CONTEXT_TOKENS, "fake": FakeLLM.context}.get(
        llm.name, find_model(SMALL_MODEL).context
    )


def test_generate_follows_schema(llm: LLM) -> None:
    answer = json.loads(
        llm.generate(chat_messages("is Paris the capital of France?"), GenerationOptions(max_tokens=60, schema=SCHEMA))
    )
    assert isinstance(answer["ok"], bool)
    with pytest.raises(ModelError, match="Expected a JSON schema, found 'nonsense'"):
        llm.generate(chat_messages("yes?"), GenerationOptions(max_tokens=8, schema="nonsense"))


def test_generate_returns_one_of_choices(llm: LLM) -> None:
    choices = ('Paris "the city"', "北京", "no, never")
    heard: list[str] = []
    answer = llm.generate(
        chat_messages("the capital?"),
        GenerationOptions(max_tokens=40, choices=choices),
        on_text=lambda piece: heard.append(piece),
    )
    assert answer in choices and "".join(heard) == answer
    assert llm.batch([chat_messages("the capital?")], GenerationOptions(max_tokens=40, choices=choices)) == [answer]
    for wrong in (("a", "a"), ("", "b"), "ab"):
        with pytest.raises(ModelError, match="Expected distinct choices"):
            llm.generate(chat_messages("yes?"), GenerationOptions(choices=wrong))
    with pytest.raises(ModelError, match="found both"):
        llm.generate(chat_messages("yes?"), GenerationOptions(choices=("a",), schema=SCHEMA))


def test_batch_keeps_order_of_prompts(llm: LLM) -> None:
    prompts = [
        chat_messages("what is the capital of France? " * 3),
        chat_messages("Paris"),
        chat_messages("what is the capital?"),
        chat_messages("Paris"),
    ]
    together = llm.batch(prompts, GenerationOptions(max_tokens=6))
    alone = [llm.generate(prompt, GenerationOptions(max_tokens=6)) for prompt in prompts]
    assert len(together) == 4 and together[1] == together[3]
    # padding and other kernels may turn a near tie, on random weights even often
    same = sum(a.strip() == b.strip() for a, b in zip(together, alone, strict=True))
    assert same >= (2 if llm.name == "tiny" else 3), (together, alone)
    assert llm.batch([], GenerationOptions(max_tokens=6)) == []


def test_sample_same_seed_repeats_answers(llm: LLM) -> None:
    assert isinstance(llm, TransformersLLM | OpenVINOLLM | ServerLLM | FakeLLM)
    greedy = llm.generate(chat_messages("one"), GenerationOptions(max_tokens=6))
    first = llm.sample(chat_messages("one"), 4, max_tokens=6, temperature=2.0, seed=1)
    assert len(first) == 4 and first == llm.sample(chat_messages("one"), 4, max_tokens=6, temperature=2.0, seed=1)
    if isinstance(llm, TransformersLLM | OpenVINOLLM):
        assert len({*first}) > 1, "drawn, not decoded"
    assert llm.generate(chat_messages("one"), GenerationOptions(max_tokens=6)) == greedy, (
        "what is decoded afterwards is greedy again"
    )


def test_score_is_log_probability(llm: LLM) -> None:
    prompt = chat_messages("what is the capital of France?")
    assert llm.score(prompt, "") == 0.0
    whole = llm.score(prompt, "Paris is the capital")
    assert whole < 0 and math.isfinite(whole)
    assert whole <= llm.score(prompt, "Paris") + 1e-3, "a longer text is less likely than what it begins with"
    assert llm.score(prompt, "Paris is the capital") == pytest.approx(whole, abs=0.2), "again, and from the cache"
    answer = llm.generate(prompt, GenerationOptions(max_tokens=4))
    assert llm.score(prompt, answer) > llm.score(prompt, answer[::-1] + "zq")


def test_token_logprobs_sum_to_score(llm: LLM) -> None:
    if not hasattr(llm, "token_logprobs"):
        pytest.skip("it is asked by messages alone")
    text = "what is the capital of France? Paris."
    found = llm.token_logprobs(text)
    assert len(found) == llm.count(text) - 1 and all(one < 0 for one in found)
    assert llm.token_logprobs("") == []
    half = "what is the capital"
    shorter = llm.token_logprobs(half)
    assert found[: len(shorter) - 1] == pytest.approx(shorter[:-1], abs=0.05), "what follows does not change it"
    with pytest.raises(ModelError, match="context"):
        llm.token_logprobs(text * llm.context)


def test_backends_agree_on_scores(tiny: Path, tiny_openvino: Path, tmp_path: Path) -> None:
    one, other = load_transformers_llm(tiny), OpenVINOLLM(tiny_openvino, "tiny", cache=tmp_path)
    prompt = chat_messages("what is the capital of France?")
    for text in ("Paris", "The capital of France", "首都"):
        # 8-bit weights on one side
        assert one.score(prompt, text) == pytest.approx(other.score(prompt, text), rel=0.03)
        assert other.score(prompt, text) == pytest.approx(other.score(prompt, text), abs=0.02)


def test_prefix_cache_keeps_answers(tiny: Path) -> None:
    llm = load_transformers_llm(tiny)
    fresh = [
        load_transformers_llm(tiny).generate(chat_messages(text), GenerationOptions(max_tokens=6))
        for text in ("the capital", "the capitol of", "x")
    ]
    assert [
        llm.generate(chat_messages(text), GenerationOptions(max_tokens=6))
        for text in ("the capital", "the capitol of", "x")
    ] == fresh
    kept = llm._prefix_cache[0]
    assert kept[: len(llm._encode_prompt(chat_messages("x"), 1))] == llm._encode_prompt(chat_messages("x"), 1)


def test_backends_agree_on_token_counts(tiny: Path, tiny_openvino: Path, tmp_path: Path) -> None:
    one = load_transformers_llm(tiny)
    other = OpenVINOLLM(tiny_openvino, "tiny", cache=tmp_path)
    for text in ("what is 首都?", "  two  spaces\n", "<|start|>user", "é"):
        assert one.count(text) == other.count(text) > 0


def test_compiled_blobs_are_cached_and_renewed(tiny_openvino: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    OpenVINOLLM(tiny_openvino, "tiny", cache=cache)
    [first] = cache.iterdir()
    assert any(first.iterdir()) and not first.name.startswith(".")
    OpenVINOLLM(tiny_openvino, "tiny", cache=cache)
    assert list(cache.iterdir()) == [first]
    changed = tiny_openvino / "openvino_model.xml"
    changed.write_bytes(changed.read_bytes())
    OpenVINOLLM(tiny_openvino, "tiny", cache=cache)
    [second] = cache.iterdir()
    assert second != first and any(second.iterdir())


def test_relay_stream_raises_decoder_error() -> None:
    def decode(emit: Emit) -> None:
        emit("a")
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        relay_stream(decode, None)


def test_relay_stream_drops_text_after_stop() -> None:
    def decode(emit: Emit) -> None:
        for piece in "abcdefgh":
            if emit(piece):
                return

    assert relay_stream(decode, lambda piece: piece == "c") == "abc"


def test_load_llm_accepts_folder_rejects_embedder(tiny_openvino: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KGRAG_HOME", str(tiny_openvino.parent))
    model = load_llm(str(tiny_openvino))
    assert isinstance(model, OpenVINOLLM) and model.context == CONTEXT_TOKENS and model.name == tiny_openvino.name
    with pytest.raises(ModelError, match="found the embedder"):
        load_llm("all-MiniLM-L6-v2")


def test_load_llm_damaged_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be loaded"):
        OpenVINOLLM(tmp_path, "gone", cache=tmp_path)
