"""Options of `kgrag tune`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class TuneMethod(StrEnum):
    """Training method."""

    lora = "lora"
    qlora = "qlora"
    p_tuning = "p-tuning"
    full = "full"


class LayersChoice(StrEnum):
    """Layers that get a LoRA adapter."""

    all = "all"
    half = "half"
    third = "third"


QuestionsOption = Annotated[
    Path | None,
    typer.Option(
        help="Questions with answers: jsonl with _id, text, answers (default: questions generated from the store)."
    ),
]
NumberOption = Annotated[int, typer.Option(min=10, help="Approximate number of examples to generate from the store.")]
SeedOption = Annotated[int, typer.Option(help="Random seed of generation, sampling and training.")]
