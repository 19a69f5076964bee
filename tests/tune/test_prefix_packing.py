"""Packs: what sequences begin alike is computed once, and every loss and gradient is what it is without packing."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgrag.errors import ModelError
from kgrag.tune.training.packed_forward import PackedModel
from kgrag.tune.training.peft_model import add_adapter, load_base, trainable_parameters
from kgrag.tune.training.prefix_packing import PackedSequence, build_pack, build_packs, group_by_prefix
from kgrag.tune.training.settings import DevicePlan, TrainingConfig
from kgrag.tune.training.tokenization import ChatEncoder, EncodedExample, find_turn_ends

pytestmark = pytest.mark.alone

FP32_CHOICE = DevicePlan("fp32", "", False, "cpu", "tests")


def family(prefix: int, tails: int, seed: int, length: int = 6) -> list[EncodedExample]:
    """Sequences that begin with the same ``prefix`` tokens."""
    draw = random.Random(seed)
    begin = tuple(draw.randrange(2, 250) for _ in range(prefix))
    return [
        EncodedExample((*begin, *(draw.randrange(2, 250) for _ in range(length)), 0), prefix + 3) for _ in range(tails)
    ]


def test_a_common_beginning_is_there_once() -> None:
    ids = [EncodedExample((5, 6, 7, 8, 1), 3), EncodedExample((5, 6, 9, 8, 1), 3), EncodedExample((4, 6, 1), 2)]
    pack = build_pack(ids, [0, 1, 2])
    assert pack.ids.tolist() == [5, 6, 7, 8, 9, 8, 4, 6], "the last token of each is a target alone"
    assert pack.depth.tolist() == [0, 1, 2, 3, 2, 3, 0, 1]
    assert [pack.ids[t] for t in pack.predicting_tokens] == [7, 8, 9, 8, 6] and pack.targets.tolist() == [8, 1, 8, 1, 1]
    assert pack.owner.tolist() == [0, 0, 1, 1, 2] and pack.unpacked_tokens == 13 and len(pack) == 8
    seen = pack.attention_mask()
    assert {int(pack.ids[t]) for t in seen[5].nonzero()[0]} == {5, 6, 9, 8}, "a tail sees the beginning and itself"
    assert seen[5].sum() == 4 and seen[7].sum() == 2 and not seen[1, 2]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.lists(st.integers(0, 3), min_size=2, max_size=9), st.integers(1, 8)), min_size=1, max_size=12), st.integers(2, 30))  # fmt: skip
def test_every_sequence_is_in_one_pack_and_can_be_read_from_it(rows: list[Any], tokens: int) -> None:
    sequences = [EncodedExample(tuple(ids), min(start, len(ids) - 1)) for ids, start in rows]
    made = build_packs(sequences, tokens, max_sequences=4)
    assert sorted(number for pack in made for number in pack.members) == list(range(len(sequences)))
    for pack in made:
        assert len(pack) <= tokens or len(pack.members) == 1
        assert len(pack.members) <= 4
        for place, number in enumerate(pack.members):
            mine = [i for i, owner in enumerate(pack.owner) if owner == place]
            one = sequences[number]
            assert [int(pack.targets[i]) for i in mine] == list(one.ids[one.answer_start :])
            way, node = [], int(pack.predicting_tokens[mine[-1]])
            while node >= 0:
                way.append(int(pack.ids[node]))
                node = int(pack.parent[node])
            assert tuple(reversed(way)) == one.ids[:-1]


def test_families_stay_together_and_the_order_is_the_seeds() -> None:
    sequences = [one for n in range(8) for one in family(20, 3, n)]
    random.Random(1).shuffle(sequences)
    assert sorted(map(len, group_by_prefix(sequences))) == [3] * 8
    made = build_packs(sequences, 100, max_sequences=64, seed=1)
    assert all(len({sequences[n].ids[:20] for n in pack.members}) * 3 == len(pack.members) for pack in made)
    order = [pack.members for pack in made]
    assert order == [pack.members for pack in build_packs(sequences, 100, max_sequences=64, seed=1)]
    assert order != [pack.members for pack in build_packs(sequences, 100, max_sequences=64, seed=2)]


def test_a_unit_stays_in_one_pack() -> None:
    sequences = [one for n in range(6) for one in family(10, 2, n)]
    random.Random(2).shuffle(sequences)
    units = [(n, n + 1) for n in range(0, 12, 2)]
    for pack in build_packs(sequences, 40, max_sequences=4, units=units):
        assert all((n in pack.members) == (n + 1 in pack.members) for n in range(0, 12, 2))


def losses(network: PackedModel, made: list[PackedSequence]) -> tuple[float, dict[str, Any]]:
    """The mean loss of a token, and the gradients."""
    network.model.zero_grad()
    total = sum(len(pack.targets) for pack in made)
    value = 0.0
    for pack in made:
        loss = -network.logprobs(pack).sum() / total
        loss.backward()
        value += loss.item()
    return value, {
        name: one.grad.clone() for name, one in trainable_parameters(network.model).items() if one.grad is not None
    }


@pytest.mark.parametrize("method", ["lora", "p-tuning", "full"])
def test_loss_and_gradients_are_those_of_separate_examples(tiny: Path, method: Any) -> None:
    import torch

    chosen = TrainingConfig(method=method, rank=4, layers="half")
    model = add_adapter(load_base(tiny, "tiny", FP32_CHOICE)[1], chosen)
    for name, one in trainable_parameters(model).items():  # what begins at zero would hide what is wrong
        if "lora_B" in name:
            one.data = torch.randn_like(one) * 0.1
    sequences = family(30, 4, 1) + family(25, 2, 2, length=9)
    first = chosen.first_trained_layer(2)
    plain, apart = losses(PackedModel(model), [build_pack(sequences, [n]) for n in range(6)])
    for network in (
        PackedModel(model),
        PackedModel(model, frozen_layers=first),
        PackedModel(model, frozen_layers=first, cache_bytes=10**6),
    ):
        for _ in range(2):  # the second round begins in the middle
            packed, together = losses(network, build_packs(sequences, 70, max_sequences=8))
            assert packed == pytest.approx(plain, abs=1e-5)
            assert apart.keys() == together.keys() and apart
            for name in apart:
                assert torch.allclose(apart[name], together[name], atol=1e-4), name
    assert len(build_packs(sequences, 70, max_sequences=8)) == 2


def test_it_is_what_the_model_itself_says_with_labels(tiny: Path) -> None:
    """transformers' own loss, over all positions of a sequence by itself."""
    import torch

    model = load_base(tiny, "tiny", FP32_CHOICE)[1]
    (one,) = family(12, 1, 3)
    labels = [-100] * one.answer_start + list(one.ids[one.answer_start :])
    expected = model(torch.tensor([one.ids]), labels=torch.tensor([labels])).loss
    assert float(-PackedModel(model).logprobs(build_pack([one], [0])).mean()) == pytest.approx(
        float(expected), abs=1e-5
    )


