"""A store and the models that serve it, each opened when it is first used: with `asked` and `app` the only modules that do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from kgrag.config import Config, load_config
from kgrag.errors import Busy, StoreError, UsageError
from kgrag.place import Place, Server
from kgrag.protocols import LLM, Embedder, Graph, Reranker

if TYPE_CHECKING:
    from graphs.merges import Said
    from graphs.vocabulary import Vocabulary
    from ingest.rules import Rules


class Opened:
    """One store and the models that serve it.

    Args:
        store: a folder, or a server's database; created if ``create``, else it must hold a store.
        notice: told in a sentence what takes long or is worth knowing.
        progress: told how far the fetching of a model is: a message and a share in 0..1.
        create: whether an empty or missing folder becomes a new store.
        model: a language model's name, before what the configuration says.
        given: other settings that come before it; None is as it says.

    Raises:
        UsageError: there is no store in ``store`` (and not ``create``), or its configuration is wrong.
        StoreError: the store cannot be used.
    """

    def __init__(
        self,
        store: Place,
        notice: Callable[[str], None] = lambda _: None,
        progress: Callable[[str, float], None] = lambda _, __: None,
        *,
        create: bool = False,
        model: str | None = None,
        given: Mapping[str, str | None] | None = None,
    ) -> None:
        self.place, self.notice, self.progress, self._create = store, notice, progress, create
        self.store = store.folder if isinstance(store, Server) else store
        if isinstance(store, Path):
            self._expect(store)
        self.config: Config = load_config(self.store, {**(given or {}), "model": model})
        self.model = self.config.model
        if self.config.walk == "server" and not isinstance(store, Server):
            raise UsageError(
                f"Expected a server's store to walk on the server, found the folder {store}: leave --walk out."
            )

    def _expect(self, store: Path) -> None:
        if store.exists() and not store.is_dir():
            raise UsageError(f"Expected a folder for the store at {store}, found a file: name another with --store.")
        if not self._create and not (store / "graph.db").is_file():
            raise UsageError(
                f"Expected a store in {store} and found none: make one with `kgrag ingest PATH --store {store}`, "
                "or name the right folder with --store."
            )

    @cached_property
    def graph(self) -> Graph:
        """The store itself.

        Raises:
            StoreError: it cannot be opened.
            UsageError: it is a server's, and there is no password.
        """
        if isinstance(self.place, Server):
            from graphs.neo4j_graph import Neo4jGraph

            return Neo4jGraph(self.place, self.place.password(), create=self._create)
        from graphs.sqlite import SQLiteGraph

        return SQLiteGraph(self.store / "graph.db")

    @cached_property
    def embedder(self) -> Embedder:
        """The sentence embedder of this store."""
        from kgrag.embed import load_embedder

        made_with, named = self.graph.meta("embedder"), self.config.embedder
        if made_with and made_with != named and "embedder" in self.config.model_fields_set:
            raise StoreError(
                f"{self.place} was made with the embedder {made_with}, and kgrag.toml names {named}: "
                "set it back, or ingest into a new folder."
            )
        return load_embedder(self.embedder_folder(made_with or named), self.progress)

    def embedder_folder(self, name: str) -> str:
        """An embedder's name, as a path where it is a folder beside the store."""
        return str(self.store / name) if (self.store / name).is_dir() else name

    @cached_property
    def llm(self) -> LLM:
        """The language model."""
        from kgrag.llm.choose import adapter_folder, load_llm

        config = self.config
        if config.adapter:  # a folder may be named beside the configuration that names it
            config = config.model_copy(update={"adapter": str(adapter_folder(config.adapter, self.store))})
        return load_llm(self.model, self.progress, config)

    def use(self, *, model: str | None = None, adapter: str | None = None) -> None:
        """Change the language model, or the adapter that is added to it, and load it; a failure changes nothing.

        Raises:
            ModelError: there is no such model or adapter, or it cannot be loaded, or does not fit the other.
        """
        before = self.model, self.config, self.__dict__.pop("llm", None)
        changed = {"model": model, "adapter": adapter if model is None or adapter is not None else ""}
        try:
            self.config = self.config.model_copy(update={k: v for k, v in changed.items() if v is not None})
            self.model = self.config.model
            _ = self.llm
        except BaseException:
            self.model, self.config = before[:2]
            if before[2] is not None:
                self.llm = before[2]
            raise

    @cached_property
    def reranker(self) -> Reranker:
        """The cross-encoder that the configuration names.

        Raises:
            ModelError: it cannot be loaded.
        """
        from kgrag.rerank import load_reranker

        name = self.config.reranker
        # a folder is named beside the configuration that names it, wherever the command is run
        return load_reranker(str(self.store / name) if (self.store / name).is_dir() else name)

    def writing(self) -> AbstractContextManager[None]:
        """Hold a store's folder for writing; a server lets many write.

        Raises:
            StoreError: another process holds it.
        """
        return nullcontext() if isinstance(self.place, Server) else self._folder_held()

    @contextmanager
    def _folder_held(self) -> Iterator[None]:
        """Hold the folder for writing: a store's own, or the one that keeps what is derived from a server's."""
        lock = FileLock(self.store / "lock")
        try:
            self.store.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"The store {self.store} cannot be made ({error.strerror}): name another folder."
            ) from error
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise Busy(
                f"{self.store} is being written by another process: wait for it to end, then run this again."
            ) from error
        except OSError as error:
            raise StoreError(f"{self.store} cannot be written ({error.strerror}): check its permissions.") from error
        try:
            yield
        finally:
            lock.release()

    @property
    def base(self) -> Path:
        """What the names of files are relative to: the folder that holds the store; of a server's, the one we are in."""
        return Path.cwd() if isinstance(self.place, Server) else self.store.resolve().parent

    @property
    def said(self) -> list[Said]:
        """What the store's ``aliases.toml`` says is one thing, or is not.

        Raises:
            UsageError: the file is wrong.
        """
        from kgrag.same import NAME, read_said

        return read_said(self.store / NAME)

    @property
    def rules(self) -> Rules:
        """How this store's documents are read.

        Raises:
            UsageError: its ``aliases.toml`` or ``predicates.toml`` is wrong.
        """
        from ingest.own import NAME, read_own
        from ingest.rules import Rules

        same = {one.pair: one.same for one in self.said}
        return Rules(frozenset(pair for pair, one in same.items() if not one), read_own(self.store / NAME))

    @property
    def vocabulary(self) -> Vocabulary:
        """What facts can say here: the predicates of the program and of the store's ``predicates.toml``."""
        from ingest.patterns import vocabulary

        return vocabulary(self.rules.predicates)
