"""Text files of users are read with any byte order mark."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from kgrag.config import load_config
from kgrag.question_sets import load_questions
from kgrag.storage.text_files import read_text_file
from kgrag.store.alias_file import load_alias_overrides

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-32"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_byte_order_mark_is_no_part_of_the_text(tmp_path: Path, encoding: str) -> None:
    data = "a = 'é'\r\nb\r\n".encode(encoding)
    (tmp_path / "a.txt").write_bytes(data)
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(data))
    assert read_text_file(tmp_path / "a.txt") == read_text_file(tmp_path / "a.txt.gz") == "a = 'é'\nb\n"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_own_files_are_read_with_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "kgrag.toml").write_bytes("k = 5\r\n".encode(encoding))
    (tmp_path / "aliases.toml").write_bytes('[[same]]\r\nnames = ["Ann", "Anna"]\r\n'.encode(encoding))
    (tmp_path / "q.jsonl").write_bytes('{"_id": "1", "text": "Who?", "answers": [], "gold": []}\n'.encode(encoding))
    assert load_config(tmp_path).k == 5
    assert len(load_alias_overrides(tmp_path / "aliases.toml")) == 1
    assert load_questions(tmp_path / "q.jsonl")[0].text == "Who?"
