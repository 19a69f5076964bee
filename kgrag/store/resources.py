"""A store's configuration, its graph and its models, each opened when first used."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, TypeVar, cast

from kgrag.config import Config, load_config
from kgrag.errors import StoreError, UsageError
from kgrag.location import Neo4jLocation, StoreLocation, parse_location
from kgrag.logs import log_stage
from kgrag.protocols import LLM, Embedder, GraphStore, Reranker
from kgrag.storage.locks import acquire_lock

if TYPE_CHECKING:
    from graphs.merging.rules import AliasOverride
    from graphs.predicates import PredicateSchema
    from ingest.extraction_config import ExtractionConfig

logger = logging.getLogger(__name__)
T = TypeVar("T")


class StoreResources:
    """The parts of one store, loaded on demand and shared by all threads.

    Args:
        location: a folder, or the address of a Neo4j database.
        notice: called with a sentence about a slow step or an observation.
        progress: called with a message and a share in 0..1 while a model is fetched.
        create: whether an empty or missing folder becomes a new store.
        model: name of a language model; takes precedence over ``kgrag.toml``.
        overrides: further settings that take precedence over ``kgrag.toml``; None leaves a setting as configured.

    Raises:
        UsageError: there is no store at ``location`` (and ``create`` is False), or its configuration is wrong.
        StoreError: the store cannot be used.
    """

    def __init__(
        self,
        location: str | StoreLocation,
        notice: Callable[[str], None] = lambda _: None,
        progress: Callable[[str, float], None] = lambda _, __: None,
        *,
        create: bool = False,
        model: str | None = None,
        overrides: Mapping[str, str | None] | None = None,
    ) -> None:
        self.location = parse_location(location) if isinstance(location, str) else location
        self.notice, self.progress, self._create = notice, progress, create
        self.folder = self.location.folder if isinstance(self.location, Neo4jLocation) else self.location
        self._lock = RLock()
        self._loaded: dict[str, object] = {}
        self._embedder_name = ""  # of the embedder that was loaded by its name
        if isinstance(self.location, Path):
            self._require_store_folder(self.location)
        self.config: Config = load_config(self.folder, {**(overrides or {}), "model": model})
        self.model = self.config.model
        if self.config.walk == "server" and not isinstance(self.location, Neo4jLocation):
            raise UsageError(
                f"Expected a Neo4j store for a walk on the server, found the folder {self.location}: omit --walk."
            )

    def _require_store_folder(self, folder: Path) -> None:
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"Expected a folder for the store at {folder}, found a file: choose another with --store.")
        if not self._create and not (folder / "graph.db").is_file():
            raise UsageError(
                f"Expected a store in {folder} and found none: create one with `kgrag ingest PATH --store {folder}`, "
                "or pass the right folder with --store."
            )

    def _load(self, name: str, build: Callable[[], T]) -> T:
        """Return the resource ``name``, built once by whichever thread needs it first."""
        with self._lock:
            if name not in self._loaded:
                with log_stage(logger, f"load {name}"):
                    self._loaded[name] = build()
            return cast(T, self._loaded[name])

    @property
    def graph_store(self) -> GraphStore:
        """The store of documents, entities and triples.

        Raises:
            StoreError: it cannot be opened.
            UsageError: it is a Neo4j database and there is no password.
        """
        return self._load("graph_store", self._open_graph_store)

    def _open_graph_store(self) -> GraphStore:
        if isinstance(self.location, Neo4jLocation):
            from graphs.neo4j.store import Neo4jGraph

            return Neo4jGraph(self.location, self.location.password(), create=self._create)
        from graphs.sqlite.store import SQLiteGraph

        return SQLiteGraph(self.folder / "graph.db")

    @property
    def embedder(self) -> Embedder:
        """The sentence embedder of this store.

        Raises:
            StoreError: ``kgrag.toml`` names another embedder than the one the store was made with.
        """
        with self._lock:
            if self._embedder_name and self._embedder_name != (
                self.graph_store.meta("embedder") or self._embedder_name
            ):
                self.unload("embedder")  # another process has switched the store to other vectors
            return self._load("embedder", self._load_embedder)

    def _load_embedder(self) -> Embedder:
        from kgrag.embedders import load_embedder
        from kgrag.store.embedder_switch import configured_embedder

        stored_name, name = self.graph_store.meta("embedder"), self.config.embedder
        if stored_name and stored_name != name and "embedder" in self.config.model_fields_set:
            name = configured_embedder(self.folder, stored_name) or stored_name
            if name != stored_name:
                raise StoreError(
                    f"{self.location} has vectors of the embedder {stored_name}, and kgrag.toml names {name}: set it back, "
                    f"or run `kgrag reindex --embedder {name} --store {self.location}`."
                )
        self._embedder_name = stored_name or name
        return load_embedder(self.embedder_folder(self._embedder_name), self.progress)

    def embedder_for(self, language: str) -> Embedder | None:
        """Return an embedder of texts in a language: the store's, or another of the registry that is on this machine.

        None, with a notice, if there is none; None where the caller's own embedder lacks the language.
        """
        from kgrag.embedders import load_embedder
        from kgrag.models.convert import local_folder
        from kgrag.models.registry import all_models

        embedder = self.embedder
        if language in embedder.languages or not self._embedder_name:
            return embedder if language in embedder.languages else None
        others = [entry for entry in all_models() if entry.kind == "embedder" and language in entry.languages]
        present = next((entry.name for entry in others if local_folder(entry) is not None), None)
        if present is not None:
            return self._load(f"embedder of {present}", lambda: load_embedder(present))
        names = " or ".join(entry.name for entry in others)
        message = (
            f"Evidence in this language is chosen by words alone: run `kgrag models pull {names}` to compare meanings."
        )
        return self._load("notice of words alone", lambda: self.notice(message))

    def use_stored_embedder(self) -> None:
        """Load the embedder that the store records now with its next use, after a switch."""
        name = self.graph_store.meta("embedder") or self.config.embedder
        with self._lock:
            self.config = self.config.model_copy(update={"embedder": name})
            self.unload("embedder")

    def embedder_folder(self, name: str) -> str:
        """Return an embedder's name, as a path if it is a folder in the store."""
        return str(self.folder / name) if name and (self.folder / name).is_dir() else name

    @property
    def llm(self) -> LLM:
        """The language model, loaded with its adapter."""
        return self._load("llm", self._load_llm)

    @property
    def loaded_llm(self) -> LLM | None:
        """The language model if it is loaded, else None."""
        return cast(LLM | None, self._loaded.get("llm"))

    def _load_llm(self) -> LLM:
        from kgrag.llm.loader import load_llm, named_adapter_folder

        config = self.config
        if config.adapter:  # a folder may be named relative to the configuration that names it
            config = config.model_copy(update={"adapter": str(named_adapter_folder(config.adapter, self.folder))})
        return load_llm(self.model, self.progress, config)

    @property
    def reranker(self) -> Reranker:
        """The cross-encoder that the configuration names.

        Raises:
            ModelError: it cannot be loaded.
        """
        return self._load("reranker", self._load_reranker)

    def _load_reranker(self) -> Reranker:
        from kgrag.retrieve.cross_encoder import load_reranker

        name = self.config.reranker
        # a folder is named relative to the configuration, independent of the working directory
        return load_reranker(str(self.folder / name) if (self.folder / name).is_dir() else name)

    def use(
        self, *, llm: LLM | None = None, embedder: Embedder | None = None, reranker: Reranker | None = None
    ) -> None:
        """Replace models by the caller's own objects; each implements its protocol in `kgrag.protocols`."""
        with self._lock:
            given = {"llm": llm, "embedder": embedder, "reranker": reranker}
            self._loaded |= {name: model for name, model in given.items() if model is not None}
            if embedder is not None:
                self._embedder_name = ""

    def unload(self, name: str) -> None:
        """Drop a loaded resource, so that its next use loads it again."""
        with self._lock:
            self._loaded.pop(name, None)

    def set_model(self, *, model: str | None = None, adapter: str | None = None) -> None:
        """Change the language model or its adapter, and load it; a failure changes nothing.

        Raises:
            ModelError: the model or adapter does not exist, cannot be loaded, or does not fit the other.
        """
        with self._lock:
            previous = self.model, self.config, cast(LLM | None, self._loaded.pop("llm", None))
            updates = {"model": model, "adapter": adapter if model is None or adapter is not None else ""}
            try:
                self.config = self.config.model_copy(update={k: v for k, v in updates.items() if v is not None})
                self.model = self.config.model
                _ = self.llm
            except BaseException:
                self.model, self.config = previous[:2]
                self.use(llm=previous[2])
                raise

    def close(self) -> None:
        """Close the graph store; the object cannot be used afterwards."""
        with self._lock:
            graph_store = cast(GraphStore | None, self._loaded.pop("graph_store", None))
            self._loaded.clear()
        if graph_store is not None:
            graph_store.close()

    def write_lock(self) -> AbstractContextManager[None]:
        """Lock a store's folder for writing; a Neo4j server accepts several writers.

        Raises:
            StoreBusyError: another process holds the lock.
            StoreError: the folder cannot be written.
        """
        return nullcontext() if isinstance(self.location, Neo4jLocation) else self.folder_lock()

    @contextmanager
    def folder_lock(self) -> Iterator[None]:
        """Lock the folder for writing: the store's own, or the one with the indices of a Neo4j store."""
        try:
            lock = acquire_lock(
                self.folder / "lock",
                f"{self.folder} is being written by another process: wait for it to end, then run this again.",
            )
        except OSError as error:
            raise StoreError(
                f"{self.folder} cannot be written ({error.strerror}): check its permissions, or name another folder."
            ) from error
        with lock:
            yield

    @property
    def source_root(self) -> Path:
        """The folder that source names are relative to: the store's parent, or the working directory for Neo4j."""
        return Path.cwd() if isinstance(self.location, Neo4jLocation) else self.folder.resolve().parent

    @property
    def alias_overrides(self) -> list[AliasOverride]:
        """The merges and separations of the store's ``aliases.toml``.

        Raises:
            UsageError: the file is wrong.
        """
        from kgrag.store.alias_file import ALIASES_FILE, load_alias_overrides

        return load_alias_overrides(self.folder / ALIASES_FILE)

    @property
    def extraction_config(self) -> ExtractionConfig:
        """The configuration of extraction.

        Raises:
            UsageError: the store's ``aliases.toml`` or ``predicates.toml`` is wrong.
        """
        from ingest.extraction_config import ExtractionConfig
        from ingest.relations.user_predicates import USER_PREDICATES_FILENAME, load_user_predicates

        is_same_by_pair = {override.pair: override.same for override in self.alias_overrides}
        return ExtractionConfig(
            frozenset(pair for pair, is_same in is_same_by_pair.items() if not is_same),
            load_user_predicates(self.folder / USER_PREDICATES_FILENAME),
        )

    @property
    def predicates(self) -> PredicateSchema:
        """The predicates of the program and of the store's ``predicates.toml``."""
        from graphs.predicates import load_predicate_schema

        return load_predicate_schema(self.extraction_config.predicates_toml)
