"""Indices beside a store: loaded if they are of its generation, built again if they are behind.

`generation.json` is removed first and written last, and has a mark of every other file: files of two generations, or
of another store, or with damage are never taken for one set. Each index is read from the disk where it is touched, and
so does a process that has built one go on with it: what it built is let go before the next one is begun.
"""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from graphs.adjacency import Adjacency, build
from graphs.facts import Facts
from graphs.gather import facts_of
from graphs.gazetteer import Found
from graphs.groups import Merges
from graphs.merged import merged
from graphs.merges import Said, find_merges
from graphs.walk import Walker
from indices.bm25 import WordIndex
from indices.rows import Rows
from indices.sentences import SentenceBuilder, SentenceIndex
from indices.vectors import VectorIndex, on_device
from kgrag.errors import StoreError
from kgrag.files import replaced
from kgrag.protocols import Graph
from kgrag.retrieve.candidates import Indices
from kgrag.types import Passage

FORMAT = 5
"""Raised when the files change their meaning, so that those of an older program are built again."""
FOLDERS = ("rows", "words", "names", "sentences", "walk", "vectors", "facts", "merges")
TRIES = 5
"""How often indices are begun when others write meanwhile."""
MANY = 2000
"""Passages from which on the building is worth a word."""
WHOLE = 64 << 20
"""Bytes of a file that are all looked at on opening; of a larger one its size and its ends are."""
END = 64 << 10
Notice = Callable[[str], None]
Progress = Callable[[str, float], None]
Made = TypeVar("Made", WordIndex, Adjacency, SentenceIndex, Walker, VectorIndex, Facts, Rows, Merges)


def open_indices(
    graph: Graph,
    folder: Path,
    notice: Notice,
    *,
    keep: bool,
    progress: Progress = lambda _, __: None,
    said: Sequence[Said] = (),
) -> Indices:
    """The indices of ``graph``'s present generation.

    Args:
        graph: the store.
        folder: where the files are.
        notice: told in a sentence when something has to be built, or cannot be written.
        keep: write what was built (only one process at a time may).
        progress: told what is being built, and the share of it that is done.
        said: which entities a user says are one, or are not.
    """
    loaded = _load(folder, _stamp(graph, said), notice)
    if loaded:
        return loaded
    for _ in range(TRIES):
        with graph.snapshot():
            stamp = _stamp(graph, said)
            try:
                files, built = _build(graph, folder, notice, keep, progress, said)
                still = graph.generation == stamp["generation"]
            except Exception:
                # half of it read before and half after: only where nobody wrote is that a mistake of ours
                if graph.generation == stamp["generation"]:
                    raise
                still = False
        if still:
            files.finish(stamp)
            return built
        notice("Others wrote to the store while its indices were built: building them again …")
    raise StoreError("Others keep writing to the store, and its indices cannot be built meanwhile: try again later.")


def _build(
    graph: Graph, folder: Path, notice: Notice, keep: bool, progress: Progress, said: Sequence[Said]
) -> tuple[_Files, Indices]:
    """All indices of what the store holds now, and their files, for which nothing vouches yet."""
    total = graph.passage_count()
    if total > MANY:
        notice(f"Building the indices of {total:,} passages …")
    names = graph.document_names()
    files = _Files(folder, notice, keep=keep)

    def texts() -> Iterator[str]:
        for number, passage in enumerate(graph.passages()):
            if number % MANY == 0 and total > MANY:
                progress("indexing the words", number / total)
            yield f"{names[passage.document_id][0]}. {passage.text}"

    def moved(index: Any) -> Any:
        return on_device(index, notice)

    def tied(done: int) -> None:
        if total > MANY:
            progress("looking for the names", done / total)

    rows = files.put("rows", Rows.of(graph.rows()), Rows.load)
    words = files.put("words", WordIndex.build(texts()), WordIndex.load)
    builder = SentenceBuilder()

    def named(passage: Passage, found: Sequence[Found]) -> None:
        builder.add(names[passage.document_id][0], passage.text, found)

    merges = files.put("merges", find_merges(graph, said), Merges.load)
    made = build(_Passages(graph), graph.mentions(), names, tied, named, merges.into)
    adjacency = files.put("names", made, Adjacency.load)
    del made
    sentences = files.put("sentences", builder.done(), SentenceIndex.load)
    walker = files.put("walk", Walker.of(adjacency), Walker.load)
    if total > MANY:
        progress("indexing the vectors", 0.0)
    vectors = files.put(
        "vectors",
        VectorIndex.build(graph.embeddings(), transfer=moved),
        lambda folder: VectorIndex.load(folder, transfer=moved),
    )
    if total > MANY:
        progress("indexing the vectors", 1.0)
    facts = files.put("facts", facts_of(merged(graph, merges)), Facts.load)
    return files, Indices(rows, words, sentences, vectors, adjacency, walker, facts, merges)


