"""LangChain integration in both directions (``pip install 'kgrag[langchain]'``).

`KgragRetriever` retrieves from a store, `KgragChat` wraps an `LLM` of kgrag as a chat model, and `cited_chain` answers
questions with checked citations. `LangChainLLM` is the other direction: a LangChain chat model as an `LLM`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Thread
from typing import Any

try:
    from langchain_core.callbacks import CallbackManagerForLLMRun, CallbackManagerForRetrieverRun
    from langchain_core.documents import Document
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage
    from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
    from langchain_core.retrievers import BaseRetriever
    from langchain_core.runnables import Runnable, RunnableLambda
except ImportError as error:
    from kgrag.errors import KgragError

    raise KgragError(
        f"kgrag.langchain needs langchain-core, which cannot be loaded ({error}): `pip install 'kgrag[langchain]'`."
    ) from error

from pydantic import ConfigDict

from kgrag.errors import ModelError
from kgrag.llm import constrained_decoding
from kgrag.llm.chat_model import ChatModel
from kgrag.protocols import GenerationOptions, Messages, OnText, Retriever
from kgrag.store.store import Store
from kgrag.text.token_estimate import estimate_tokens
from kgrag.types import Answer, Hit

_MESSAGE_CLASS_BY_ROLE: dict[str, type[BaseMessage]] = {
    "system": SystemMessage,
    "user": HumanMessage,
    "assistant": AIMessage,
}
_ROLE_BY_TYPE = {"system": "system", "human": "user", "ai": "assistant"}


def as_document(hit: Hit) -> Document:
    """Convert a hit to a LangChain document: the passage, with its position, scores and graph paths as metadata."""
    passage = hit.passage
    metadata = {"title": hit.title, "source": hit.source, "document_id": passage.document_id, "rank": hit.rank}
    metadata |= {"start": passage.start, "end": passage.end, "score": hit.score, "parts": dict(hit.component_scores)}
    metadata |= {"page": passage.page, "headings": list(passage.headings)}
    metadata["paths"] = [list(path.names) for path in hit.paths]
    return Document(id=passage.id, page_content=passage.text, metadata=metadata)


class KgragRetriever(BaseRetriever):
    """LangChain retriever over a store: the best ``k`` passages by keywords, vectors and graph walks."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    retriever: Any
    k: int = 8

    @classmethod
    def from_store(cls, app: Store, k: int | None = None, where: str | None = None) -> KgragRetriever:
        """Build the retriever of an open store; ``k`` defaults to its configuration, ``where`` filters its documents.

        Raises:
            UsageError: the filter is none, or names a field that no document has.
        """
        return cls(retriever=app.filtered_retriever(where), k=k or app.config.k)

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        retriever: Retriever = self.retriever
        return [as_document(hit) for hit in retriever.retrieve(query, self.k)]


