"""Cache of gathered candidates in files, so that an interrupted benchmark resumes.

Gathering takes tens of milliseconds a question and ablation; training takes seconds. A file holds a block of
questions. Its name is a digest of everything that its content depends on, so an outdated file is never read.
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
from kgrag.dev.training.ranker.examples import RankingExample
from kgrag.errors import ReadError
from kgrag.storage.atomic import atomic_write
from kgrag.types import Question

BLOCK_SIZE = 100
"""Questions of one file: the most that an interruption can lose."""
BuildExamples = Callable[[Sequence[Question]], list[RankingExample]]


@dataclass
class ExampleCache:
    """The examples of one question set in ``folder``.

    Args:
        folder: the folder of the files, created with the first file.
        name: of the set; files of another ``state`` under this name are deleted, as they will not be read again.
        state: everything the examples depend on besides questions and ablation: the store's stamp and `code_digest`.
    """

    folder: Path
    name: str
    state: str
    reused_count: int = field(default=0, init=False)
    """Questions whose examples were read from files, over all calls."""

    def __post_init__(self) -> None:
        for path in self.folder.glob(f"{self._name_digest}.*.npz"):
            if path.name.split(".")[1] != self._state_digest:
                path.unlink()

    @property
    def _name_digest(self) -> str:
        # a folder's name may hold a dot or a star
        return hashlib.sha256(self.name.encode()).hexdigest()[:8]

    @property
    def _state_digest(self) -> str:
        return hashlib.sha256(self.state.encode()).hexdigest()[:12]

    def load_or_build(
        self, label: str, questions: Sequence[Question], build: BuildExamples, tick: Callable[[], None] = lambda: None
    ) -> list[RankingExample]:
        """Return the examples of ``questions``, in their order: read from files, or built and written.

        Args:
            label: of ``build``, such as ``without graph``.
            questions: with gold documents.
            build: returns as many examples as questions.
            tick: called once a question.

        Raises:
            ReadError: a file is damaged.
        """
        examples: list[RankingExample] = []
        for start in range(0, len(questions), BLOCK_SIZE):
            block = questions[start : start + BLOCK_SIZE]
            key_json = json.dumps([label, [(q.text, q.gold) for q in block]])
            digest = hashlib.sha256(key_json.encode("utf-8", "surrogatepass")).hexdigest()[:16]
            path = self.folder / f"{self._name_digest}.{self._state_digest}.{digest}.npz"
            if path.is_file():
                examples += read_examples(path)
                self.reused_count += len(block)
                for _ in block:
                    tick()
                continue
            built = []
            for question in block:
                built += build([question])
                tick()
            write_examples(path, built)
            examples += built
        return examples


def code_digest() -> str:
    """Return a digest of the source code that gathers and describes candidates: other code may find others."""
    package_folder = Path(str(kgrag.__file__)).parent
    source_folders = [Path(str(package.__file__)).parent for package in (graphs, indices)] + [
        package_folder / part for part in ("retrieve", "text", "storage")
    ]
    files = [file for folder in source_folders for file in sorted(folder.rglob("*.py"))] + [
        package_folder / "embedders.py",
        package_folder / "dev" / "training" / "ranker" / "examples.py",
        package_folder / "dev" / "benchmarks" / "baselines.py",
    ]
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def write_examples(path: Path, examples: Sequence[RankingExample]) -> None:
    """Write one or more examples of the same features, whole or not at all."""
    names = sorted({document for e in examples for document in e.documents})
    number_by_document = {name: number for number, name in enumerate(names)}
    metadata = {
        "documents": names,
        "gold": [list(e.gold) for e in examples],
        "alone": list(examples[0].retriever_scores),
    }
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            rows=np.vstack([e.rows for e in examples]),
            sizes=np.array([len(e.rows) for e in examples], np.int64),
            places=np.array([number_by_document[d] for e in examples for d in e.documents], np.int32),
            votes=np.concatenate([e.votes for e in examples]),
            voting=np.array([len(e.votes) for e in examples], np.int64),
            alone=np.hstack([_stack_scores(e) for e in examples]),
            said=np.frombuffer(json.dumps(metadata).encode(), np.uint8),
        )


def _stack_scores(example: RankingExample) -> NDArray[np.float32]:
    """Return (retrievers, candidates)."""
    return np.array([values for values in example.retriever_scores.values()], np.float32).reshape(
        len(example.retriever_scores), -1
    )


def read_examples(path: Path) -> list[RankingExample]:
    """Read the examples that `write_examples` wrote.

    Raises:
        ReadError: the file is damaged.
    """
    try:
        with np.load(path) as file:
            arrays: dict[str, NDArray[Any]] = {name: file[name] for name in file.files}
        metadata = json.loads(arrays["said"].tobytes())
        ends = np.cumsum(arrays["sizes"])
        votes = np.split(arrays["votes"], np.cumsum(arrays["voting"])[:-1])
        return [
            RankingExample(
                rows=arrays["rows"][end - size : end],
                documents=tuple(metadata["documents"][place] for place in arrays["places"][end - size : end]),
                gold=tuple(gold),
                retriever_scores=dict(zip(metadata["alone"], arrays["alone"][:, end - size : end], strict=True)),
                votes=vote,
            )
            for gold, size, end, vote in zip(
                metadata["gold"], arrays["sizes"].tolist(), ends.tolist(), votes, strict=True
            )
        ]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ReadError(f"{path}, cached by an earlier benchmark, is damaged ({error}): delete it.") from error
