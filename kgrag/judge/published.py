"""Judges that others published, from a folder on this machine: sequence classifiers, and MiniCheck's T5.

- A classifier with classes for entailment (an NLI cross-encoder): support is the probability of that class.
- One with two classes (MiniCheck's RoBERTa and DeBERTa): the second is support, unless the classes' names say otherwise.
- One with a single output (HHEM-1.0, a cross-encoder): its logistic function.
- T5 (MiniCheck-FT5, Tang et al. 2024): the first token that it would say, "1" against "0".

Evidence that is longer than a model reads is given in parts of whole sentences; a claim is as well supported as by the
best of them. Nothing of a folder is run as a program.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kgrag.errors import ModelError
from kgrag.models.device import has_cuda
from kgrag.protocols import SupportJudge
from kgrag.text import sentences, tokens
from kgrag.types import Judgement, Verdict

LIMIT = 512
"""Tokens of claim and evidence together, unless the tokenizer says fewer."""
_NO, _YES = "0", "1"


def load_published(folder: Path) -> SupportJudge:
    """The judge in a folder of transformers' files.

    Raises:
        ModelError: the folder holds none of the kinds above, or cannot be loaded.
    """
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        architectures = " ".join(map(str, config.get("architectures") or ()))
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(
            f"Expected a judge in {folder} (transformers' files, config.json first), and that one cannot be read "
            f"({type(error).__name__}): name the folder of a classifier or of MiniCheck."
        ) from error
    if "ForSequenceClassification" in architectures and config.get("model_type") != "HHEMv2":
        return PublishedJudge(folder, "AutoModelForSequenceClassification")
    if "ForConditionalGeneration" in architectures and config.get("model_type") in ("t5", "mt5", "umt5"):
        return PublishedJudge(folder, "AutoModelForSeq2SeqLM")
    raise ModelError(
        f"Expected a sequence classifier or a T5 in {folder}, found {architectures or 'no architecture'} "
        f"({config.get('model_type', 'no model_type')}): such a model is no judge that can be run without its own program."
    )


class PublishedJudge:
    """A `SupportJudge` of somebody else's weights, on a GPU where there is one."""

    def __init__(self, folder: Path, kind: str) -> None:
        """Load the weights in ``folder`` (safetensors) by the class of transformers that ``kind`` names.

        Raises:
            ModelError: they cannot be loaded, or their classes are none of support.
        """
        import transformers

        self.name = folder.name
        self._device = "cuda" if has_cuda() else "cpu"
        try:
            self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
            loader = getattr(transformers, kind)
            self._model = loader.from_pretrained(str(folder), use_safetensors=True, trust_remote_code=False)
        except Exception as error:  # transformers raises OSError, ValueError, RuntimeError and others
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ModelError(
                f"The judge in {folder} cannot be loaded ({reason}): expected weights in safetensors and a tokenizer."
            ) from error
        self._model.eval().to(self._device)
        self._generates = kind == "AutoModelForSeq2SeqLM"
        self._limit = min(LIMIT, int(self._tokenizer.model_max_length))
        if self._generates:
            no, yes = (self._tokenizer.encode(word, add_special_tokens=False) for word in (_NO, _YES))
            # T5 has one token for "1" and two for "0", of which the first is what MiniCheck was trained to begin with
            self._said = (no[0], yes[0]) if no[0] != yes[0] else (no[-1], yes[-1])
        else:
            self._classes = _classes(self._model.config, folder)

    def judge(self, claim: str, evidence: Sequence[str]) -> Judgement:
        """What is to be said of ``claim`` given all of ``evidence``; support is NaN where either has no word."""
        return self.judge_all([(claim, evidence)])[0]

    def judge_all(self, pairs: Sequence[tuple[str, Sequence[str]]]) -> list[Judgement]:
        """`judge` of each (claim, evidence), in the order given."""
        parts = [
            (n, claim, part)
            for n, (claim, evidence) in enumerate(pairs)
            if tokens(claim)
            for part in self._parts(claim, evidence)
        ]
        best: dict[int, tuple[float, float]] = {}
        order = sorted(range(len(parts)), key=lambda i: len(parts[i][1]) + len(parts[i][2]))
        for start in range(0, len(order), 8):
            group = [parts[i] for i in order[start : start + 8]]
            for (n, _, _), found in zip(group, self._scores([(c, p) for _, c, p in group]), strict=True):
                best[n] = max(best.get(n, found), found)
        return [
            _judgement(*best[n]) if n in best else Judgement(Verdict.NOT_ENOUGH_INFO, math.nan)
            for n in range(len(pairs))
        ]

    def _parts(self, claim: str, evidence: Sequence[str]) -> Iterator[str]:
        """The evidence in parts that fit beside the claim; one with no word is none."""
        lines = [text[s:e] for text in evidence for s, e in sentences(text) if tokens(text[s:e])]
        room = max(32, self._limit - len(self._tokenizer.encode(claim)) - 12)
        part: list[str] = []
        taken = 0
        for line in lines:
            size = len(self._tokenizer.encode(line, add_special_tokens=False))
            if part and taken + size > room:
                yield " ".join(part)
                part, taken = [], 0
            part.append(line)
            taken += size
        if part:
            yield " ".join(part)

    def _scores(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[float, float]]:
        """(probability of support, probability of contradiction or NaN) of each (claim, evidence)."""
        import torch

        if self._generates:
            joined = [f"predict: {text}{self._tokenizer.eos_token}{claim}" for claim, text in pairs]
            fed = self._tokenizer(joined, return_tensors="pt", padding=True, truncation=True, max_length=self._limit)
        else:
            texts, claims = [text for _, text in pairs], [claim for claim, _ in pairs]
            fed = self._tokenizer(
                texts, claims, return_tensors="pt", padding=True, truncation="only_first", max_length=self._limit
            )
        fed = fed.to(self._device)
        with torch.inference_mode():
            if self._generates:
                begin = torch.full((len(pairs), 1), self._model.config.decoder_start_token_id, device=self._device)
                logits = self._model(**fed, decoder_input_ids=begin).logits[:, 0]
                logits = logits[:, list(self._said)]
                shares = torch.softmax(logits.float(), -1).cpu().numpy()
                return [(float(row[1]), math.nan) for row in shares]
            logits = self._model(**fed).logits.float().cpu().numpy()
        if logits.shape[1] == 1:
            return [(float(1 / (1 + np.exp(-row[0]))), math.nan) for row in logits]
        shares = np.exp(logits - logits.max(1, keepdims=True))
        shares /= shares.sum(1, keepdims=True)
        yes, no = self._classes
        return [(float(row[yes]), float(row[no]) if no is not None else math.nan) for row in shares]


def _classes(config: Any, folder: Path) -> tuple[int, int | None]:
    """The class of support and that of contradiction (None if there is none), by their names."""
    names = {int(number): str(name).casefold() for number, name in (config.id2label or {}).items()}
    yes = [
        n
        for n, name in names.items()
        if ("entail" in name or name in ("supported", "consistent", "1")) and "not" not in name
    ]
    no = [n for n, name in names.items() if "contradict" in name or name == "refuted"]
    if len(yes) == 1:
        return yes[0], no[0] if no else None
    if len(names) == 1:
        return 0, None
    if len(names) == 2:
        return 1, None
    raise ModelError(
        f"Expected classes of which one is called entailment or supported in {folder}, found {', '.join(names.values())}: "
        "name them in its config.json (id2label), or name another judge."
    )


def _judgement(support: float, against: float) -> Judgement:
    parts = {} if math.isnan(against) else {"contradiction": against}
    if support >= 0.5 and not against > support:
        return Judgement(Verdict.SUPPORTED, support, parts)
    refuted = against > max(support, 1 - support - against)
    return Judgement(Verdict.REFUTED if refuted else Verdict.NOT_ENOUGH_INFO, support, parts)
