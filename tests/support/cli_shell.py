"""Run the command line in this process: exit code, output and errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from kgrag.cli.main import app, run_command

FORBIDDEN_IN_ERRORS = ("Traceback", "Warning", "site-packages")


class Shell:
    """Calls commands in this process; returns exit code, output and errors."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture

    def __call__(self, *arguments: str | Path) -> tuple[int, str, str]:
        code = run_command(lambda: app([str(a) for a in arguments], prog_name="kgrag"))
        out, err = self._capture.readouterr()
        return code, out, err

    def expect_error(self, code: int, *arguments: str | Path) -> str:
        """Run a command and return its error line."""
        exit_code, out, err = self(*arguments)
        assert exit_code == code, (out, err)
        assert not any(mark in err for mark in FORBIDDEN_IN_ERRORS)
        (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
        return line
