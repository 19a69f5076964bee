"""Killed outright, at any moment: nothing that was acknowledged is lost, nothing is half there, and it goes on."""

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
from graphs.sqlite.store import SQLiteGraph
from ingest.pipeline import IngestPipeline
from ingest.readers.discovery import discover_sources
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
)
from tests.support.paths import ROOT

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills processes")

PERSON_NAMES = ("Ada Lovelace", "Lord Byron", "Charles Babbage", "Mary Somerville", "Percy Shelley")


def start_function(target: str, *arguments: object) -> subprocess.Popen[str]:
    """A process that calls a function, given as ``package.module.function``."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    module, _, function = target.rpartition(".")
    code = f"import sys; from pathlib import Path; from {module} import {function} as f; f(*sys.argv[1:])"
    code = code.replace("f(*sys.argv[1:])", "f(*(int(a) if a.isdigit() else Path(a) for a in sys.argv[1:]))")
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path})


def write_files(folder: Path, *, chinese: bool) -> None:
    """150 documents: 100 rows of a table, 50 files."""
    folder.mkdir(parents=True)

    def text(number: int) -> str:
        if chinese:
            return f"吴文俊在上海教过{number}个学生。陈省身知道这件事。"
        one, other = PERSON_NAMES[number % 5], PERSON_NAMES[number // 5 % 5]
        return f"{one} met {other} on day {number}. {other} wrote to {one} from London. " * (1 + number % 3)

    lines = (json.dumps({"_id": f"row-{n:03}", "title": f"Row {n}", "text": text(n)}) for n in range(100))
    (folder / "rows.jsonl").write_text("\n".join(lines), "utf-8")
    for number in range(100, 150):
        (folder / f"{number}.txt").write_text(text(number), "utf-8")


def ingest_in_process(files: Path, path: Path) -> None:
    """To the end, in this process."""
    graph = SQLiteGraph(path)
    run = IngestPipeline(graph, FakeEmbedder(), passage_size=200, workers=0, progress=lambda *_: None)
    run.run(discover_sources([str(files)], files.parent))
    graph.close()


def kill_after(process: subprocess.Popen[str], lines: int, seconds: float) -> list[str]:
    """All that a process said that was killed ``seconds`` after its line number ``lines`` (0: its first)."""
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
    """What the store has of a document is all of it, and it has all that was acknowledged.

    For each kill it may have another one: committed, and killed before it could say so.
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
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest.extraction, "recognize_entities", find_capitalized_names)
    monkeypatch.setattr(ingest.extraction, "encode_token_states", read_empty_states)


def test_killed_while_it_ingests(tmp_path: Path, light: None) -> None:
    files = tmp_path / "files"
    write_files(files, chinese=False)
    ingest_in_process(files, tmp_path / "whole" / "graph.db")
    reference = read_all_rows(tmp_path / "whole" / "graph.db")
    chance = random.Random(7)
    places = [0, 0, 1, *(chance.randrange(2, 150) for _ in range(3))]
    cut_short = 0
    for number, lines in enumerate(places):
        path = tmp_path / str(number) / "graph.db"
        said = kill_after(
            start_function("tests.support.documents.ingest_and_report", files, path, 0), lines, chance.random() * 0.008
        )
        acknowledged = {line for line in said if line not in ("begin", "end")}
        assert len(acknowledged) >= lines
        cut_short += "end" not in said
        SQLiteGraph(path).close()  # it can be opened, even if it was killed while it was made
        assert_store_consistent(path, acknowledged, reference)
        ingest_in_process(files, path)
        assert read_all_rows(path) == reference
    assert cut_short >= 5


def test_killed_again_and_again_it_comes_to_its_end(tmp_path: Path, light: None) -> None:
    files, path = tmp_path / "files", tmp_path / "store" / "graph.db"
    write_files(files, chinese=False)
    ingest_in_process(files, tmp_path / "whole" / "graph.db")
    acknowledged: set[str] = set()
    for kills in (1, 2, 3):
        said = kill_after(start_function("tests.support.documents.ingest_and_report", files, path, 0), 30, 0)
        new = {line for line in said if line not in ("begin", "end")}
        assert acknowledged.isdisjoint(new)  # what was acknowledged is not done again
        acknowledged |= new
        assert_store_consistent(path, acknowledged, read_all_rows(tmp_path / "whole" / "graph.db"), kills=kills)
    ingest_in_process(files, path)
    assert read_all_rows(path) == read_all_rows(tmp_path / "whole" / "graph.db")


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be noticed does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except OSError:
        return not Path("/proc/self").exists()


