"""Whether a text bears out a claim: judges in tiers, all of them on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kgrag.errors import ModelError

if TYPE_CHECKING:
    from kgrag.protocols import SupportJudge

JUDGES = ("overlap", "details", "learned", "combined", "llm")
"""By name; ``auto`` is ``combined``. Any other name is the folder of a published judge."""


def load_judge(name: str = "auto") -> SupportJudge:
    """A judge by its name: one of `JUDGES`, ``auto``, or the folder of a published one (`kgrag.judge.huggingface`).

    ``llm`` asks the language model that fits this machine; for another, `kgrag.judge.llm.LLMJudge` takes any.

    Raises:
        ModelError: there is none of that name, or the folder is no judge.
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
            f"Expected a judge ({', '.join(('auto', *JUDGES))}) or the folder of one, found {name!r}: name another."
        )
    from kgrag.judge.huggingface import load_huggingface_judge

    return load_huggingface_judge(Path(name).expanduser())
