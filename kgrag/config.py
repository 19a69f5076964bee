"""Configuration of a store: a small, validated model that is saved with every result. Unknown keys are errors.

Values come from ``kgrag.toml`` in the store. Two environment variables override it: ``KGRAG_HOME`` (folder for models)
and ``KGRAG_MODEL`` (name of the language model). ``KGRAG_API_KEY``, a server's key, is read from the environment only.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kgrag.errors import UsageError
from kgrag.storage.text_files import read_text_file

Style = Literal["auto", "phrase", "sentences", "full"]
"""Form of answers: ``auto`` for the form that a question asks for, ``full`` for sentences, steps or a list even where a phrase is asked for."""
STYLES: tuple[Style, ...] = get_args(Style)


class ServerConfig(BaseModel):
    """Settings for requests to a language model server: the table ``[server]``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    timeout: float = Field(default=120, gt=0, le=3600, description="seconds without a byte until a request fails")
    tries: int = Field(default=4, ge=1, le=20, description="attempts per request")
    context: int = Field(
        default=0, ge=0, description="context of the model, in tokens; 0: as the server states it, or else 4,096"
    )
    at_once: int = Field(default=4, ge=1, le=256, description="concurrent requests")


class Config(BaseModel):
    """Settings of ``kgrag.toml``. Sizes are in characters unless stated otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field("auto", description="language model: a name of `kgrag models`, a folder, or auto")
    precision: Literal["auto", "fp32", "bf16", "fp16", "int8", "int4"] = Field(
        "auto", description="precision of the model's weights"
    )
    attention: Literal["auto", "eager", "sdpa", "flash_attention_2"] = Field(
        "auto", description="attention implementation"
    )
    adapter: str = Field("", description="folder with a LoRA adapter, as saved by peft")
    server: ServerConfig = Field(ServerConfig(), description="settings for requests to a language model server")
    embedder: str = Field("all-MiniLM-L6-v2", description="sentence embedder")
    reranker: str = Field(
        "", description="cross-encoder that reranks the best passages: a folder, or a name on the hub"
    )
    passage_size: int = Field(
        1800, ge=200, le=20000, description="maximum passage length in characters; half of it for Chinese"
    )
    k: int = Field(8, ge=1, le=1000, description="passages given to the reader")
    evidence_tokens: int = Field(
        0, ge=0, le=100_000, description="tokens of evidence in a prompt; 0: as the profile has it"
    )
    answer_tokens: int = Field(
        0, ge=0, le=4096, description="maximum tokens of an answer; 0: as the profile has it, by the form of the answer"
    )
    profile: Literal["auto", "small", "strong"] = Field(
        "auto", description="how questions are answered; auto: strong for a model on a server, else small"
    )
    style: Style = Field(
        "auto",
        description="form of the answers: phrase, sentences, full, or auto for the form that a question asks for",
    )
    quotes: bool = Field(True, description="whether the profile small quotes manuals instead of asking the model")
    lookups: int = Field(
        4, ge=0, le=64, description="maximum steps of a question looked up in text if the graph lacks them"
    )
    extract: Literal["rules", "llm", "both"] = Field("rules", description="fact extractor for ingest")
    walk: Literal["auto", "local", "server"] = Field("auto", description="where to compute walks over a server's graph")
    workers: int = Field(0, ge=0, le=64, description="extraction processes for ingest; 0: chosen by the machine")


def load_config(store: Path, overrides: Mapping[str, str | None] | None = None) -> Config:
    """Load the configuration of a store folder.

    Args:
        store: folder of the store.
        overrides: values that override the file and the environment; None means not given.

    Raises:
        UsageError: the file is not valid TOML, or has an unknown key or an invalid value.
    """
    path = store / "kgrag.toml"
    values: dict[str, object] = {}
    if path.is_file():
        try:
            values = tomllib.loads(read_text_file(path))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{path} is not valid TOML ({error}): fix that line or delete the file.") from error
    if os.environ.get("KGRAG_MODEL"):
        values["model"] = os.environ["KGRAG_MODEL"]
    values |= {name: value for name, value in (overrides or {}).items() if value is not None}
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known_keys = ServerConfig.model_fields if first["loc"][0] == "server" else Config.model_fields
            problem = f"has the unknown key {name!r}; known keys: {', '.join(sorted(known_keys))}"
        else:
            problem = f"has {name} = {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}"
        raise UsageError(f"{path} {problem}. Fix or delete that line.") from error


def api_key() -> str:
    """Return the API key for language model servers, from ``KGRAG_API_KEY``; it is never printed or saved."""
    return os.environ.get("KGRAG_API_KEY", "").strip()
