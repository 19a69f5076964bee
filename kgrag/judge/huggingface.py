"""Published judges loaded from a local folder: sequence classifiers, and MiniCheck's T5.

- A classifier with a class for entailment (an NLI cross-encoder): support is the probability of that class.
- One with two classes (MiniCheck's RoBERTa and DeBERTa): support is the second, unless the class names say otherwise.
- One with a single output (HHEM-1.0, a cross-encoder): support is its logistic function.
- T5 (MiniCheck-FT5, Tang et al. 2024): support is the probability of "1" against "0" as the first token.

Evidence longer than the model's input is split into chunks of whole sentences; a claim's support is that of its best
chunk. No code from the folder is executed.
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
from kgrag.text import sentence_spans, tokenize
from kgrag.types import ClaimVerdict, Verdict

MAX_PAIR_TOKENS = 512
"""Maximum tokens of claim and evidence together, unless the tokenizer's limit is lower."""
_NO_WORD, _YES_WORD = "0", "1"


def load_huggingface_judge(folder: Path) -> SupportJudge:
    """Load the judge in a transformers folder.

    Raises:
        ModelError: the folder holds none of the supported kinds, or cannot be loaded.
    """
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        architectures = " ".join(map(str, config.get("architectures") or ()))
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(
            f"Expected a judge's config.json in {folder}, found none that can be read "
            f"({type(error).__name__}): pass the folder of a sequence classifier or of MiniCheck."
        ) from error
    if "ForSequenceClassification" in architectures and config.get("model_type") != "HHEMv2":
        return HuggingFaceJudge(folder, "AutoModelForSequenceClassification")
    if "ForConditionalGeneration" in architectures and config.get("model_type") in ("t5", "mt5", "umt5"):
        return HuggingFaceJudge(folder, "AutoModelForSeq2SeqLM")
    raise ModelError(
        f"Expected a sequence classifier or a T5 in {folder}, found {architectures or 'no architecture'} "
        f"({config.get('model_type', 'no model_type')}): choose a judge that runs without custom code."
    )


