"""Folder of models and of other data that is kept outside stores."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path


def model_home() -> Path:
    """Return the folder for models: ``$KGRAG_HOME``, or the user's cache folder."""
    return Path(os.environ.get("KGRAG_HOME") or user_cache_path("kgrag"))
