"""Benchmarks of a language model: worked examples, and the command on tiny weights compared with transformers."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from kgrag.chat.throughput import ThroughputMeter
from kgrag.dev.benchmarks.llm_throughput import split_passages, time_answer
from kgrag.dev.benchmarks.perplexity import PerplexityResult, measure_perplexity, split_text, tokens_per_word
from kgrag.text import sentence_spans
from tests.support.cli_shell import Shell
from tests.support.fake_llm import FakeLLM
from tests.support.fake_openai_server import serve_fake_openai
from tests.support.tiny_model import build_tiny_model

TEXT = "Ada Lovelace was born in London. " * 30 + "华罗庚出生于江苏金坛。" * 5


class UniformLLM:
    """A model that predicts each of four characters with equal probability; a token is a character."""

    name, context = "even", 100

    def token_logprobs(self, text: str) -> list[float]:
        assert len(text) <= self.context
        return [-math.log(4)] * (len(text) - 1)

    def count(self, text: str) -> int:
        return len(text)


def test_measure_perplexity_worked_example() -> None:
    english = measure_perplexity(UniformLLM(), "abcd abcd.")
    assert (english.tokens, english.characters, english.bytes) == (10, 10, 10)
    assert english.perplexity == pytest.approx(4) and english.bits_per_character == pytest.approx(2)
    chinese = measure_perplexity(UniformLLM(), "华罗庚。")
    assert chinese.bits_per_character == pytest.approx(2) and chinese.bits_per_byte == pytest.approx(2 / 3)
    assert math.isnan(PerplexityResult(0, 0, 0, 0).perplexity) and math.isnan(
        measure_perplexity(UniformLLM(), "").bits_per_byte
    )


def test_split_text_keeps_sentences_and_all_text() -> None:
    pieces = list(split_text(UniformLLM(), TEXT, 80))
    assert all(len(piece) <= 80 for piece in pieces) and len(pieces) > 10
    assert "".join("".join(pieces).split()) == "".join(TEXT.split())
    assert all(piece.endswith((".", "。")) for piece in pieces)
    assert all(len(piece) <= 80 for piece in split_text(UniformLLM(), "x" * 500, 80)), (
        "a sentence that is too long is cut"
    )


def test_tokens_per_word_worked_example() -> None:
    figures = tokens_per_word(UniformLLM(), "ab cd 华罗庚")
    assert figures == {"tokens per word": 5 / 2, "tokens per Chinese character": 1.0}
    assert math.isnan(tokens_per_word(UniformLLM(), "12")["tokens per word"])


def test_time_answer_and_throughput_meter() -> None:
    groups = split_passages(TEXT, sentence_spans(TEXT), sentences_per_passage=2, passages_per_group=3)
    assert [len(group) for group in groups] == [3, 3, 3, 3, 3, 3] and len({p for g in groups for p in g}) == 18
    timed = time_answer(FakeLLM(), "Who?", groups[0], FakeLLM().count, max_tokens=12)
    assert (
        timed.answer_tokens == 12 and timed.prompt_tokens > 100 and timed.seconds_to_first > 0 and timed.decode_rate > 0
    )
    meter = ThroughputMeter()
    assert meter.summary() == []
    on_text = meter.listen(None)
    for piece in ("a", "b", "c"):
        on_text(piece)
    meter.stop(len)
    assert meter.first_piece_seconds is not None and meter.tokens_per_second is not None and len(meter.summary()) == 2
    before = meter.tokens_per_second
    on_text = meter.listen(None)
    on_text("not the answer yet")
    meter.restart()
    meter.stop(len)
    assert meter.tokens_per_second == before, "text before a restart does not count"
    meter.listen(None)
    meter.stop(len)
    assert len(meter.summary()) == 2, "an answer without a model does not change the figures"


@pytest.mark.slow
def test_bench_llm_on_a_tiny_model(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KGRAG_HOME", str(tmp_path / "home"))
    (tmp_path / "tiny").mkdir()
    build_tiny_model(tmp_path / "tiny", context=2048)
    (tmp_path / "text").write_text(TEXT)
    command = ["bench", "llm", tmp_path / "tiny", "--text", tmp_path / "text", "--questions", 1]
    code, out, _ = shell(*command, "--beside", "transformers", "--json", "--window", 128)
    assert code == 0, out
    report = json.loads(out)
    assert report["perplexity per token"] > 20 and report["tokens per Chinese character"] > 1
    # random weights give nearly uniform predictions over the vocabulary, with any window
    assert report["cross-entropy, nats per token"] == pytest.approx(math.log(300), abs=1.5)
    assert set(report["speed"]) == {"openvino", "transformers"} and report["peak memory, bytes"] > 10**8
    for timed in report["speed"].values():
        assert all(value > 0 for value in timed.values())
    code, out, _ = shell(*command)
    assert code == 0 and "bits per byte" in out and "decode tokens per second" in out
    assert "at least 24 sentences" in shell.expect_error(2, *command, "--limit", 100)
    assert "cannot be read" in shell.expect_error(1, *command[:4], tmp_path / "gone")
    assert "Expected --gguf" in shell.expect_error(2, *command, "--beside", "llama.cpp")


def test_bench_llm_server_has_no_perplexity(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "text").write_text(TEXT)
    with serve_fake_openai() as server:
        command = ["bench", "llm", f"{server.url}#fake", "--text", tmp_path / "text", "--questions", 1, "--json"]
        code, out, _ = shell(*command)
    assert code == 0 and "perplexity per token" not in json.loads(out) and "server" in json.loads(out)["speed"]
