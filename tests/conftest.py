"""What several files need: a small store made by the program itself."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from shell import Shell

ROOT = Path(__file__).parent.parent
FILES = ("en/ada-lovelace.md", "en/lord-byron.md", "en/harvard-mark-i.md", "en/howard-aiken.md", "zh/hua-luogeng.md")


@pytest.fixture(scope="session")
def small_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of five of the example documents. It is not to be written to: copy it with `store`."""
    folder = tmp_path_factory.mktemp("small")
    for name in FILES:
        target = folder / "examples" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "examples" / name, target)
    command = [sys.executable, "-m", "kgrag", "ingest", str(folder / "examples"), "--store", str(folder / "store")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr
    return folder / "store"


@pytest.fixture
def store(small_store: Path, tmp_path: Path) -> Path:
    """A copy of the small store."""
    return Path(shutil.copytree(small_store, tmp_path / "store"))


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    """The program in this process."""
    return Shell(capsys)
