"""Judges that decide whether a text supports a claim; all of them run on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kgrag.errors import ModelError

if TYPE_CHECKING:
    from kgrag.protocols import SupportJudge

JUDGES = ("overlap", "details", "learned", "combined", "llm")
"""Names of the built-in judges; ``auto`` is ``combined``. Any other name is the folder of a Hugging Face judge."""


def load_judge(name: str = "auto") -> SupportJudge:
    """Load a judge: one of `JUDGES`, ``auto``, or a model folder (see `kgrag.judge.huggingface`).

    ``llm`` uses the language model that fits this machine; `kgrag.judge.llm.LLMJudge` takes any other.

    Raises:
        ModelError: there is no judge of this name, or the folder does not hold one.
    """
    if name in ("auto", "overlap", "details", "learned", "combined"):
        from kgrag.judge.ensemble import EnsembleJudge

        return EnsembleJudge("combined" if name == "auto" else name)
    if name == "llm":
        from kgrag.judge.llm import LLMJudge
        from kgrag.llm.loader import load_llm

        return LLMJudge(load_llm())
    if not Path(name).expanduser().is_dir():
        raise ModelError(
            f"Expected a judge ({', '.join(('auto', *JUDGES))}) or a judge's folder, found {name!r}: choose one."
        )
    from kgrag.judge.huggingface import load_huggingface_judge

    return load_huggingface_judge(Path(name).expanduser())
