"""Sidecars state the title and own fields of a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.readers.content import make_document
from ingest.readers.files.sidecar import is_sidecar, read_sidecar
from kgrag.errors import ReadError


def test_sidecar_has_precedence_over_the_document(tmp_path: Path) -> None:
    (tmp_path / "a.pdf.meta.json").write_text('\ufeff{"title": "New", "author": "Ann", "tags": ["q3"]}', "utf-8")
    sidecar = read_sidecar(tmp_path / "a.pdf")
    assert sidecar is not None
    old = make_document("a.pdf", "Old", "Words.", "a.pdf", metadata={"author": "Bob", "pages": 2})
    new = sidecar.apply(old, "a.pdf")
    assert (new.title, new.metadata) == ("New", {"author": "Ann", "tags": ("q3",), "pages": 2})
    assert new.sha256 != old.sha256
    row = make_document("r1", "Row", "Words.", "a.csv", metadata={"author": "Bob"})
    assert sidecar.apply(row, "a.csv").metadata == {"author": "Bob", "tags": ("q3",)}
    assert sidecar.apply(row, "a.csv").title == "Row"


def test_missing_sidecar_is_none(tmp_path: Path) -> None:
    assert read_sidecar(tmp_path / "a.pdf") is None
    assert is_sidecar("a.pdf.meta.json") and not is_sidecar("meta.json")


@pytest.mark.parametrize("data", [b"{", b"[1]", b"\xff\xff{}", b"[" * 100_000, b" " * (2 << 20)])
def test_broken_sidecar_raises_with_its_name(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.pdf.meta.json").write_bytes(data)
    with pytest.raises(ReadError, match=r"a\.pdf\.meta\.json"):
        read_sidecar(tmp_path / "a.pdf")
