"""A follow-up as a question that stands alone: by rules where one holds, else by the language model, held to its words."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from kgrag import prompts
from kgrag.app import App
from kgrag.followups import ASKS, CAPITALS, FollowUps, Turn
from kgrag.text import content_words, is_cjk, key, tokens


class Rewriter:
    """Rewrites questions over one store."""

    def __init__(self, app: App) -> None:
        self._app = app

    def full_question(self, line: str, history: Sequence[Turn]) -> str:
        """A follow-up that refers back, as a question that stands alone; any other line as it is.

        The name that a pronoun stands for is put in its place. Where no rule says which, the language model rewrites
        the question, and what it makes is used only if it keeps the question's words and brings no name of its own.
        """
        resolved = self._follow_ups.resolve(line, history)
        if resolved is not None:
            return resolved
        said = self._app.llm.generate(prompts.rewrite([turn[:2] for turn in history], line), max_tokens=64)
        rewritten = (said.strip().splitlines() or [""])[0].removeprefix("Q:").strip()
        known = {t.text for text in (line, *(t for turn in history[-3:] for t in turn)) for t in tokens(text)}
        made = {t.text for t in tokens(rewritten)}
        brought = [
            t for t in tokens(rewritten) if t.text not in known and (rewritten[t.start].isupper() or is_cjk(t.text))
        ]
        asked = set(content_words(line))
        kept = asked and asked <= made and rewritten != history[-1].question
        if rewritten and len(rewritten) < 400 and kept and not [t for t in brought if is_cjk(t.text) or t.start > 0]:
            return rewritten
        names = [name for turn in reversed(history) for name in self._names(turn.question)]
        if not names:
            return line
        return f"{line.rstrip('？')}（{names[0]}）？" if is_cjk(line) else f"{line.rstrip('?')} ({names[0]})?"

    @cached_property
    def _kinds(self) -> dict[str, str]:
        return {entity.id: entity.type for entity in self._app.graph.entities()}

    @property
    def _follow_ups(self) -> FollowUps:
        return FollowUps(self._spans, lambda name: self._kinds.get(key(name), ""))

    def _spans(self, text: str) -> list[tuple[int, int]]:
        """Where the names of the store stand in a text; if there are none, what is written with capitals."""
        graph = self._app.retriever.indices.graph
        found = graph.gazetteer.find(text, any_case=text.islower())
        spans = [(f.start, f.end) for f in found if graph.idf[f.name] > 0]
        return spans or [m.span() for m in CAPITALS.finditer(text) if not ASKS.fullmatch(m.group())]

    def _names(self, text: str) -> list[str]:
        return [text[start:end] for start, end in self._spans(text)]
