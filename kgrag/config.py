"""The one configuration: small, checked, and saved beside every result. Unknown keys are errors.

A store may hold ``kgrag.toml``; environment variables ``KGRAG_HOME`` (where models are kept) and ``KGRAG_MODEL``
(the language model's name) come before it.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Literal

from platformdirs import user_cache_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kgrag.errors import UsageError


class Config(BaseModel):
    """What a user may set in ``kgrag.toml``. Sizes are in characters unless they say otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field("auto", description="language model: a name of `kgrag models`, a folder, or auto")
    embedder: str = Field("all-MiniLM-L6-v2", description="sentence embedder")
    reranker: str = Field("", description="cross-encoder that reads the best passages again: a folder, or a hub's name")
    passage_size: int = Field(
        1800, ge=200, le=20000, description="longest passage in English characters; Chinese: half"
    )
    k: int = Field(8, ge=1, le=1000, description="passages shown to the reader")
    evidence_tokens: int = Field(400, ge=100, le=100_000, description="tokens of evidence in a prompt")
    answer_tokens: int = Field(96, ge=8, le=4096, description="tokens of an answer, at most")
    extract: Literal["rules", "llm", "both"] = Field("rules", description="who looks for facts while ingesting")
    walk: Literal["auto", "local", "server"] = Field("auto", description="where a server's graph is walked")
    workers: int = Field(0, ge=0, le=64, description="processes that find names while ingesting; 0: by the machine")


def load_config(store: Path) -> Config:
    """The configuration of a store folder.

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
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            problem = f"has the unknown key {name!r}; known keys: {', '.join(sorted(Config.model_fields))}"
        else:
            problem = f"has {name} = {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}"
        raise UsageError(f"{path} {problem}. Mend or remove that line.") from error


def home() -> Path:
    """Where models are kept: ``$KGRAG_HOME``, else the user's cache folder."""
    return Path(os.environ.get("KGRAG_HOME") or user_cache_path("kgrag"))
