"""Documents in traditional characters give the same facts as simplified ones and keep their spelling."""

from __future__ import annotations

import json
from pathlib import Path

from ingest.extraction import extract_documents
from kgrag.text import to_simplified
from kgrag.types import Document
from tests.support.cli_shell import Shell

TEXT = "丘成桐，1949年4月4日出生於廣東汕頭。他的博士導師是陳省身。他畢業於香港中文大學。"


def test_traditional_text_gives_same_facts_in_own_spelling() -> None:
    texts = TEXT, to_simplified(TEXT)
    traditional, simplified = (
        extract_documents([Document("d", "丘成桐", text, "d", "zh", "0")], 500)[0] for text in texts
    )
    assert traditional.triples == simplified.triples and len(traditional.triples) > 3
    assert [m.entity_id for m in traditional.mentions] == [m.entity_id for m in simplified.mentions]
    assert "陳省身" in {m.surface for m in traditional.mentions}
    assert all(TEXT[m.start : m.end] == m.surface for m in traditional.mentions)
    assert all(p.text == TEXT[p.start : p.end] for p in traditional.passages) and traditional.document.text == TEXT


def test_traditional_title_keeps_its_spelling() -> None:
    extraction = extract_documents([Document("d", "陳省身", "陳省身出生於浙江嘉興。", "d", "zh", "0")], 500)[0]
    assert extraction.names[0][1] == "陳省身" and extraction.document.title == "陳省身"


def test_questions_match_across_scripts(tmp_path: Path, shell: Shell) -> None:
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
