"""The one configuration: small, checked, and saved beside every result. Unknown keys are errors.

A store may hold ``kgrag.toml``; environment variables ``KGRAG_HOME`` (where models are kept) and ``KGRAG_MODEL``
(the language model's name) come before it. ``KGRAG_API_KEY``, a server's key, is read from the environment alone.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from platformdirs import user_cache_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kgrag.errors import UsageError


class ServerConfig(BaseModel):
    """How a language model behind a server is asked: the table ``[server]``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    timeout: float = Field(default=120, gt=0, le=3600, description="seconds without a byte until a request has failed")
    tries: int = Field(default=4, ge=1, le=20, description="how often a request is made before it has failed")
    at_once: int = Field(default=4, ge=1, le=256, description="requests at a time")


class Config(BaseModel):
    """What a user may set in ``kgrag.toml``. Sizes are in characters unless they say otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field("auto", description="language model: a name of `kgrag models`, a folder, or auto")
    precision: Literal["auto", "fp32", "bf16", "fp16", "int8", "int4"] = Field("auto", description="of its weights")
    attention: Literal["auto", "eager", "sdpa", "flash_attention_2"] = Field("auto", description="what computes it")
    adapter: str = Field("", description="a folder with a LoRA adapter, as peft saves it")
    server: ServerConfig = Field(ServerConfig(), description="how a model behind a server is asked")
    embedder: str = Field("all-MiniLM-L6-v2", description="sentence embedder")
    reranker: str = Field("", description="cross-encoder that reads the best passages again: a folder, or a hub's name")
    passage_size: int = Field(
        1800, ge=200, le=20000, description="longest passage in English characters; Chinese: half"
    )
    k: int = Field(8, ge=1, le=1000, description="passages shown to the reader")
    evidence_tokens: int = Field(400, ge=100, le=100_000, description="tokens of evidence in a prompt")
    answer_tokens: int = Field(96, ge=8, le=4096, description="tokens of an answer, at most")
    lookups: int = Field(
        4, ge=0, le=64, description="steps of a question that are looked up where the graph lacks them"
    )
    extract: Literal["rules", "llm", "both"] = Field("rules", description="who looks for facts while ingesting")
    walk: Literal["auto", "local", "server"] = Field("auto", description="where a server's graph is walked")
    workers: int = Field(0, ge=0, le=64, description="processes that find names while ingesting; 0: by the machine")


def load_config(store: Path, overrides: Mapping[str, str | None] | None = None) -> Config:
    """The configuration of a store folder; what is ``given`` and not None comes before it.

    Raises:
        UsageError: the file is not TOML, or has a key or a value that is not known.
    """
    path = store / "kgrag.toml"
    values: dict[str, object] = {}
    if path.is_file():
        try:
            values = tomllib.loads(path.read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{path} is not valid TOML ({error}): mend that line, or remove the file.") from error
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
        raise UsageError(f"{path} {problem}. Mend or remove that line.") from error


def api_key() -> str:
    """The key that a language model's server is given; it is never shown, and kept in no file."""
    return os.environ.get("KGRAG_API_KEY", "").strip()


def model_home() -> Path:
    """Where models are kept: ``$KGRAG_HOME``, else the user's cache folder."""
    return Path(os.environ.get("KGRAG_HOME") or user_cache_path("kgrag"))
