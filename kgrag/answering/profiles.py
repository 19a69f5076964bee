"""Profiles: which stages and guards a question runs through, in which order, with which budgets.

A profile is data. `kgrag ask`, `kgrag chat`, the benchmarks and the lookup of a single fact run the same stages
(`kgrag.answering.pipeline`) under different profiles; an ablation is a profile without one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from kgrag.errors import UsageError
from kgrag.text.question_form import AnswerForm

STAGES = (
    "retrieval",
    "collection",
    "graph_answer",
    "graph_facts",
    "table_row",
    "decomposition",
    "relevance",
    "quotation",
    "evidence",
    "generation",
)
"""Names of all stages, in the order in which they run."""
GUARDS = ("reasoning_steps", "echo", "citations", "localization", "kinship")
"""Names of all guards, in the order in which they check a drafted answer."""
REQUIRED = frozenset(["retrieval", "evidence", "generation"])
"""Stages without which a question has no answer."""
_WHOLE_QUESTION = frozenset(
    ["collection", "graph_answer", "graph_facts", "table_row", "decomposition", "quotation", "kinship"]
)
"""Stages and guards that a question with a known part, a looked-up fact, and the reader ``llm`` run without."""
SMALL_EVIDENCE_TOKENS: Mapping[AnswerForm, int] = dict.fromkeys(AnswerForm, 600)
"""Evidence for each form of answer, in tokens: on two processor cores without AVX-512, a hundred cost 1.3 seconds."""
SMALL_ANSWER_TOKENS: Mapping[AnswerForm, int] = {
    AnswerForm.PHRASE: 96,
    AnswerForm.YES_NO: 96,
    AnswerForm.SENTENCES: 160,
    AnswerForm.LIST: 224,
    AnswerForm.COMPARISON: 192,
    AnswerForm.CODE: 192,
    AnswerForm.STEPS: 224,
}
"""Longest answer of each form, in tokens: on two processor cores, each costs about a seventh of a second."""


@dataclass(frozen=True)
class Profile:
    """Stages, guards and budgets with which questions are answered.

    Attributes:
        name: for messages and records.
        stages: names from `STAGES` that run.
        guards: names from `GUARDS` that run.
        evidence_tokens: tokens of evidence in a prompt, at most, by the form of the answer.
        answer_tokens: tokens of an answer, at most, by its form.
        quoted_forms: forms of answer for which the stage ``quotation`` quotes the documents instead of asking the model.
        quoted_manual_forms: further forms for which it quotes documents with sections, or long ones.
        quoted_tokens: tokens of a quotation, at most, as `kgrag.text.token_estimate` counts them.
        cites_itself: whether the prompt asks the model for citation marks; a small model is better without.
        is_controlled: whether the instruction is that of experiments, the same with and without evidence.
    """

    name: str
    stages: tuple[str, ...] = tuple(name for name in STAGES if name != "graph_facts")
    guards: tuple[str, ...] = GUARDS
    evidence_tokens: Mapping[AnswerForm, int] = field(default_factory=lambda: SMALL_EVIDENCE_TOKENS)
    answer_tokens: Mapping[AnswerForm, int] = field(default_factory=lambda: SMALL_ANSWER_TOKENS)
    quoted_forms: frozenset[AnswerForm] = frozenset()
    quoted_manual_forms: frozenset[AnswerForm] = frozenset()
    quoted_tokens: int = 280
    cites_itself: bool = False
    is_controlled: bool = False

    def without(self, names: frozenset[str] | set[str]) -> Profile:
        """Return the profile without some stages and guards.

        Raises:
            UsageError: a name is no stage and no guard.
        """
        if unknown := sorted(names - {*STAGES, *GUARDS}):
            raise UsageError(f"Expected some of {', '.join((*STAGES, *GUARDS))}, found {unknown[0]!r}.")
        return replace(
            self,
            stages=tuple(name for name in self.stages if name not in names),
            guards=tuple(name for name in self.guards if name not in names),
        )

    def for_given_passages(self) -> Profile:
        """Return the profile that answers from passages that the caller has chosen."""
        return self.without({*_WHOLE_QUESTION, "retrieval", "relevance"})

    def for_quotation(self) -> Profile:
        """Return the profile that quotes the retrieved passages for every form of answer."""
        return replace(self, stages=("retrieval", "relevance", "quotation"), quoted_forms=frozenset(AnswerForm))

    def for_passages(self) -> Profile:
        """Return the profile that answers from retrieved passages, without typed facts and tables."""
        return self.without(_WHOLE_QUESTION)


SMALL = Profile(
    "small",
    quoted_forms=frozenset({AnswerForm.STEPS, AnswerForm.CODE, AnswerForm.COMPARISON}),
    quoted_manual_forms=frozenset({AnswerForm.SENTENCES, AnswerForm.LIST, AnswerForm.YES_NO}),
)
"""For models of a few billion parameters: short evidence, answers without marks, typed facts first, manuals quoted."""
STRONG = Profile(
    "strong",
    stages=("retrieval", "collection", "graph_facts", "table_row", "relevance", "evidence", "generation"),
    guards=("citations", "localization"),
    evidence_tokens=dict.fromkeys(AnswerForm, 6000),
    answer_tokens=dict.fromkeys(AnswerForm, 800),
    cites_itself=True,
)
"""For models that read long evidence and write cited prose; only the citation check withdraws."""
EXPERIMENT = Profile(
    "experiment",
    stages=("evidence", "generation"),
    guards=(),
    answer_tokens=dict.fromkeys(AnswerForm, SMALL_ANSWER_TOKENS[AnswerForm.PHRASE]),
    is_controlled=True,
)
"""For the arms of `kgrag eval`: the evidence is given, and the draft is measured as it is."""
PROFILES = {profile.name: profile for profile in (SMALL, STRONG)}
