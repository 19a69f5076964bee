"""The command line as a person sees it: exit code, output and errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from kgrag.cli import app, run

NO_TRACE = ("Traceback", "Warning", "site-packages")


class Shell:
    """The program in this process: exit code, output and errors of each command."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture

    def __call__(self, *arguments: str | Path) -> tuple[int, str, str]:
        code = run(lambda: app([str(a) for a in arguments], prog_name="kgrag"))
        out, err = self._capture.readouterr()
        return code, out, err

    def fails(self, code: int, *arguments: str | Path) -> str:
        """The one sentence that a command ends with."""
        found, out, err = self(*arguments)
        assert found == code, (out, err)
        assert not any(mark in err for mark in NO_TRACE)
        (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
        return line
