"""A store and the models that serve it, each opened when it is first used: with `asked` and `app` the only modules that do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from kgrag.config import Config, load_config
from kgrag.errors import StoreBusyError, StoreError, UsageError
from kgrag.location import Neo4jLocation, StoreLocation
from kgrag.protocols import LLM, Embedder, GraphStore, Reranker

if TYPE_CHECKING:
    from graphs.merging.rules import AliasOverride
    from graphs.predicates import PredicateSchema
    from ingest.extraction_config import ExtractionConfig


class StoreResources:
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
        location: StoreLocation,
        notice: Callable[[str], None] = lambda _: None,
        progress: Callable[[str, float], None] = lambda _, __: None,
        *,
        create: bool = False,
        model: str | None = None,
        overrides: Mapping[str, str | None] | None = None,
    ) -> None:
        self.location, self.notice, self.progress, self._create = location, notice, progress, create
        self.folder = location.folder if isinstance(location, Neo4jLocation) else location
        if isinstance(location, Path):
            self._require_store_folder(location)
        self.config: Config = load_config(self.folder, {**(overrides or {}), "model": model})
        self.model = self.config.model
        if self.config.walk == "server" and not isinstance(location, Neo4jLocation):
            raise UsageError(
                f"Expected a server's store to walk on the server, found the folder {location}: leave --walk out."
            )

    def _require_store_folder(self, folder: Path) -> None:
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"Expected a folder for the store at {folder}, found a file: name another with --store.")
        if not self._create and not (folder / "graph.db").is_file():
            raise UsageError(
                f"Expected a store in {folder} and found none: make one with `kgrag ingest PATH --store {folder}`, "
                "or name the right folder with --store."
            )

    @cached_property
    def graph(self) -> GraphStore:
        """The store itself.

        Raises:
            StoreError: it cannot be opened.
            UsageError: it is a server's, and there is no password.
        """
        if isinstance(self.location, Neo4jLocation):
            from graphs.neo4j.store import Neo4jGraph

            return Neo4jGraph(self.location, self.location.password(), create=self._create)
        from graphs.sqlite.store import SQLiteGraph

        return SQLiteGraph(self.folder / "graph.db")

    @cached_property
    def embedder(self) -> Embedder:
        """The sentence embedder of this store."""
        from kgrag.embedders import load_embedder

        stored_name, configured_name = self.graph.meta("embedder"), self.config.embedder
        if stored_name and stored_name != configured_name and "embedder" in self.config.model_fields_set:
            raise StoreError(
                f"{self.location} was made with the embedder {stored_name}, and kgrag.toml names {configured_name}: "
                "set it back, or ingest into a new folder."
            )
        return load_embedder(self.embedder_folder(stored_name or configured_name), self.progress)

    def embedder_folder(self, name: str) -> str:
        """An embedder's name, as a path where it is a folder beside the store."""
        return str(self.folder / name) if (self.folder / name).is_dir() else name

    @cached_property
    def llm(self) -> LLM:
        """The language model."""
        from kgrag.llm.loader import load_llm, named_adapter_folder

        config = self.config
        if config.adapter:  # a folder may be named beside the configuration that names it
            config = config.model_copy(update={"adapter": str(named_adapter_folder(config.adapter, self.folder))})
        return load_llm(self.model, self.progress, config)

    def set_model(self, *, model: str | None = None, adapter: str | None = None) -> None:
        """Change the language model, or the adapter that is added to it, and load it; a failure changes nothing.

        Raises:
            ModelError: there is no such model or adapter, or it cannot be loaded, or does not fit the other.
        """
        previous = self.model, self.config, self.__dict__.pop("llm", None)
        updates = {"model": model, "adapter": adapter if model is None or adapter is not None else ""}
        try:
            self.config = self.config.model_copy(update={k: v for k, v in updates.items() if v is not None})
            self.model = self.config.model
            _ = self.llm
        except BaseException:
            self.model, self.config = previous[:2]
            if previous[2] is not None:
                self.llm = previous[2]
            raise

    @cached_property
    def reranker(self) -> Reranker:
        """The cross-encoder that the configuration names.

        Raises:
            ModelError: it cannot be loaded.
        """
        from kgrag.retrieve.cross_encoder import load_reranker

        name = self.config.reranker
        # a folder is named beside the configuration that names it, wherever the command is run
        return load_reranker(str(self.folder / name) if (self.folder / name).is_dir() else name)

    def write_lock(self) -> AbstractContextManager[None]:
        """Hold a store's folder for writing; a server lets many write.

        Raises:
            StoreError: another process holds it.
        """
        return nullcontext() if isinstance(self.location, Neo4jLocation) else self._folder_lock()

    @contextmanager
    def _folder_lock(self) -> Iterator[None]:
        """Hold the folder for writing: a store's own, or the one that keeps what is derived from a server's."""
        lock = FileLock(self.folder / "lock")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"The store {self.folder} cannot be made ({error.strerror}): name another folder."
            ) from error
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise StoreBusyError(
                f"{self.folder} is being written by another process: wait for it to end, then run this again."
            ) from error
        except OSError as error:
            raise StoreError(f"{self.folder} cannot be written ({error.strerror}): check its permissions.") from error
        try:
            yield
        finally:
            lock.release()

    @property
    def source_root(self) -> Path:
        """What the names of files are relative to: the folder that holds the store; of a server's, the one we are in."""
        return Path.cwd() if isinstance(self.location, Neo4jLocation) else self.folder.resolve().parent

    @property
    def alias_overrides(self) -> list[AliasOverride]:
        """What the store's ``aliases.toml`` says is one thing, or is not.

        Raises:
            UsageError: the file is wrong.
        """
        from kgrag.store.alias_file import ALIASES_FILE, load_alias_overrides

        return load_alias_overrides(self.folder / ALIASES_FILE)

    @property
    def extraction_config(self) -> ExtractionConfig:
        """How this store's documents are read.

        Raises:
            UsageError: its ``aliases.toml`` or ``predicates.toml`` is wrong.
        """
        from ingest.extraction_config import ExtractionConfig
        from ingest.relations.user_predicates import USER_PREDICATES_FILENAME, load_user_predicates

        is_same_by_pair = {one.pair: one.same for one in self.alias_overrides}
        return ExtractionConfig(
            frozenset(pair for pair, one in is_same_by_pair.items() if not one),
            load_user_predicates(self.folder / USER_PREDICATES_FILENAME),
        )

    @property
    def vocabulary(self) -> PredicateSchema:
        """What facts can say here: the predicates of the program and of the store's ``predicates.toml``."""
        from graphs.predicates import load_predicate_schema

        return load_predicate_schema(self.extraction_config.predicates_toml)
