"""Test that killed processes lose no acknowledged data, leave nothing half-written, and can resume."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import ingest.extraction
import ingest.relations.pattern_extractor
from graphs.sqlite.store import SQLiteGraph
from ingest.pipeline import IngestPipeline
from ingest.readers.files.discovery import discover_sources
from kgrag.retrieve.candidates import IndexSet
from kgrag.retrieve.index_set import open_index_set
from tests.support.documents import (
    FakeEmbedder,
    build_document,
    build_extraction,
    embed_passages,
    find_capitalized_names,
    find_store_damage,
    read_all_rows,
    read_empty_states,
    relate_neighbouring_names,
)
from tests.support.paths import ROOT

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills processes")

PERSON_NAMES = ("Ada Lovelace", "Lord Byron", "Charles Babbage", "Mary Somerville", "Percy Shelley")


def start_function(target: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a process that calls a function, given as ``package.module.function``."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    module, _, function = target.rpartition(".")
    code = f"import sys; from pathlib import Path; from {module} import {function} as f; f(*sys.argv[1:])"
    code = code.replace("f(*sys.argv[1:])", "f(*(int(a) if a.isdigit() else Path(a) for a in sys.argv[1:]))")
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path})


def write_files(folder: Path, *, chinese: bool) -> None:
    """Write 150 documents: 100 rows of a table and 50 files."""
    folder.mkdir(parents=True)

    def text(number: int) -> str:
        if chinese:
            return f"吴文俊在上海教过{number}个学生。陈省身知道这件事。"
        first, second = PERSON_NAMES[number % 5], PERSON_NAMES[number // 5 % 5]
        return f"{first} met {second} on day {number}. {second} wrote to {first} from London. " * (1 + number % 3)

    lines = (json.dumps({"_id": f"row-{n:03}", "title": f"Row {n}", "text": text(n)}) for n in range(100))
    (folder / "rows.jsonl").write_text("\n".join(lines), "utf-8")
    for number in range(100, 150):
        (folder / f"{number}.txt").write_text(text(number), "utf-8")


def ingest_in_process(files: Path, path: Path) -> None:
    """Ingest all files in this process."""
    graph = SQLiteGraph(path)
    run = IngestPipeline(graph, FakeEmbedder(), passage_size=200, workers=0, progress=lambda *_: None)
    run.run(discover_sources([str(files)], files.parent))
    graph.close()


def kill_after(process: subprocess.Popen[str], lines: int, seconds: float) -> list[str]:
    """Kill a process ``seconds`` after its line number ``lines`` (from 0), and return its complete output lines."""
    assert process.stdout
    lines_read = [process.stdout.readline() for _ in range(lines + 1)]
    time.sleep(seconds)
    process.kill()
    lines_read += process.stdout.readlines()
    process.wait()
    process.stdout.close()
    return [line.removesuffix("\n") for line in lines_read if line.endswith("\n")]


def assert_store_consistent(
    path: Path, acknowledged: set[str], reference: dict[str, list[tuple[object, ...]]], kills: int = 1
) -> None:
    """Assert that every document in the store is complete, and that all acknowledged documents are there.

    For each kill, one document more may be there: committed, but killed before it was acknowledged.
    """
    assert find_store_damage(path) == []
    rows_by_table = read_all_rows(path)
    document_ids = {str(row[0]) for row in rows_by_table["documents"]}
    assert acknowledged <= document_ids
    assert len(document_ids - acknowledged) <= kills
    for table, column in (("documents", 0), ("passages", 1), ("names", 0)):
        assert rows_by_table[table] == [row for row in reference[table] if row[column] in document_ids]
    for table in ("mentions", "triples"):
        assert rows_by_table[table] == [
            row for row in reference[table] if str(row[0]).rpartition("#")[0] in document_ids
        ]


@pytest.fixture
def fake_extraction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest.extraction, "recognize_entities", find_capitalized_names)
    monkeypatch.setattr(ingest.extraction, "encode_token_states", read_empty_states)
    monkeypatch.setattr(ingest.relations.pattern_extractor, "classify_relations", relate_neighbouring_names)


def test_ingest_killed_keeps_acknowledged_documents(tmp_path: Path, fake_extraction: None) -> None:
    files = tmp_path / "files"
    write_files(files, chinese=False)
    ingest_in_process(files, tmp_path / "whole" / "graph.db")
    reference = read_all_rows(tmp_path / "whole" / "graph.db")
    assert all(reference[table] for table in ("mentions", "triples"))
    rng = random.Random(7)
    line_counts = [0, 0, 1, *(rng.randrange(2, 150) for _ in range(3))]
    interrupted = 0
    for number, lines in enumerate(line_counts):
        path = tmp_path / str(number) / "graph.db"
        output = kill_after(
            start_function("tests.support.documents.ingest_and_report", files, path, 0), lines, rng.random() * 0.008
        )
        acknowledged = {line for line in output if line not in ("begin", "end")}
        assert len(acknowledged) >= lines
        interrupted += "end" not in output
        SQLiteGraph(path).close()  # it can be opened, even if the process was killed while creating it
        assert_store_consistent(path, acknowledged, reference)
        ingest_in_process(files, path)
        assert read_all_rows(path) == reference
    assert interrupted >= 5


def test_ingest_killed_repeatedly_completes(tmp_path: Path, fake_extraction: None) -> None:
    files, path = tmp_path / "files", tmp_path / "store" / "graph.db"
    write_files(files, chinese=False)
    ingest_in_process(files, tmp_path / "whole" / "graph.db")
    acknowledged: set[str] = set()
    for kills in (1, 2, 3):
        output = kill_after(start_function("tests.support.documents.ingest_and_report", files, path, 0), 30, 0)
        new = {line for line in output if line not in ("begin", "end")}
        assert acknowledged.isdisjoint(new)  # acknowledged documents are not ingested again
        acknowledged |= new
        assert_store_consistent(path, acknowledged, read_all_rows(tmp_path / "whole" / "graph.db"), kills=kills)
    ingest_in_process(files, path)
    assert read_all_rows(path) == read_all_rows(tmp_path / "whole" / "graph.db")


def is_running(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except OSError:
        return not Path("/proc/self").exists()


def test_ingest_killed_ends_its_workers(tmp_path: Path) -> None:
    files, path = tmp_path / "files", tmp_path / "store" / "graph.db"
    write_files(files, chinese=True)
    ingest_in_process(files, tmp_path / "whole" / "graph.db")
    reference = read_all_rows(tmp_path / "whole" / "graph.db")
    output = kill_after(start_function("tests.support.documents.ingest_and_report", files, path, 2), 20, 0)
    deadline = time.monotonic() + 3
    acknowledged = [line.split() for line in output if line not in ("begin", "end")]
    workers = {int(pid) for _, *pids in acknowledged for pid in pids}
    assert len(workers) == 2
    while any(map(is_running, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_running, workers))
    assert len(acknowledged) >= 20
    assert_store_consistent(path, {id for id, *_ in acknowledged}, reference)
    ingest_in_process(files, path)
    assert read_all_rows(path) == reference


# --- indices -----------------------------------------------------------------------------------------------------


def kill_index_build_at_each_step(base: Path, folder: Path, step_size: int) -> None:
    """Kill an index build before each of its file operations, each time on a fresh copy of a store.

    For every ``step_size``-th number n from 0, copy the store ``base`` to ``folder/n``. A child process updates the
    copy's indices and kills itself before it opens, creates, renames or removes an index file for the n-th time.
    """
    import faiss  # noqa: F401  (imported before the forks, so that none of them spends time on it)

    for number in range(0, 500, step_size):
        store = folder / str(number)
        shutil.copytree(base, store)
        child = os.fork()
        if not child:
            steps = iter(range(number, -1, -1))

            def hook(
                event: str, arguments: tuple[object, ...], store: Path = store, steps: Iterator[int] = steps
            ) -> None:
                changes = event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir") or (
                    event == "open" and arguments[1] not in ("r", "rb", None)
                )
                if changes and str(store / "indices") in str(arguments[0]) and next(steps) == 0:
                    os.kill(os.getpid(), 9)

            sys.addaudithook(hook)
            graph = SQLiteGraph(store / "graph.db")
            open_index_set(graph, store / "indices", lambda _: None, persist=True)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            return


def index_fingerprint(indices: IndexSet) -> list[bytes]:
    """Return the results and arrays of the indices, to the last bit."""
    question = "Whom did Ada Lovelace meet in 上海?"
    rows, cosines = indices.vectors.search(FakeEmbedder().embed_query(question), 10)
    edges = indices.graph.edges
    arrays = [indices.words.scores(question), rows, cosines, edges.indptr, edges.indices, edges.data, indices.graph.idf]
    return [np.asarray(array).tobytes() for array in arrays] + [" ".join(indices.graph.names).encode()]


# seven is coprime to the period of the file operations (two or three), so each kind is met
@pytest.mark.parametrize("step_size", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_index_build_killed_at_any_step_is_repaired(tmp_path: Path, step_size: int) -> None:
    graph = SQLiteGraph(tmp_path / "base" / "graph.db")
    names = dict.fromkeys([*PERSON_NAMES, "上海"], "MISC")
    for number in range(12):
        text = f"{PERSON_NAMES[number % 5]} met {PERSON_NAMES[number % 3]}. {PERSON_NAMES[number % 4]} was in 上海. Day {number} ended."
        extraction = build_extraction(build_document(str(number), text), names)
        graph.put(extraction, embed_passages(extraction))
    old_indices = open_index_set(graph, tmp_path / "base" / "indices", lambda _: None, persist=True)
    extraction = build_extraction(build_document("last", "Ada Lovelace left 上海. She met nobody."), names)
    graph.put(extraction, embed_passages(extraction))
    expected = index_fingerprint(open_index_set(graph, tmp_path / "nowhere", lambda _: None, persist=False))
    graph.close()
    assert index_fingerprint(old_indices) != expected

    process = start_function(
        "tests.test_crash.kill_index_build_at_each_step", tmp_path / "base", tmp_path / "killed", step_size
    )
    process.communicate(timeout=120)
    assert process.returncode == 0
    killed_stores = list((tmp_path / "killed").iterdir())
    assert len(killed_stores) > 15
    half_written = 0
    for store in killed_stores:
        graph = SQLiteGraph(store / "graph.db")
        half_written += any(path.name.startswith(".") for path in (store / "indices").iterdir())
        for persist in (False, True, True):
            indices = open_index_set(graph, store / "indices", lambda _: None, persist=persist)
            assert index_fingerprint(indices) == expected
        graph.close()
        assert sorted(path.name for path in (store / "indices").iterdir()) == [
            "documents",
            "facts",
            "generation.json",
            "merges",
            "names",
            "rows",
            "sentences",
            "vectors",
            "walk",
            "words",
        ]
    assert half_written > 5
