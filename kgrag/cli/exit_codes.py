"""Run a command: turn its errors into a sentence and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from kgrag.errors import KgragError
from kgrag.terminal import console, draft_view


class CommandInterruptedError(KgragError):
    """A command was stopped with Ctrl-C; the message says what was kept."""

    exit_code = 130


def run_command(command: Callable[[], Any]) -> int:
    """Run a command and return its exit code: 0 success, 1 failure, 2 usage error, 130 interrupted."""
    try:
        command()
        sys.stdout.flush()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except KgragError as error:
        return _report_failure(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _report_failure("Stopped.", CommandInterruptedError.exit_code)
    except BrokenPipeError:
        return 1
    except ModuleNotFoundError as error:
        library = (error.name or "").split(".")[0]
        if library in ("", "kgrag", "ingest", "graphs", "indices"):
            raise
        return _report_failure(f"The library {library} is not installed: reinstall kgrag with all its dependencies.", 1)
    except (OSError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        location = f" ({error.filename})" if isinstance(error, OSError) and error.filename else ""
        return _report_failure(f"{reason}{location}: check free disk space, memory and the path, then retry.", 1)
    return 0


def _report_failure(message: str, code: int) -> int:
    console.end_progress()
    draft_view.clear_draft()
    console.print_error(message)
    return code
