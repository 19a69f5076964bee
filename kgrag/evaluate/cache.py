"""Candidates that were gathered, kept in files, so that a bench which was stopped goes on where it was.

Gathering takes tens of milliseconds a question and part; training on what was gathered, seconds. A file holds a block
of questions and is named by all that its content depends on, so what is out of date is never read.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import graphs
import indices
import kgrag
from kgrag.errors import ReadError
from kgrag.evaluate.examples import Example
from kgrag.files import replaced
from kgrag.types import Question

BLOCK = 100
"""Questions of one file: what an interruption costs at most."""
Make = Callable[[Sequence[Question]], list[Example]]


@dataclass
class Cache:
    """The examples of one set in ``folder``.

    Args:
        folder: where the files are; it is made when the first is written.
        name: of the set; files of another ``state`` under this name are removed, as they will not be read again.
        state: what the examples depend on besides questions and parts: the store's stamp and `code`.
    """

    folder: Path
    name: str
    state: str
    reused: int = field(default=0, init=False)
    """Questions whose examples were read rather than made, over all calls."""

    def __post_init__(self) -> None:
        for path in self.folder.glob(f"{self._stem}.*.npz"):
            if path.name.split(".")[1] != self._state:
                path.unlink()

    @property
    def _stem(self) -> str:
        # a folder's name may hold a dot or a star
        return hashlib.sha256(self.name.encode()).hexdigest()[:8]

    @property
    def _state(self) -> str:
        return hashlib.sha256(self.state.encode()).hexdigest()[:12]

    def examples(
        self, label: str, questions: Sequence[Question], make: Make, tick: Callable[[], None] = lambda: None
    ) -> list[Example]:
        """The examples of ``questions``, in their order: read where they are kept, else made and kept.

        Args:
            label: what ``make`` does, such as ``without graph``.
            questions: with gold documents.
            make: as many examples as questions.
            tick: called once a question.

        Raises:
            ReadError: a file is damaged.
        """
        found: list[Example] = []
        for start in range(0, len(questions), BLOCK):
            block = questions[start : start + BLOCK]
            asked = json.dumps([label, [(q.text, q.gold) for q in block]])
            digest = hashlib.sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()[:16]
            path = self.folder / f"{self._stem}.{self._state}.{digest}.npz"
            if path.is_file():
                found += read(path)
                self.reused += len(block)
                for _ in block:
                    tick()
                continue
            made = []
            for question in block:
                made += make([question])
                tick()
            write(path, made)
            found += made
        return found


def code() -> str:
    """A digest of the program text that gathering and describing candidates rests on: other text may find others."""
    house = Path(str(kgrag.__file__)).parent
    rooms = [Path(str(package.__file__)).parent for package in (graphs, indices)] + [house, house / "retrieve"]
    files = [file for room in rooms for file in sorted(room.glob("*.py"))]
    files += [house / "evaluate" / "examples.py", house / "evaluate" / "whole.py"]
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def write(path: Path, examples: Sequence[Example]) -> None:
    """Keep one or more examples of the same features, whole or not at all."""
    names = sorted({document for e in examples for document in e.documents})
    place = {name: number for number, name in enumerate(names)}
    said = {
        "documents": names,
        "gold": [list(e.gold) for e in examples],
        "alone": list(examples[0].alone),
    }
    with replaced(path) as beside, beside.open("wb") as file:
        np.savez_compressed(
            file,
            rows=np.vstack([e.rows for e in examples]),
            sizes=np.array([len(e.rows) for e in examples], np.int64),
            places=np.array([place[d] for e in examples for d in e.documents], np.int32),
            alone=np.hstack([_stacked(e) for e in examples]),
            said=np.frombuffer(json.dumps(said).encode(), np.uint8),
        )


def _stacked(example: Example) -> NDArray[np.float32]:
    """(retrievers, candidates)"""
    return np.array([values for values in example.alone.values()], np.float32).reshape(len(example.alone), -1)


def read(path: Path) -> list[Example]:
    """What `write` wrote.

    Raises:
        ReadError: the file is damaged.
    """
    try:
        with np.load(path) as file:
            kept: dict[str, NDArray[Any]] = {name: file[name] for name in file.files}
        said = json.loads(kept["said"].tobytes())
        ends = np.cumsum(kept["sizes"])
        return [
            Example(
                rows=kept["rows"][end - size : end],
                documents=tuple(said["documents"][place] for place in kept["places"][end - size : end]),
                gold=tuple(gold),
                alone=dict(zip(said["alone"], kept["alone"][:, end - size : end], strict=True)),
            )
            for gold, size, end in zip(said["gold"], kept["sizes"].tolist(), ends.tolist(), strict=True)
        ]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ReadError(f"{path}, kept from an earlier bench, is damaged ({error}): remove it.") from error
