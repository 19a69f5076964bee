"""What several files need: a small store made by the program itself."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kgrag.errors import StoreError
from kgrag.models.convert import local_folder, openvino_folder, pull_model
from kgrag.models.registry import find_model
from kgrag.protocols import GraphStore
from tests.support.cli_shell import Shell
from tests.support.graph_stores import (
    NEO4J_URI_VARIABLE,
    STORE_KINDS,
    StoreFactory,
    clear_neo4j,
    connect_neo4j,
    store_factory,
)
from tests.support.shared import build_once
from tests.support.tiny_model import build_tiny_model

ROOT = Path(__file__).parent.parent
OWNS_DATABASE_KEY = pytest.StashKey[bool]()
"""Whether the server's database was empty before the tests."""
EXAMPLE_FILES = (
    "en/ada-lovelace.md",
    "en/lord-byron.md",
    "en/harvard-mark-i.md",
    "en/howard-aiken.md",
    "zh/hua-luogeng.md",
)
SLOW_FILES = (
    "tests/test_crash.py",
    "tests/cli/test_cli_main.py",
    "tests/llm/test_llm_contract.py",
    "tests/cli/test_eval_commands.py",
    "tests/models/test_precision.py",
    "tests/ingest/test_ingest_pipeline.py",
    "tests/tune/test_encoder_adapt.py",
    "tests/tune/test_training_run.py",
)
"""Files that take the longest, which start first, so that no process waits for another at the end."""


@pytest.fixture(scope="session")
def small_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of five of the example documents; copy it with `store` to write to it."""

    def ingest_examples(folder: Path) -> None:
        for name in EXAMPLE_FILES:
            target = folder / "examples" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / "examples" / name, target)
        command = [sys.executable, "-m", "kgrag", "ingest", str(folder / "examples"), "--store", str(folder / "store")]
        result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
        assert result.returncode == 0, result.stderr

    return build_once(tmp_path_factory, "small", ingest_examples) / "store"


@pytest.fixture
def store(small_store: Path, tmp_path: Path) -> Path:
    """A copy of the small store."""
    return Path(shutil.copytree(small_store, tmp_path / "store"))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a language model of random weights."""
    return build_once(tmp_path_factory, "tiny", build_tiny_model)


@pytest.fixture(scope="session")
def tiny_home(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ``KGRAG_HOME`` with the tiny model converted to OpenVINO, which takes seconds; read-only."""

    def convert_tiny_model(home: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KGRAG_HOME", str(home))
            pull_model(str(tiny))

    return build_once(tmp_path_factory, "home", convert_tiny_model)


@pytest.fixture(scope="session")
def tiny_openvino(tiny: Path, tiny_home: Path) -> Path:
    """The tiny model in OpenVINO's format."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KGRAG_HOME", str(tiny_home))
        model = find_model(str(tiny))
        folder = local_folder(model)
        assert folder is not None
        return openvino_folder(model, folder)


@pytest.fixture(scope="session")
def adapter(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter of the tiny model with random weights, large enough to change its answers."""
    return build_once(tmp_path_factory, "mine", lambda folder: build_random_adapter(tiny, folder))


def build_random_adapter(tiny: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    peft: Any = importlib.import_module("peft")
    torch.manual_seed(3)
    base: Any = AutoModelForCausalLM.from_pretrained(str(tiny))
    config = peft.LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "down_proj"], task_type="CAUSAL_LM")
    model = peft.get_peft_model(base, config)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data = torch.randn_like(parameter) * 0.6
    model.save_pretrained(str(folder))


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    """The program in this process."""
    return Shell(capsys)


@pytest.fixture(params=STORE_KINDS)
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoreFactory]:
    """Opens one store, as often as it is called; each implementation gets a fresh one."""
    graphs: list[GraphStore] = []
    open_graph = store_factory(request.param, tmp_path)

    def open_again() -> GraphStore:
        graphs.append(open_graph())
        return graphs[-1]

    yield open_again
    for graph in graphs:
        graph.close()


@pytest.fixture(params=STORE_KINDS)
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], GraphStore]]:
    """Opens another, empty store each time; of a server's there is only one at a time."""
    graphs: list[GraphStore] = []

    def open_new() -> GraphStore:
        graphs.append(store_factory(request.param, tmp_path / str(len(graphs)))())
        return graphs[-1]

    yield open_new
    for graph in graphs:
        graph.close()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Start slow files first, and skip tests marked alone in runs that hold other tests."""
    ranks = {ROOT / name: rank for rank, name in enumerate(SLOW_FILES)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))
    isolated_items = [
        item for item in items if item.get_closest_marker("alone") and not item.get_closest_marker("slow")
    ]
    if "alone" not in config.option.markexpr and len(isolated_items) < len(items):
        for item in isolated_items:
            item.add_marker(pytest.mark.skip(reason="needs a process of its own: pytest -m alone"))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Ctrl-C works in what the tests start, and tests empty the server's database: one that holds anything is not for them."""
    # a shell starts what runs in the background deaf to it, and every program would inherit that
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if os.environ.get(NEO4J_URI_VARIABLE):
        try:
            connect_neo4j(create=False).close()
        except StoreError as error:
            if "an empty database" in str(error):
                session.config.stash[OWNS_DATABASE_KEY] = True
                return
            pytest.exit(f"The server in {NEO4J_URI_VARIABLE} cannot be used for tests: {error}", returncode=4)
        pytest.exit(
            f"The server in {NEO4J_URI_VARIABLE} holds a store, and tests would empty it: name one without.",
            returncode=4,
        )


def pytest_sessionfinish(session: pytest.Session) -> None:
    """What they left there goes."""
    if session.config.stash.get(OWNS_DATABASE_KEY, False):
        clear_neo4j()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was left out is said where it is seen."""
    skipped_neo4j = [
        report for report in terminalreporter.stats.get("skipped", []) if "make test-neo4j" in str(report.longrepr)
    ]
    if skipped_neo4j:
        terminalreporter.write_sep(
            "!", f"{len(skipped_neo4j)} tests of Neo4j were NOT run: make test-neo4j runs them", red=True
        )
