"""Whether there is a GPU, asked without loading torch where there cannot be one: that takes seconds."""

from __future__ import annotations

import os
from pathlib import Path


def has_cuda() -> bool:
    """Whether torch can use a CUDA device."""
    if not Path("/proc/driver/nvidia/version").exists() and os.name != "nt":
        return False
    import torch

    return torch.cuda.is_available()