def test_killed_with_workers_it_takes_them_with_it(tmp_path: Path) -> None:
    files, path = tmp_path / "files", tmp_path / "store" / "graph.db"
    write_files(files, chinese=True)
    ingest_in_process(files, tmp_path / "whole" / "graph.db")
    reference = read_all_rows(tmp_path / "whole" / "graph.db")
    said = kill_after(start_function("tests.support.documents.ingest_and_report", files, path, 2), 20, 0)
    deadline = time.monotonic() + 3
    acknowledged = [line.split() for line in said if line not in ("begin", "end")]
    workers = {int(pid) for _, *pids in acknowledged for pid in pids}
    assert len(workers) == 2
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, workers))
    assert len(acknowledged) >= 20
    assert_store_consistent(path, {id for id, *_ in acknowledged}, reference)
    ingest_in_process(files, path)
    assert read_all_rows(path) == reference


# --- indices -----------------------------------------------------------------------------------------------------


def kill_index_build_at_each_step(base: Path, folder: Path, apart: int) -> None:
    """For every number that is ``apart`` from the one before, from 0: copy the store ``base`` to ``folder/number``, and bring its indices up to date in a
    process that kills itself before it opens, makes, renames or removes a file of the indices for that many times."""
    import faiss  # noqa: F401  (before the forks, or each of them takes its time)

    for number in range(0, 500, apart):
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
    """What a retriever would be told, to the last bit."""
    question = "Whom did Ada Lovelace meet in 上海?"
    near, cosines = indices.vectors.search(FakeEmbedder().embed_query(question), 10)
    ties = indices.graph.edges
    arrays = [indices.words.scores(question), near, cosines, ties.indptr, ties.indices, ties.data, indices.graph.idf]
    return [np.asarray(array).tobytes() for array in arrays] + [" ".join(indices.graph.names).encode()]


# seven is in no step with the kinds of changes, which come by twos and threes: each kind is met
@pytest.mark.parametrize("apart", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_while_it_writes_the_indices(tmp_path: Path, apart: int) -> None:
    graph = SQLiteGraph(tmp_path / "base" / "graph.db")
    names = dict.fromkeys([*PERSON_NAMES, "上海"], "MISC")
    for number in range(12):
        text = f"{PERSON_NAMES[number % 5]} met {PERSON_NAMES[number % 3]}. {PERSON_NAMES[number % 4]} was in 上海. Day {number} ended."
        one = build_extraction(build_document(str(number), text), names)
        graph.put(one, embed_passages(one))
    old = open_index_set(graph, tmp_path / "base" / "indices", lambda _: None, persist=True)
    one = build_extraction(build_document("last", "Ada Lovelace left 上海. She met nobody."), names)
    graph.put(one, embed_passages(one))
    expected = index_fingerprint(open_index_set(graph, tmp_path / "nowhere", lambda _: None, persist=False))
    graph.close()
    assert index_fingerprint(old) != expected

    process = start_function(
        "tests.test_crash.kill_index_build_at_each_step", tmp_path / "base", tmp_path / "killed", apart
    )
    process.communicate(timeout=120)
    assert process.returncode == 0
    killed = list((tmp_path / "killed").iterdir())
    assert len(killed) > 15
    half_written = 0
    for store in killed:
        graph = SQLiteGraph(store / "graph.db")
        half_written += any(path.name.startswith(".") for path in (store / "indices").iterdir())
        for keep in (False, True, True):
            assert index_fingerprint(open_index_set(graph, store / "indices", lambda _: None, persist=keep)) == expected
        graph.close()
        assert sorted(path.name for path in (store / "indices").iterdir()) == [
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
