"""An adapter's card is read as it was written; damage and unknown keys are told in a sentence."""

import json
from pathlib import Path

import pytest

from kgrag.errors import ReadError
from kgrag.storage import atomic
from kgrag.tune.adapters.card import CARD_FILENAME, AdapterCard, TrainingDataInfo, load_card, save_card

CARD = AdapterCard(
    "reader",
    "qwen2.5-coder-0.5b-instruct",
    "ab" * 32,
    "lora",
    16,
    TrainingDataInfo("questions of 语料", 700, "cd" * 32, "Apache-2.0"),
    90,
    12.5,
    7,
    "2026-11-26",
    {"token F1": 0.18, "n": 100},
    {"token F1": 0.4, "n": 100},
)


def test_what_is_saved_is_read_again(tmp_path: Path) -> None:
    save_card(CARD, tmp_path)
    assert load_card(tmp_path) == CARD
    assert "语料" in (tmp_path / CARD_FILENAME).read_text("utf-8"), "a person can read it"
    save_card(AdapterCard("a", "b"), tmp_path)
    assert load_card(tmp_path) == AdapterCard("a", "b"), "and it is replaced"


def test_no_card_is_none(tmp_path: Path) -> None:
    assert load_card(tmp_path) is None and load_card(tmp_path / "nonesuch") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "cannot be read"),
        ("[]", "expected an object, found list"),
        ('{"base": "b"}', "at least a name and a base"),
        ('{"name": "a", "base": "b", "other": 1}', "found other"),
        ('{"name": 1, "base": "b"}', "name: expected text, found 1"),
        ('{"name": "a", "base": "b", "rank": 1.5}', "rank: expected a whole number"),
        ('{"name": "a", "base": "b", "steps": true}', "steps: expected a whole number"),
        ('{"name": "a", "base": "b", "data": {"who": 1}}', "data: expected some of what.*found who"),
        ('{"name": "a", "base": "b", "after": {"F1": "high"}}', "after: expected figures"),
    ],
)
def test_damage_is_told(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / CARD_FILENAME).write_text(text)
    with pytest.raises(ReadError, match=said):
        load_card(tmp_path)


def test_a_whole_number_is_a_number(tmp_path: Path) -> None:
    (tmp_path / CARD_FILENAME).write_text(json.dumps({"name": "a", "base": "b", "seconds": 3}))
    card = load_card(tmp_path)
    assert card is not None and card.seconds == 3


def test_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_card(CARD, tmp_path)

    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic, "_sync", full)
    with pytest.raises(OSError, match="No space"):
        save_card(AdapterCard("other", "b"), tmp_path)
    assert load_card(tmp_path) == CARD and [p.name for p in tmp_path.iterdir()] == [CARD_FILENAME]
    with pytest.raises(ValueError, match="JSON"):
        save_card(AdapterCard("other", "b", after={"F1": float("nan")}), tmp_path)
    assert load_card(tmp_path) == CARD
