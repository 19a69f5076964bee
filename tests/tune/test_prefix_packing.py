"""Prefix packing: shared prefixes are computed once, and loss and gradients equal those without packing."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kgrag.errors import ModelError
from kgrag.tune.training.packed_forward import PackedModel
from kgrag.tune.training.peft_model import add_adapter, load_base, trainable_parameters
from kgrag.tune.training.prefix_packing import PackedSequence, build_pack, build_packs, group_by_prefix
from kgrag.tune.training.settings import TrainingConfig
from kgrag.tune.training.tokenization import ChatEncoder, EncodedExample, find_turn_ends
from tests.support.messages import chat_messages
from tests.support.tiny_model import FP32_CHOICE

if TYPE_CHECKING:
    from torch import Tensor

pytestmark = pytest.mark.alone


def make_family(prefix: int, tails: int, seed: int, length: int = 6) -> list[EncodedExample]:
    """Make sequences that share their first ``prefix`` tokens."""
    rng = random.Random(seed)
    shared = tuple(rng.randrange(2, 250) for _ in range(prefix))
    return [
        EncodedExample((*shared, *(rng.randrange(2, 250) for _ in range(length)), 0), prefix + 3) for _ in range(tails)
    ]


def test_build_pack_shares_prefixes() -> None:
    sequences = [EncodedExample((5, 6, 7, 8, 1), 3), EncodedExample((5, 6, 9, 8, 1), 3), EncodedExample((4, 6, 1), 2)]
    pack = build_pack(sequences, [0, 1, 2])
    assert pack.ids.tolist() == [5, 6, 7, 8, 9, 8, 4, 6], "the last token of each is only a target"
    assert pack.depth.tolist() == [0, 1, 2, 3, 2, 3, 0, 1]
    assert [pack.ids[t] for t in pack.predicting_tokens] == [7, 8, 9, 8, 6] and pack.targets.tolist() == [8, 1, 8, 1, 1]
    assert pack.owner.tolist() == [0, 0, 1, 1, 2] and pack.unpacked_tokens == 13 and len(pack) == 8
    mask = pack.attention_mask()
    assert {int(pack.ids[t]) for t in mask[5].nonzero()[0]} == {5, 6, 9, 8}, "a tail attends to the prefix and itself"
    assert mask[5].sum() == 4 and mask[7].sum() == 2 and not mask[1, 2]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.lists(st.integers(0, 3), min_size=2, max_size=9), st.integers(1, 8)), min_size=1, max_size=12), st.integers(2, 30))  # fmt: skip
def test_build_packs_round_trip(rows: list[Any], tokens: int) -> None:
    sequences = [EncodedExample(tuple(ids), min(start, len(ids) - 1)) for ids, start in rows]
    packs = build_packs(sequences, tokens, max_sequences=4)
    assert sorted(number for pack in packs for number in pack.members) == list(range(len(sequences)))
    for pack in packs:
        assert len(pack) <= tokens or len(pack.members) == 1
        assert len(pack.members) <= 4
        for place, number in enumerate(pack.members):
            target_numbers = [i for i, owner in enumerate(pack.owner) if owner == place]
            sequence = sequences[number]
            assert [int(pack.targets[i]) for i in target_numbers] == list(sequence.ids[sequence.answer_start :])
            path, node = [], int(pack.predicting_tokens[target_numbers[-1]])
            while node >= 0:
                path.append(int(pack.ids[node]))
                node = int(pack.parent[node])
            assert tuple(reversed(path)) == sequence.ids[:-1]


def test_build_packs_keeps_families_in_seeded_order() -> None:
    sequences = [sequence for n in range(8) for sequence in make_family(20, 3, n)]
    random.Random(1).shuffle(sequences)
    assert sorted(map(len, group_by_prefix(sequences))) == [3] * 8
    packs = build_packs(sequences, 100, max_sequences=64, seed=1)
    assert all(len({sequences[n].ids[:20] for n in pack.members}) * 3 == len(pack.members) for pack in packs)
    order = [pack.members for pack in packs]
    assert order == [pack.members for pack in build_packs(sequences, 100, max_sequences=64, seed=1)]
    assert order != [pack.members for pack in build_packs(sequences, 100, max_sequences=64, seed=2)]


def test_build_packs_keeps_units_together() -> None:
    sequences = [sequence for n in range(6) for sequence in make_family(10, 2, n)]
    random.Random(2).shuffle(sequences)
    units = [(n, n + 1) for n in range(0, 12, 2)]
    for pack in build_packs(sequences, 40, max_sequences=4, units=units):
        assert all((n in pack.members) == (n + 1 in pack.members) for n in range(0, 12, 2))


def loss_and_gradients(network: PackedModel, packs: list[PackedSequence]) -> tuple[float, dict[str, Tensor]]:
    """Return the mean loss per token, and the gradients by parameter."""
    network.model.zero_grad()
    total = sum(len(pack.targets) for pack in packs)
    value = 0.0
    for pack in packs:
        loss = -network.logprobs(pack).sum() / total
        loss.backward()
        value += loss.item()
    return value, {
        name: parameter.grad.clone()
        for name, parameter in trainable_parameters(network.model).items()
        if parameter.grad is not None
    }


@pytest.mark.parametrize("method", ["lora", "p-tuning", "full"])
def test_packed_loss_and_gradients_equal_unpacked(tiny: Path, method: Any) -> None:
    import torch

    settings = TrainingConfig(method=method, rank=4, layers="half")
    model = add_adapter(load_base(tiny, "tiny", FP32_CHOICE)[1], settings)
    for name, parameter in trainable_parameters(model).items():  # matrices that start at zero would hide errors
        if "lora_B" in name:
            parameter.data = torch.randn_like(parameter) * 0.1
    sequences = make_family(30, 4, 1) + make_family(25, 2, 2, length=9)
    first = settings.first_trained_layer(2)
    unpacked_loss, unpacked = loss_and_gradients(PackedModel(model), [build_pack(sequences, [n]) for n in range(6)])
    for network in (
        PackedModel(model),
        PackedModel(model, frozen_layers=first),
        PackedModel(model, frozen_layers=first, cache_bytes=10**6),
    ):
        for _ in range(2):  # the second round uses the cached activations
            packed_loss, packed = loss_and_gradients(network, build_packs(sequences, 70, max_sequences=8))
            assert packed_loss == pytest.approx(unpacked_loss, abs=1e-5)
            assert unpacked.keys() == packed.keys() and unpacked
            for name in unpacked:
                assert torch.allclose(unpacked[name], packed[name], atol=1e-4), name
    assert len(build_packs(sequences, 70, max_sequences=8)) == 2


def test_packed_loss_equals_transformers_loss(tiny: Path) -> None:
    """transformers computes its loss over all positions of a single sequence."""
    import torch

    model = load_base(tiny, "tiny", FP32_CHOICE)[1]
    (sequence,) = make_family(12, 1, 3)
    labels = [-100] * sequence.answer_start + list(sequence.ids[sequence.answer_start :])
    expected = model(torch.tensor([sequence.ids]), labels=torch.tensor([labels])).loss
    loss = -PackedModel(model).logprobs(build_pack([sequence], [0])).mean().detach()
    assert float(loss) == pytest.approx(float(expected), abs=1e-5)


def test_verify_split_rejects_scaled_inputs(tiny: Path) -> None:
    import torch

    model = load_base(tiny, "tiny", FP32_CHOICE)[1]
    pack = build_pack(make_family(12, 2, 3), [0, 1])
    with torch.no_grad():
        assert PackedModel(model, frozen_layers=1, cache_bytes=10**6).verify_split(pack)
        whole = PackedModel(model).logprobs(pack)
        # some models scale their input: starting in the middle would scale it once more
        decoder = model.get_decoder()
        decoder.register_forward_pre_hook(
            lambda m, a, k: (a, {**k, "inputs_embeds": k["inputs_embeds"] * 2}), with_kwargs=True
        )
        other = PackedModel(model, frozen_layers=1, cache_bytes=10**6)
        doubled = PackedModel(model).logprobs(pack)
        assert not torch.allclose(whole, doubled, atol=1e-3)
        assert not other.verify_split(pack)
        assert torch.allclose(other.logprobs(pack), doubled)


def test_chat_encoder_encodes_as_generation(tiny: Path) -> None:

    tokenizer = load_base(tiny, "tiny", FP32_CHOICE)[0]
    ends = find_turn_ends(tiny, tokenizer)
    encoder = ChatEncoder(tokenizer, ends, "tiny")
    encoded = encoder.encode(chat_messages("what is the capital?"), " Paris. ")
    prompt = tokenizer.apply_chat_template(
        chat_messages("what is the capital?"), add_generation_prompt=True, return_dict=True
    )
    assert list(encoded.ids[: encoded.answer_start]) == prompt["input_ids"]
    assert tokenizer.decode(encoded.ids[encoded.answer_start :]) == "Paris.<|end|>" and encoded.ids[-1] in ends
    with pytest.raises(ModelError, match="Expected an answer with words"):
        encoder.encode(chat_messages("what?"), "  ")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("", "has no chat template"),
        ("{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}", "which does not stop generation"),
        ("{% for m in messages %}<|start|>{{ m['role'] }} {{ messages|length }}{{ m['content'] }}<|end|>{% endfor %}<|start|>assistant ", "differently from an open one"),
    ],
)  # fmt: skip
def test_chat_encoder_unusable_template_raises(tiny: Path, template: str, message: str) -> None:
    tokenizer = load_base(tiny, "tiny", FP32_CHOICE)[0]
    tokenizer.chat_template = template
    with pytest.raises(ModelError, match=message):
        ChatEncoder(tokenizer, find_turn_ends(tiny, tokenizer), "tiny")
