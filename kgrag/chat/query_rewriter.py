"""Rewrite follow-ups as standalone questions: by rules, else by the language model, limited to known words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

from kgrag import prompts
from kgrag.chat.conversation_context import ask_of_other_side, complete_follow_up, depends_on_conversation
from kgrag.chat.coreference import CAPITALIZED_NAME, QUESTION_START, CoreferenceResolver, Turn
from kgrag.protocols import GenerationOptions
from kgrag.store.store import Store
from kgrag.text import content_words, has_cjk, normalize_name, tokenize
from kgrag.text.injected_text import is_injected, remove_injections
from kgrag.text.question_form import AnswerForm, answer_form

MAX_NAME_ANSWER_WORDS = 8
"""Maximum words, or Chinese characters, of an answer that is a name, a date or a number rather than a statement."""
_NAME_FORMS = (AnswerForm.PHRASE, AnswerForm.YES_NO)
_PERSON_PRONOUN = re.compile(r"\b(?:he|she|him|her|his)\b|[他她](?!们?说的)", re.IGNORECASE)


class FollowUpRewriter:
    """Rewrites follow-up questions over one store."""

    def __init__(self, app: Store) -> None:
        self._app = app

    def standalone_question(self, line: str, history: Sequence[Turn]) -> str:
        """Return a follow-up as a standalone question; any other line unchanged.

        After a question with a short answer about a named entity, rules replace a pronoun by the name it stands for. If no
        rule applies, the language model rewrites the question. Its text is used only if it keeps the question's words and
        adds no new name. After any other question, rules add its topic, without a model.
        """
        history = [
            Turn(remove_injections(turn.question)[0], remove_injections(turn.answer)[0], turn.bridge_entity)
            for turn in history
        ]
        if other := ask_of_other_side(line.strip(), history):
            return other
        if history and not self._is_about_names(line, history):
            return complete_follow_up(line, history)
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
            and (not is_injected(rewritten) or is_injected(line))
            and len(rewritten) < 400
            and keeps_words
            and not [t for t in new_tokens if has_cjk(t.text) or t.start > 0]
        ):
            return rewritten
        names = [name for turn in reversed(history) for name in self._names_in(turn.question)]
        if not names:
            return line
        return f"{line.rstrip('？')}（{names[0]}）？" if has_cjk(line) else f"{line.rstrip('?')} ({names[0]})?"

    def _is_about_names(self, line: str, history: Sequence[Turn]) -> bool:
        """Whether a line refers to a person, or follows a question with a short answer about a named entity."""
        if _PERSON_PRONOUN.search(line):
            return True
        complete = (turn for turn in reversed(history) if not depends_on_conversation(turn.question))
        last = next(complete, history[-1])
        is_short = len(tokenize(last.answer)) <= MAX_NAME_ANSWER_WORDS
        names = [name for name in self._names_in(last.question) if name[:1].isupper() or has_cjk(name)]
        return is_short and answer_form(last.question) in _NAME_FORMS and bool(names)

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
