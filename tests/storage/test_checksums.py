"""Checksums of files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from kgrag.storage.checksums import file_sha256


def test_file_sha256_covers_all_files_in_order(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(b"x" * 3_000_000)
    second.write_bytes(b"y")
    assert file_sha256(first) == hashlib.sha256(first.read_bytes()).hexdigest()
    assert file_sha256(first, second) == hashlib.sha256(first.read_bytes() + b"y").hexdigest()


def test_file_sha256_of_missing_file_raises(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        file_sha256(tmp_path / "missing")
