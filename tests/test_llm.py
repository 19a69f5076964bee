"""The promises of a language model, on every implementation: tiny random weights, and the real model if it is here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from threading import current_thread
from typing import Any

import pytest

from kgrag.errors import ModelError
from kgrag.llm.choose import SMALL, load_llm
from kgrag.llm.openvino import OpenVINOLLM
from kgrag.llm.stream import Emit, relay
from kgrag.llm.transformers import TransformersLLM
from kgrag.models.convert import openvino_folder, pull, ready
from kgrag.models.registry import find
from kgrag.protocols import LLM

SCHEMA = json.dumps({"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]})
TEMPLATE = (
    "{% for m in messages %}<|start|>{{ m['role'] }} {{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant {% endif %}"
)
CONTEXT = 128


def ask(text: str) -> Sequence[dict[str, str]]:
    return [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]


def build(folder: Path) -> None:
    """A Qwen2 of some 400,000 random weights, and a tokenizer over single bytes and a few words."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers  # type: ignore[import-untyped, unused-ignore]
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    special = ["<|end|>", "<|start|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(["user assistant system what is the capital of France? Paris. " * 3], trainer)
    make_tokenizer: Any = PreTrainedTokenizerFast  # these classes come without types
    tokenizer = make_tokenizer(tokenizer_object=core, eos_token="<|end|>", pad_token="<|end|>", chat_template=TEMPLATE)
    tokenizer.save_pretrained(str(folder))
    torch.manual_seed(1)
    make_config: Any = Qwen2Config
    make_model: Any = Qwen2ForCausalLM
    config = make_config(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
        tie_word_embeddings=True,
    )
    make_model(config).save_pretrained(str(folder))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    build(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_openvino(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KGRAG_HOME", str(tmp_path_factory.mktemp("home")))
        return openvino_folder(find(str(tiny)), pull(str(tiny)))


@pytest.fixture(scope="session", params=["transformers", "openvino", pytest.param("real", marks=pytest.mark.slow)])
def llm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LLM:
    if request.param == "transformers":
        return TransformersLLM(request.getfixturevalue("tiny"), "tiny", device="cpu")
    cache = tmp_path_factory.mktemp("cache")
    if request.param == "openvino":
        return OpenVINOLLM(request.getfixturevalue("tiny_openvino"), "tiny", cache=cache)
    model = find(SMALL)
    folder = ready(model)
    if folder is None:
        pytest.skip(f"{SMALL} is not here: pull it")
    return OpenVINOLLM(openvino_folder(model, folder), SMALL, model.context, cache)


def test_the_pieces_are_the_answer_and_it_is_the_same_every_time(llm: LLM) -> None:
    pieces: list[str] = []
    threads = set()

    def hear(piece: str) -> None:
        pieces.append(piece)
        threads.add(current_thread().name)

    answer = llm.generate(ask("what is the capital of France?"), max_tokens=24, on_text=hear)
    assert answer and answer == "".join(pieces)
    assert threads == {current_thread().name}
    assert "<|" not in answer
    assert llm.generate(ask("what is the capital of France?"), max_tokens=24) == answer


def test_at_most_max_tokens(llm: LLM) -> None:
    one = llm.generate(ask("the capital"), max_tokens=1)
    more = llm.generate(ask("the capital"), max_tokens=12)
    assert llm.count(more) <= 14 and more.startswith(one.rstrip("\ufffd"))


def test_true_stops_it(llm: LLM) -> None:
    heard: list[str] = []

    def stop(piece: str) -> bool:
        heard.append(piece)
        return len(heard) == 2

    answer = llm.generate(ask("what is the capital of France?"), max_tokens=40, on_text=stop)
    assert len(heard) <= 2 and answer == "".join(heard)
    whole = llm.generate(ask("what is the capital of France?"), max_tokens=40)
    assert whole.startswith(answer)


def test_an_error_of_the_listener_comes_through(llm: LLM) -> None:
    def fail(piece: str) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        llm.generate(ask("what is the capital of France?"), max_tokens=40, on_text=fail)
    assert llm.generate(ask("what is the capital of France?"), max_tokens=4)


def test_a_prompt_longer_than_the_context_is_refused_with_the_numbers(llm: LLM) -> None:
    too_long = "the capital of France " * llm.context
    with pytest.raises(ModelError, match=rf"prompt has \d+ tokens.*may take 16.* reads {llm.context} in all"):
        llm.generate(ask(too_long), max_tokens=16)
    with pytest.raises(ModelError, match="in all"):
        llm.generate(ask("short"), max_tokens=llm.context)


def test_count(llm: LLM) -> None:
    assert llm.count("") == 0
    assert 0 < llm.count("Paris") < llm.count("Paris is the capital of France") < 31


def test_context(llm: LLM) -> None:
    assert llm.context == (CONTEXT if llm.name == "tiny" else find(SMALL).context)


def test_schema_is_followed_or_refused(llm: LLM) -> None:
    if isinstance(llm, TransformersLLM):
        with pytest.raises(ModelError, match="schema needs the OpenVINO backend"):
            llm.generate(ask("yes?"), schema=SCHEMA)
        return
    answer = json.loads(llm.generate(ask("is Paris the capital of France?"), max_tokens=60, schema=SCHEMA))
    assert isinstance(answer["ok"], bool)
    with pytest.raises(ModelError, match="Expected a JSON schema, found 'nonsense'"):
        llm.generate(ask("yes?"), max_tokens=8, schema="nonsense")


def test_both_backends_count_alike(tiny: Path, tiny_openvino: Path, tmp_path: Path) -> None:
    one = TransformersLLM(tiny, "tiny", device="cpu")
    other = OpenVINOLLM(tiny_openvino, "tiny", cache=tmp_path)
    for text in ("what is 首都?", "  two  spaces\n", "<|start|>user", "é"):
        assert one.count(text) == other.count(text) > 0


def test_compiled_blobs_are_kept_and_renewed(tiny_openvino: Path, tmp_path: Path) -> None:
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


def test_relay_raises_what_the_decoder_raises() -> None:
    def decode(emit: Emit) -> None:
        emit("a")
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        relay(decode, None)


def test_relay_drops_what_comes_after_a_stop() -> None:
    def decode(emit: Emit) -> None:
        for piece in "abcdefgh":
            if emit(piece):
                return

    assert relay(decode, lambda piece: piece == "c") == "abc"


def test_load_llm_takes_a_folder_and_refuses_an_embedder(tiny_openvino: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KGRAG_HOME", str(tiny_openvino.parent))
    model = load_llm(str(tiny_openvino))
    assert isinstance(model, OpenVINOLLM) and model.context == CONTEXT and model.name == tiny_openvino.name
    with pytest.raises(ModelError, match="is an embedder"):
        load_llm("all-MiniLM-L6-v2")


def test_a_damaged_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be loaded"):
        OpenVINOLLM(tmp_path, "gone", cache=tmp_path)
    with pytest.raises(ModelError, match="cannot be loaded"):
        TransformersLLM(tmp_path, "gone", device="cpu")