class _Passages:
    """The passages of a store, as often as they are gone through."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def __iter__(self) -> Iterator[Passage]:
        return self._graph.passages()


class _Files:
    """Takes what was built, and gives it back as it is read from the disk; as it was, once writing has failed."""

    def __init__(self, folder: Path, notice: Notice, *, keep: bool) -> None:
        self._folder, self._notice, self._keep = folder, notice, keep
        if keep:
            self._try(self._begin)

    def _begin(self) -> None:
        (self._folder / "generation.json").unlink(missing_ok=True)
        # half written by a process that was killed (only one at a time writes), or of an older program
        for path in self._folder.iterdir() if self._folder.exists() else ():
            if path.name not in FOLDERS:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def put(self, name: str, made: Made, load: Callable[[Path], Made]) -> Made:
        """Write ``made``, and ``load`` it again."""
        read: list[Made] = []

        def write() -> None:
            made.save(self._folder / name)
            read.append(load(self._folder / name))

        if self._keep:
            self._try(write)
        return read[0] if read else made

    def finish(self, stamp: dict[str, object]) -> None:
        """Vouch for all that was written."""

        def vouch() -> None:
            with replaced(self._folder / "generation.json") as beside:
                beside.write_text(json.dumps({**stamp, "files": _marks(self._folder)}))

        if self._keep:
            self._try(vouch)

    def _try(self, write: Callable[[], None]) -> None:
        try:
            write()
        except (OSError, RuntimeError) as error:  # the latter is how FAISS says that it cannot write
            self._keep = False
            reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
            self._notice(
                f"The indices could not be written to {self._folder} ({reason}): they will be built again next time."
            )


def _stamp(graph: Graph, said: Sequence[Said]) -> dict[str, object]:
    pairs = [[one.same, *sorted(one.pair)] for one in said]
    return {"store": graph.meta("made"), "generation": graph.generation, "format": FORMAT, "said": pairs}


def _marks(folder: Path) -> dict[str, list[int]]:
    """Size and checksum of every file that is no part of another write."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path: path.relative_to(folder).as_posix() for path in files if path != folder / "generation.json"}
    return {name: _mark(path) for path, name in names.items() if not name.startswith(".")}


def _mark(path: Path) -> list[int]:
    size, value = path.stat().st_size, 0
    with path.open("rb") as file:
        if size > WHOLE:
            value = zlib.crc32(file.read(END))
            file.seek(-END, 2)
        while block := file.read(1 << 20):
            value = zlib.crc32(block, value)
    return [size, value]


def _load(folder: Path, stamp: dict[str, object], notice: Notice) -> Indices | None:
    """None if the files are of another generation, or missing, or damaged: they can always be built again."""
    try:
        written = json.loads((folder / "generation.json").read_text())
        # the stamp first: it costs nothing
        if {**written, "files": None} != {**stamp, "files": None} or written["files"] != _marks(folder):
            return None
        rows, words, vectors = (
            Rows.load(folder / "rows"),
            WordIndex.load(folder / "words"),
            VectorIndex.load(folder / "vectors", transfer=lambda index: on_device(index, notice)),
        )
        said = SentenceIndex.load(folder / "sentences")
        adjacency, walker = Adjacency.load(folder / "names"), Walker.load(folder / "walk")
        facts, merges = Facts.load(folder / "facts"), Merges.load(folder / "merges")
        if json.loads((folder / "generation.json").read_text()) != written:
            return None  # another process began to write while this one read
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, EOFError):
        return None
    if not len(rows) == len(words) == len(said) == len(vectors) == adjacency.ties.shape[0]:
        return None
    return Indices(rows, words, said, vectors, adjacency, walker, facts, merges)
