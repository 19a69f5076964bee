"""Imports point downwards, heavy libraries load on demand, all packages come from one checkout."""

import ast
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = [
    {
        "kgrag.tree",
        "kgrag.filters",
        "kgrag.types",
        "kgrag.errors",
        "kgrag.text",
        "kgrag.storage",
        "kgrag.config",
        "kgrag.location",
        "kgrag.data",
        "kgrag.logs",
    },
    {"kgrag.protocols", "kgrag.models", "kgrag.prompts", "kgrag.metrics", "kgrag.serialize", "kgrag.question_sets"},
    {"graphs", "indices", "kgrag.llm", "kgrag.embedders"},
    {"ingest", "kgrag.retrieve", "kgrag.graphqa"},
    {"kgrag.collection"},
    {"kgrag.judge", "kgrag.answering", "kgrag.explore", "kgrag.terminal"},
    {"kgrag.store"},
    {"kgrag"},
    {"kgrag.factuality", "kgrag.chat"},
    {"kgrag.tune"},
    {"kgrag.langchain", "kgrag.dev"},
    {"kgrag.cli"},
    {"kgrag.__main__"},
]
"""Packages and modules from the lowest layer to the highest."""
PACKAGES = ("kgrag", "ingest", "graphs", "indices")


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer_of(module: str) -> int:
    """The floor of the longest listed name that holds the module."""
    for length in range(len(module.split(".")), 0, -1):
        name = ".".join(module.split(".")[:length])
        for number, packages in enumerate(LAYERS):
            if name in packages and not (name == "kgrag" and module != "kgrag"):
                return number
    raise AssertionError(f"{module} is in no layer: add it to LAYERS")


def is_module(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.is_dir() or path.with_suffix(".py").exists()


def internal_imports(path: Path) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            modules.update(n if is_module(n) else node.module for n in names)
    return {name for name in modules if name.split(".")[0] in PACKAGES}


SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_module_imports_only_own_package_and_lower_layers(path: Path) -> None:
    here = module_name(path)
    for other in internal_imports(path):
        below = layer_of(other) < layer_of(here)
        beside = layer_of(other) == layer_of(here) and (layer_of(here) == 0 or package_of(other) == package_of(here))
        assert below or beside, f"{here} (layer {layer_of(here)}) imports {other} (layer {layer_of(other)})"


def test_imports_have_no_cycle() -> None:
    """Within a package too: what two files need of each other belongs in a third."""
    needs = {module_name(path): internal_imports(path) - {module_name(path)} for path in SOURCES}
    cycle: list[str] = []
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        cycle = error.args[1]
    assert cycle == []


def test_only_benchmark_commands_import_dev() -> None:
    importers = {
        module_name(path) for path in SOURCES if any(n.startswith("kgrag.dev") for n in internal_imports(path))
    }
    allowed = ("kgrag.dev", "kgrag.cli.bench", "kgrag.cli.gpu_check")
    assert [name for name in sorted(importers) if not name.startswith(allowed)] == []


def package_of(module: str) -> str:
    """The folder of a module, or the module itself where it stands in `kgrag/` directly."""
    parts = module.split(".")
    return parts[0] if parts[0] != "kgrag" else ".".join(parts[:2])


def test_import_of_the_base_loads_no_heavy_library() -> None:
    code = "import sys, kgrag.types, kgrag.text, kgrag.errors, kgrag.cli.main; from kgrag.cli.command_table import LoadedCommands; [*LoadedCommands().values()]; print([m for m in ('torch', 'faiss', 'spacy', 'openvino', 'transformers', 'scipy') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert out.stdout.strip() == "[]"


def test_packages_come_from_one_checkout() -> None:
    import graphs
    import indices
    import ingest
    import kgrag

    assert {Path(str(p.__file__)).parent.parent for p in (kgrag, ingest, graphs, indices)} == {ROOT}


def test_exported_names_exist_and_are_sorted() -> None:
    import kgrag

    assert kgrag.__all__ == sorted(kgrag.__all__)
    assert all(hasattr(kgrag, name) for name in kgrag.__all__)


def test_sources_avoid_what_early_releases_of_python_3_11_lack_or_do_wrong() -> None:
    """Debian 12 has 3.11.2: its tarfile takes no ``filter``, and its re gives up possessive groups (gh-106052) too early."""
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in [*(p for name in PACKAGES for p in (ROOT / name).rglob("*.py")), *(ROOT / "tests").rglob("*.py")]
        if path != Path(__file__)
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if re.search(r"""\)(?:[*+?]|\{\d*,?\d*\})\+(?!["'])|\bfilter=["']data""", line)
    ]
    assert not found
