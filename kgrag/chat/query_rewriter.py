"""Rewrite follow-ups as standalone questions: by rules, else by the language model, limited to known words."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from kgrag import prompts
from kgrag.chat.coreference import CAPITALIZED_NAME, QUESTION_START, CoreferenceResolver, Turn
from kgrag.protocols import GenerationOptions
from kgrag.store.store import Store
from kgrag.text import content_words, has_cjk, normalize_name, tokenize


class FollowUpRewriter:
    """Rewrites follow-up questions over one store."""

    def __init__(self, app: Store) -> None:
        self._app = app

    def standalone_question(self, line: str, history: Sequence[Turn]) -> str:
        """Return a follow-up as a standalone question; any other line unchanged.

        Rules replace a pronoun by the name it stands for. If no rule applies, the language model rewrites the question. Its
        text is used only if it keeps the question's words and adds no new name.
        """
        resolved = self._resolver.resolve(line, history)
        if resolved is not None:
            return resolved
        reply = self._app.llm.generate(
            prompts.rewrite_prompt([turn[:2] for turn in history], line), GenerationOptions(max_tokens=64)
        )
        rewritten = (reply.strip().splitlines() or [""])[0].removeprefix("Q:").strip()
        history_words = {t.text for text in (line, *(t for turn in history[-3:] for t in turn)) for t in tokenize(text)}
        rewritten_words = {t.text for t in tokenize(rewritten)}
        new_tokens = [
            t
            for t in tokenize(rewritten)
            if t.text not in history_words and (rewritten[t.start].isupper() or has_cjk(t.text))
        ]
        line_words = set(content_words(line))
        keeps_words = line_words and line_words <= rewritten_words and rewritten != history[-1].question
        if (
            rewritten
            and len(rewritten) < 400
            and keeps_words
            and not [t for t in new_tokens if has_cjk(t.text) or t.start > 0]
        ):
            return rewritten
        names = [name for turn in reversed(history) for name in self._names_in(turn.question)]
        if not names:
            return line
        return f"{line.rstrip('？')}（{names[0]}）？" if has_cjk(line) else f"{line.rstrip('?')} ({names[0]})?"

    @cached_property
    def _entity_types(self) -> dict[str, str]:
        return {entity.id: entity.type for entity in self._app.graph_store.entities()}

    @property
    def _resolver(self) -> CoreferenceResolver:
        return CoreferenceResolver(self._name_spans, lambda name: self._entity_types.get(normalize_name(name), ""))

    def _name_spans(self, text: str) -> list[tuple[int, int]]:
        """Return the spans of the store's names in a text; without any, those of capitalised words."""
        graph = self._app.retriever.indices.graph
        matches = graph.gazetteer.find(text, any_case=text.islower())
        spans = [(f.start, f.end) for f in matches if graph.idf[f.name] > 0]
        return spans or [m.span() for m in CAPITALIZED_NAME.finditer(text) if not QUESTION_START.fullmatch(m.group())]

    def _names_in(self, text: str) -> list[str]:
        return [text[start:end] for start, end in self._name_spans(text)]
