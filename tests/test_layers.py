"""A room imports only from rooms below it, heavy libraries stay behind the door that needs them, one house."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = [
    {
        "kgrag.types",
        "kgrag.errors",
        "kgrag.text",
        "kgrag.dates",
        "kgrag.config",
        "kgrag.files",
        "kgrag.strings",
        "kgrag.arrays",
        "kgrag.quantities",
        "kgrag.place",
        "kgrag.silence",
        "kgrag",
        "kgrag.data",
    },
    {"kgrag.protocols", "kgrag.models", "kgrag.prompts"},
    {"graphs", "indices", "kgrag.embed", "kgrag.rerank", "kgrag.llm"},
    {"ingest", "kgrag.retrieve", "kgrag.reader", "kgrag.same"},
    {"kgrag.evidence"},
    {"kgrag.cite", "kgrag.judge"},
    {"kgrag.steps"},
    {"kgrag.briefing"},
    {"kgrag.reckon", "kgrag.repeats"},
    {"kgrag.lookup", "kgrag.kin"},
    {"kgrag.answer"},
    {"kgrag.evaluate", "kgrag.render", "kgrag.explore"},
    {"kgrag.factuality"},
    {"kgrag.tune"},
    {"kgrag.opened"},
    {"kgrag.asked"},
    {"kgrag.app", "kgrag.followups", "kgrag.meter"},
    {"kgrag.console", "kgrag.rewriting", "kgrag.sessions"},
    {"kgrag.chat", "kgrag.langchain"},
    {"kgrag.eval_run", "kgrag.tune_embedder", "kgrag.tune_run", "kgrag.tune_write"},
    {"kgrag.gpu_check", "kgrag.commands"},
    {"kgrag.cli"},
    {"kgrag.__main__"},
]
PACKAGES = ("kgrag", "ingest", "graphs", "indices")


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer_of(module: str) -> int:
    """The floor of the longest listed name that holds the module."""
    for length in range(len(module.split(".")), 0, -1):
        name = ".".join(module.split(".")[:length])
        for number, rooms in enumerate(LAYERS):
            if name in rooms and not (name == "kgrag" and module != "kgrag"):
                return number
    raise AssertionError(f"{module} stands on no floor: add it to FLOORS where it belongs")


def internal_imports(path: Path) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            modules.update(n if (ROOT / (n.replace(".", "/") + ".py")).exists() else node.module for n in names)
    return {name for name in modules if name.split(".")[0] in PACKAGES}


SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_room_imports_only_from_below(path: Path) -> None:
    here = module_name(path)
    for other in internal_imports(path):
        below = layer_of(other) < layer_of(here)
        beside = layer_of(other) == layer_of(here) and (layer_of(here) == 0 or package_of(other) == package_of(here))
        assert below or beside, f"{here} (floor {layer_of(here)}) imports {other} (floor {layer_of(other)})"


def test_no_file_leads_back_to_itself() -> None:
    """Within a room, too: what two files need of each other belongs in a third."""
    needs = {module_name(path): internal_imports(path) - {module_name(path)} for path in SOURCES}
    circle: list[str] = []
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        circle = error.args[1]
    assert circle == []


def package_of(module: str) -> str:
    """The folder of a module, or the module itself where it stands in `kgrag/` directly."""
    parts = module.split(".")
    return parts[0] if parts[0] != "kgrag" else ".".join(parts[:2])


def test_the_base_is_light_to_import() -> None:
    code = "import sys, kgrag.types, kgrag.text, kgrag.errors, kgrag.cli; print([m for m in ('torch', 'faiss', 'spacy', 'openvino', 'transformers', 'scipy') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert out.stdout.strip() == "[]"


def test_all_packages_come_from_one_folder() -> None:
    import graphs
    import indices
    import ingest
    import kgrag

    assert {Path(str(p.__file__)).parent.parent for p in (kgrag, ingest, graphs, indices)} == {ROOT}


def test_exported_names_exist_and_are_sorted() -> None:
    import kgrag

    assert kgrag.__all__ == sorted(kgrag.__all__)
    assert all(hasattr(kgrag, name) for name in kgrag.__all__)