class HuggingFaceJudge:
    """A `SupportJudge` with published weights, on a GPU if there is one."""

    def __init__(self, folder: Path, class_name: str) -> None:
        """Load the safetensors weights in ``folder`` with the transformers class ``class_name``.

        Raises:
            ModelError: the weights cannot be loaded, or none of the classes means support.
        """
        import transformers

        self.name = folder.name
        self._device = "cuda" if has_cuda() else "cpu"
        try:
            self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
            loader = getattr(transformers, class_name)
            self._model = loader.from_pretrained(str(folder), use_safetensors=True, trust_remote_code=False)
        except Exception as error:  # transformers raises OSError, ValueError, RuntimeError and others
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ModelError(
                f"The judge in {folder} cannot be loaded ({reason}): expected weights in safetensors and a tokenizer."
            ) from error
        self._model.eval().to(self._device)
        self._is_seq2seq = class_name == "AutoModelForSeq2SeqLM"
        self._max_tokens = min(MAX_PAIR_TOKENS, int(self._tokenizer.model_max_length))
        if self._is_seq2seq:
            no, yes = (self._tokenizer.encode(word, add_special_tokens=False) for word in (_NO_WORD, _YES_WORD))
            # T5 has one token for "1" and two for "0"; MiniCheck was trained to begin with the first of the two
            self._answer_token_ids = (no[0], yes[0]) if no[0] != yes[0] else (no[-1], yes[-1])
        else:
            self._class_ids = _support_class_ids(self._model.config, folder)

    def judge(self, claim: str, evidence: Sequence[str]) -> ClaimVerdict:
        """Judge ``claim`` against all of ``evidence``; support is NaN if either has no word."""
        return self.judge_all([(claim, evidence)])[0]

    def judge_all(self, pairs: Sequence[tuple[str, Sequence[str]]]) -> list[ClaimVerdict]:
        """Judge each (claim, evidence) pair, in the order given."""
        parts = [
            (n, claim, part)
            for n, (claim, evidence) in enumerate(pairs)
            if tokenize(claim)
            for part in self._evidence_chunks(claim, evidence)
        ]
        best: dict[int, tuple[float, float]] = {}
        order = sorted(range(len(parts)), key=lambda i: len(parts[i][1]) + len(parts[i][2]))
        for start in range(0, len(order), 8):
            group = [parts[i] for i in order[start : start + 8]]
            for (n, _, _), score in zip(group, self._pair_scores([(c, p) for _, c, p in group]), strict=True):
                best[n] = max(best.get(n, score), score)
        return [
            _build_verdict(*best[n]) if n in best else ClaimVerdict(Verdict.NOT_ENOUGH_INFO, math.nan)
            for n in range(len(pairs))
        ]

    def _evidence_chunks(self, claim: str, evidence: Sequence[str]) -> Iterator[str]:
        """Yield the evidence in chunks that fit beside the claim; sentences without words are skipped."""
        lines = [text[s:e] for text in evidence for s, e in sentence_spans(text) if tokenize(text[s:e])]
        max_chunk_tokens = max(32, self._max_tokens - len(self._tokenizer.encode(claim)) - 12)
        chunk: list[str] = []
        chunk_tokens = 0
        for line in lines:
            size = len(self._tokenizer.encode(line, add_special_tokens=False))
            if chunk and chunk_tokens + size > max_chunk_tokens:
                yield " ".join(chunk)
                chunk, chunk_tokens = [], 0
            chunk.append(line)
            chunk_tokens += size
        if chunk:
            yield " ".join(chunk)

    def _pair_scores(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[float, float]]:
        """Return (probability of support, probability of contradiction or NaN) of each (claim, evidence)."""
        import torch

        if self._is_seq2seq:
            prompts = [f"predict: {text}{self._tokenizer.eos_token}{claim}" for claim, text in pairs]
            inputs = self._tokenizer(
                prompts, return_tensors="pt", padding=True, truncation=True, max_length=self._max_tokens
            )
        else:
            texts, claims = [text for _, text in pairs], [claim for claim, _ in pairs]
            inputs = self._tokenizer(
                texts, claims, return_tensors="pt", padding=True, truncation="only_first", max_length=self._max_tokens
            )
        inputs = inputs.to(self._device)
        with torch.inference_mode():
            if self._is_seq2seq:
                decoder_start = torch.full(
                    (len(pairs), 1), self._model.config.decoder_start_token_id, device=self._device
                )
                logits = self._model(**inputs, decoder_input_ids=decoder_start).logits[:, 0]
                logits = logits[:, list(self._answer_token_ids)]
                probabilities = torch.softmax(logits.float(), -1).cpu().numpy()
                return [(float(row[1]), math.nan) for row in probabilities]
            logits = self._model(**inputs).logits.float().cpu().numpy()
        if logits.shape[1] == 1:
            return [(float(1 / (1 + np.exp(-row[0]))), math.nan) for row in logits]
        probabilities = np.exp(logits - logits.max(1, keepdims=True))
        probabilities /= probabilities.sum(1, keepdims=True)
        yes, no = self._class_ids
        return [(float(row[yes]), float(row[no]) if no is not None else math.nan) for row in probabilities]


def _support_class_ids(config: Any, folder: Path) -> tuple[int, int | None]:
    """Return the class ids of support and of contradiction (None if there is none), by the classes' names."""
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
        f"Expected a class called entailment or supported in {folder}, found {', '.join(names.values())}: "
        "name the classes in its config.json (id2label), or choose another judge."
    )


def _build_verdict(support: float, contradiction: float) -> ClaimVerdict:
    parts = {} if math.isnan(contradiction) else {"contradiction": contradiction}
    if support >= 0.5 and not contradiction > support:
        return ClaimVerdict(Verdict.SUPPORTED, support, parts)
    is_refuted = contradiction > max(support, 1 - support - contradiction)
    return ClaimVerdict(Verdict.REFUTED if is_refuted else Verdict.NOT_ENOUGH_INFO, support, parts)
