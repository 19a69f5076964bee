"""Adapter cards: round trip, and messages about damage and unknown keys."""

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


def test_card_round_trip(tmp_path: Path) -> None:
    save_card(CARD, tmp_path)
    assert load_card(tmp_path) == CARD
    assert "语料" in (tmp_path / CARD_FILENAME).read_text("utf-8"), "not escaped"
    save_card(AdapterCard("a", "b"), tmp_path)
    assert load_card(tmp_path) == AdapterCard("a", "b"), "replaced"


def test_load_card_missing_is_none(tmp_path: Path) -> None:
    assert load_card(tmp_path) is None and load_card(tmp_path / "nonesuch") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "expected an object, found list"),
        ('{"base": "b"}', "at least a name and a base"),
        ('{"name": "a", "base": "b", "other": 1}', "found other"),
        ('{"name": 1, "base": "b"}', "name: expected text, found 1"),
        ('{"name": "a", "base": "b", "rank": 1.5}', "rank: expected a whole number"),
        ('{"name": "a", "base": "b", "steps": true}', "steps: expected a whole number"),
        ('{"name": "a", "base": "b", "data": {"who": 1}}', "data: expected only what.*found who"),
        ('{"name": "a", "base": "b", "after": {"F1": "high"}}', "after: expected figures"),
    ],
)
def test_load_card_damaged_raises(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / CARD_FILENAME).write_text(text)
    with pytest.raises(ReadError, match=message):
        load_card(tmp_path)


def test_load_card_accepts_int_for_float(tmp_path: Path) -> None:
    (tmp_path / CARD_FILENAME).write_text(json.dumps({"name": "a", "base": "b", "seconds": 3}))
    card = load_card(tmp_path)
    assert card is not None and card.seconds == 3


def test_save_card_failure_keeps_previous_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