def test_halves_that_are_not_the_whole_are_not_used(tiny: Path) -> None:
    import torch

    model = load_base(tiny, "tiny", FP32_CHOICE)[1]
    pack = build_pack(family(12, 2, 3), [0, 1])
    with torch.no_grad():
        assert PackedModel(model, frozen_layers=1, cache_bytes=10**6).verify_split(pack)
        whole = PackedModel(model).logprobs(pack)
        # such as models that scale what goes in: in the middle it would be scaled once more
        decoder = model.get_decoder()
        decoder.register_forward_pre_hook(
            lambda m, a, k: (a, {**k, "inputs_embeds": k["inputs_embeds"] * 2}), with_kwargs=True
        )
        other = PackedModel(model, frozen_layers=1, cache_bytes=10**6)
        doubled = PackedModel(model).logprobs(pack)
        assert not torch.allclose(whole, doubled, atol=1e-3)
        assert not other.verify_split(pack)
        assert torch.allclose(other.logprobs(pack), doubled)


def test_an_answer_is_encoded_as_it_would_be_written(tiny: Path) -> None:
    from tests.llm.test_llm_contract import chat_messages

    tokenizer = load_base(tiny, "tiny", FP32_CHOICE)[0]
    ends = find_turn_ends(tiny, tokenizer)
    encoder = ChatEncoder(tokenizer, ends, "tiny")
    found = encoder.encode(chat_messages("what is the capital?"), " Paris. ")
    prompt = tokenizer.apply_chat_template(
        chat_messages("what is the capital?"), add_generation_prompt=True, return_dict=True
    )
    assert list(found.ids[: found.answer_start]) == prompt["input_ids"]
    assert tokenizer.decode(found.ids[found.answer_start :]) == "Paris.<|end|>" and found.ids[-1] in ends
    with pytest.raises(ModelError, match="Expected an answer of words"):
        encoder.encode(chat_messages("what?"), "  ")


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("", "has no chat template"),
        ("{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}", "which does not make it stop"),
        ("{% for m in messages %}<|start|>{{ m['role'] }} {{ messages|length }}{{ m['content'] }}<|end|>{% endfor %}<|start|>assistant ", "in another way than an open one"),
    ],
)  # fmt: skip
def test_templates_that_cannot_be_learned_with(tiny: Path, template: str, said: str) -> None:
    tokenizer = load_base(tiny, "tiny", FP32_CHOICE)[0]
    tokenizer.chat_template = template
    with pytest.raises(ModelError, match=said):
        ChatEncoder(tokenizer, find_turn_ends(tiny, tokenizer), "tiny")
