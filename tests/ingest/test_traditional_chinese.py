"""Documents in traditional characters are read like those in simplified ones, and keep their spelling."""

from __future__ import annotations

import json
from pathlib import Path

from ingest.extraction import extract_documents
from kgrag.text import to_simplified
from kgrag.types import Document
from tests.support.cli_shell import Shell

TEXT = "丘成桐，1949年4月4日出生於廣東汕頭。他的博士導師是陳省身。他畢業於香港中文大學。"


def test_facts_are_the_same_and_spellings_are_the_document_s_own() -> None:
    texts = TEXT, to_simplified(TEXT)
    one, other = (extract_documents([Document("d", "丘成桐", text, "d", "zh", "0")], 500)[0] for text in texts)
    assert one.triples == other.triples and len(one.triples) > 3
    assert [m.entity_id for m in one.mentions] == [m.entity_id for m in other.mentions]
    assert "陳省身" in {m.surface for m in one.mentions}
    assert all(TEXT[m.start : m.end] == m.surface for m in one.mentions)
    assert all(p.text == TEXT[p.start : p.end] for p in one.passages) and one.document.text == TEXT


def test_a_title_keeps_its_spelling() -> None:
    made = extract_documents([Document("d", "陳省身", "陳省身出生於浙江嘉興。", "d", "zh", "0")], 500)[0]
    assert made.names[0][1] == "陳省身" and made.document.title == "陳省身"


def test_each_finds_the_other(tmp_path: Path, shell: Shell) -> None:
    rows = [
        {"_id": "a", "title": "丘成桐", "text": TEXT},
        {"_id": "b", "title": "陈省身", "text": "陈省身1911年10月28日出生于浙江嘉兴。"},
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    store = tmp_path / "s"
    assert shell("ingest", tmp_path / "rows.jsonl", "--store", store)[0] == 0
    for question in ("丘成桐的博士导师出生于哪里？", "丘成桐的博士導師出生於哪裡？"):
        code, out, _ = shell("ask", question, "--store", store, "--reader", "graph")
        assert code == 0 and "浙江嘉兴" in out
    assert "陳省身" in shell("retrieve", "陈省身", "--store", store)[1]
