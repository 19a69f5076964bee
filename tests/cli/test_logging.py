"""Logging: stage timings and prompts on standard error, results alone on standard output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

QUESTION = "Where did Ada Lovelace's father die?"


def run_kgrag(*arguments: str, log: str = "") -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "KGRAG_LOG"} | ({"KGRAG_LOG": log} if log else {})
    command = [sys.executable, "-m", "kgrag", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=120)


@pytest.mark.parametrize(("flags", "log"), [(["--verbose"], ""), ([], "debug"), ([], "DEBUG")])
def test_debug_log_has_stage_timings_on_stderr(store: Path, flags: list[str], log: str) -> None:
    result = run_kgrag(*flags, "ask", QUESTION, "--reader", "graph", "--store", str(store), "--json", log=log)
    assert result.returncode == 0 and json.loads(result.stdout)["text"] == "Missolonghi"
    assert "DEBUG kgrag.answering.pipeline: retrieval: " in result.stderr
    assert "DEBUG kgrag.store.queries: open indices: " in result.stderr


def test_default_logs_nothing(store: Path) -> None:
    result = run_kgrag("ask", QUESTION, "--reader", "graph", "--store", str(store), "--json")
    assert "DEBUG" not in result.stderr and json.loads(result.stdout)["text"] == "Missolonghi"


def test_unknown_level_is_a_usage_error(store: Path) -> None:
    result = run_kgrag("status", "--store", str(store), log="loud")
    assert result.returncode == 2 and result.stdout == ""
    assert "Expected KGRAG_LOG to be one of debug, info, warning, error, found 'loud'" in result.stderr
