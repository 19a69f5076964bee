"""Compute devices of this machine, found without importing torch (seconds) where no GPU can exist."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

GB = 10**9
MIN_FLASH_CAPABILITY = (8, 0)
"""Minimum compute capability (Ampere) for FlashAttention 2."""
CUDA_DRIVER_PATHS = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/dev/dxg")
"""Files that exist if there may be a CUDA device: the driver, its device node (sandboxes hide /proc), WSL 2's node."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device that a model runs on.

    ``kind`` is ``"cuda"``, ``"mps"`` or ``"cpu"``. ``memory`` and ``free`` are bytes of the memory that holds weights,
    for GPUs those of the one with the most free memory; ``count`` is the number of GPUs. ``bf16``: it computes in
    bfloat16; ``flash``: FlashAttention 2 is installed and supported; ``bitsandbytes``: that library is installed.
    """

    kind: str
    name: str
    memory: int
    free: int
    count: int = 1
    bf16: bool = False
    flash: bool = False
    bitsandbytes: bool = False


def has_cuda() -> bool:
    """Whether torch can use a CUDA device."""
    if os.name != "nt" and not any(Path(place).exists() for place in CUDA_DRIVER_PATHS):
        return False
    import torch

    return torch.cuda.is_available()


def has_mps() -> bool:
    """Whether torch can use Apple's GPU."""
    if sys.platform != "darwin" or platform.machine() != "arm64":
        return False
    import torch

    return torch.backends.mps.is_available()


def choose_device(cuda: bool | None = None, mps: bool | None = None) -> str:
    """Choose ``"cuda"``, ``"mps"`` or ``"cpu"``, in this order; None means that this machine is probed."""
    if has_cuda() if cuda is None else cuda:
        return "cuda"
    return "mps" if (has_mps() if mps is None else mps) else "cpu"


def memory_bytes() -> tuple[int, int]:
    """Return (total bytes, available bytes) of this machine's memory, within a container's limit."""
    # Loaded by name because it comes without types; accelerate requires it.
    virtual_memory = importlib.import_module("psutil").virtual_memory()
    total, free = int(virtual_memory.total), int(virtual_memory.available)
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.is_file() and (limit_text := limit.read_text().strip()).isdigit():
        total = min(total, int(limit_text))
        if used.is_file() and (used_text := used.read_text().strip()).isdigit():
            free = min(free, max(int(limit_text) - int(used_text), 0))
    return total, free


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def is_installed(library: str) -> bool:
    """Whether a library is installed, without importing it."""
    return importlib.util.find_spec(library) is not None


def cpu_device() -> Device:
    """Return this machine's processor; bfloat16 support is read from /proc/cpuinfo, without torch."""
    total, free = memory_bytes()
    cpuinfo = Path("/proc/cpuinfo")
    cpu_flags = set(cpuinfo.read_text("utf-8", "replace").split()) if cpuinfo.is_file() else set()
    return Device(
        "cpu", f"{usable_cores()} cores", total, free, bf16=bool(cpu_flags & {"amx_bf16", "avx512_bf16", "bf16"})
    )


@cache
def _gpu_device(kind: str) -> Device:
    import torch

    if kind == "mps":
        limit = int(torch.mps.recommended_max_memory())
        return Device("mps", "Apple GPU", limit, limit - int(torch.mps.driver_allocated_memory()))
    count = torch.cuda.device_count()
    free, total = max(torch.cuda.mem_get_info(number) for number in range(count))
    properties = torch.cuda.get_device_properties(0)
    return Device(
        "cuda",
        properties.name,
        total,
        free,
        count,
        bf16=torch.cuda.is_bf16_supported(including_emulation=False),  # emulated bf16 is slower than fp16
        flash=is_installed("flash_attn") and torch.cuda.get_device_capability(0) >= MIN_FLASH_CAPABILITY,
        bitsandbytes=is_installed("bitsandbytes"),
    )


def this_device() -> Device:
    """Return the best device of this machine."""
    kind = choose_device()
    return cpu_device() if kind == "cpu" else _gpu_device(kind)