class KgragChat(BaseChatModel):
    """An `LLM` of kgrag as a LangChain chat model, with streaming. It does not call tools."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    llm: Any
    max_tokens: int = 256

    @property
    def _llm_type(self) -> str:
        return "kgrag"

    @property
    def _identifying_params(self) -> dict[str, str | int]:
        return {"model": self.llm.name, "max_tokens": self.max_tokens}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> ChatResult:
        text = self._generate_text(messages, stop, options, None)
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **options: Any,
    ) -> Iterator[ChatGenerationChunk]:
        pieces: SimpleQueue[str | BaseException | None] = SimpleQueue()
        is_abandoned = False

        def put_piece(piece: str) -> bool:
            pieces.put(piece)
            return is_abandoned

        def run_generation() -> None:
            try:
                self._generate_text(messages, stop, options, put_piece)
                pieces.put(None)
            except BaseException as error:  # raised again by the reader of the queue
                pieces.put(error)

        Thread(target=run_generation, name="kgrag-langchain", daemon=True).start()
        try:
            while (piece := pieces.get()) is not None:
                if isinstance(piece, BaseException):
                    raise piece
                if run_manager is not None:
                    run_manager.on_llm_new_token(piece)
                yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
        finally:
            is_abandoned = True  # stops the decoding if the caller stops reading

    def _generate_text(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        options: dict[str, Any],
        on_text: Callable[[str], bool | None] | None,
    ) -> str:
        """Generate text up to the first of the ``stop`` strings. Holds back pieces that may begin a stop string."""
        generated, sent_chars = "", 0
        max_stop_chars = max(map(len, stop or []), default=0)

        def on_piece(piece: str) -> bool:
            nonlocal generated, sent_chars
            generated += piece
            whole, ends = _cut_at_stop(generated, stop)
            safe = len(whole) if ends else max(len(whole) - max(max_stop_chars - 1, 0), sent_chars)
            over = bool(on_text is not None and safe > sent_chars and on_text(whole[sent_chars:safe]))
            sent_chars = max(sent_chars, safe)
            return ends or over

        limit = int(options.get("max_tokens") or self.max_tokens)
        needs_listener = on_text is not None or stop
        text = self.llm.generate(
            _to_kgrag_messages(messages),
            GenerationOptions(max_tokens=limit),
            on_text=on_piece if needs_listener else None,
        )
        text_before_stop, _ = _cut_at_stop(text, stop)
        if on_text is not None and len(text_before_stop) > sent_chars:
            on_text(text_before_stop[sent_chars:])
        return text_before_stop


def _cut_at_stop(text: str, stop: Sequence[str] | None) -> tuple[str, bool]:
    offsets = [place for mark in stop or () if (place := text.find(mark)) >= 0]
    return (text[: min(offsets)], True) if offsets else (text, False)


def _to_kgrag_messages(messages: Sequence[BaseMessage]) -> list[dict[str, str]]:
    unknown = sorted({m.type for m in messages} - set(_ROLE_BY_TYPE))
    if unknown:
        raise ModelError(
            f"Expected messages of type system, human or ai, found {', '.join(unknown)}: remove them; tools are not supported."
        )
    return [{"role": _ROLE_BY_TYPE[m.type], "content": str(m.text)} for m in messages]


def cited_chain(app: Store, k: int | None = None, where: str | None = None) -> Runnable[str, Answer]:
    """Build a chain that takes a question and returns an `Answer` with checked citations, or an abstention."""
    return RunnableLambda(lambda question: app.ask(question, k=k, where=where), name="kgrag")


class LangChainLLM(ChatModel):
    """A LangChain chat model as an `LLM` of kgrag: ``store.use(llm=LangChainLLM(model))``."""

    def __init__(self, model: BaseChatModel, name: str = "", context: int = 0) -> None:
        """Wrap ``model``.

        Args:
            model: the LangChain chat model.
            name: name of the model in answers (default: the model's own).
            context: context length in tokens; 0 for unknown.
        """
        self._model = model
        model_name = getattr(model, "model_name", None) or getattr(model, "model", None)
        self.name = name or str(model_name or model._llm_type)
        self.context = context

    def generate(
        self, messages: Messages, options: GenerationOptions = GenerationOptions(), *, on_text: OnText | None = None
    ) -> str:
        """Answer ``messages``; see the LLM protocol. Some LangChain models ignore ``max_tokens``.

        Raises:
            ModelError: the model fails, or does not support structured output.
        """
        constrained_decoding.validate_constraints(options)
        langchain_messages = [_MESSAGE_CLASS_BY_ROLE[message["role"]](message["content"]) for message in messages]
        answer_schema = constrained_decoding.choices_schema(options.choices) if options.choices else options.schema
        with _as_model_error(self.name):
            if answer_schema is not None:
                titled_schema = {"title": "answer", "description": "the answer", **json.loads(answer_schema)}
                structured_output: Any = self._model.with_structured_output(titled_schema).invoke(langchain_messages)
                text = (
                    str(structured_output["answer"])
                    if options.choices
                    else json.dumps(structured_output, ensure_ascii=False)
                )
                if on_text is not None:
                    on_text(text)
                return text
            generated = ""
            for chunk in self._model.stream(langchain_messages, max_tokens=options.max_tokens):
                piece = str(chunk.text)
                generated += piece
                if piece and on_text is not None and on_text(piece):
                    break
            return generated

    def score(self, messages: Messages, continuation: str) -> float:
        """Raise ModelError: LangChain's models do not return the log-probability of a given text."""
        raise ModelError(
            f"{self.name} is a LangChain model, which cannot score a given text: use a local model or "
            "a server's address."
        )

    def count(self, text: str) -> int:
        """Estimate the number of tokens from the characters: many models would need a network request."""
        return estimate_tokens(text)


@contextmanager
def _as_model_error(name: str) -> Iterator[None]:
    """Translate any exception of a LangChain model into `ModelError`."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:  # every integration raises its own types
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{name} failed while answering ({reason}): fix the cause and retry.") from error
