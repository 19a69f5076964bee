"""Convert a model's files to OpenVINO folders, once per model, under ``model_home()/models``.

``model_home()/models/NAME/`` holds ``bf16/`` (a language model's transformers folder, which training starts from) or
``source/`` (an embedder's), ``openvino-PRECISION/``, and ``model.json``, which is written last. A folder is not ready
without it, or if a file is missing or has another size. Conversion runs in a child process, which returns its gigabytes
of memory when it exits and can be interrupted.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock, Timeout

from kgrag.errors import ModelError
from kgrag.models.download import ProgressCallback, disk_errors, fetch_model_files, no_progress
from kgrag.models.registry import GgufFile, ModelEntry, find_model
from kgrag.storage.atomic import atomic_write
from kgrag.storage.paths import model_home

_EXPORT_CODE = "from optimum.commands.optimum_cli import main; main()"


def model_folder(model: ModelEntry) -> Path:
    """Return the model's folder: below ``model_home()/models``, or the user's own OpenVINO folder."""
    local = model.local_path
    file = next((source.path for source in model.sources if isinstance(source, GgufFile)), None)
    if file is not None:
        fingerprint = repr((str(file), file.stat().st_size, file.stat().st_mtime_ns))
        return model_home() / "models" / f"{file.stem}-{hashlib.sha256(fingerprint.encode()).hexdigest()[:12]}"
    if local is None:
        return model_home() / "models" / model.name.replace("/", "--")
    if (local / "openvino_model.xml").is_file():
        return local
    files = sorted([*local.glob("*.safetensors"), local / "config.json"])
    fingerprint = repr([(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files])
    return model_home() / "models" / f"{local.name}-{hashlib.sha256(fingerprint.encode()).hexdigest()[:12]}"


def openvino_folder(model: ModelEntry, folder: Path) -> Path:
    """Return the OpenVINO folder of a model that is ready in ``folder``."""
    return folder if folder == model.local_path else folder / f"openvino-{model.precision}"


def transformers_folder(model: ModelEntry, folder: Path) -> Path:
    """Return the transformers folder (config.json and safetensors) of a model that is ready in ``folder``.

    Raises:
        ModelError: the folder holds only an OpenVINO model.
    """
    path = model.local_path or folder / ("bf16" if model.kind == "llm" else "source")
    if not any(path.glob("*.safetensors")):
        raise ModelError(
            f"{path} holds only an OpenVINO model, which cannot be trained or run on a GPU: "
            "give the transformers folder with *.safetensors it was converted from."
        )
    return path


def local_folder(model: ModelEntry, *, any_precision: bool = False) -> Path | None:
    """Return the folder of a model that is ready in its precision (or in any precision), else None."""
    folder = model_folder(model)
    if folder == model.local_path:
        return folder
    try:
        record = json.loads((folder / "model.json").read_text("utf-8"))
        files: dict[str, int] = record["files"]
        is_complete = all((folder / file).stat().st_size == size for file, size in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    has_precision = any_precision or f"openvino-{model.precision}/openvino_model.xml" in files
    return folder if is_complete and record.get("sha256") == model.sha256 and has_precision else None


def pull_model(name: str, progress: ProgressCallback = no_progress, precision: str = "auto") -> Path:
    """Download and convert a model unless it is ready, and return its folder. A second process waits for the first.

    Args:
        name: a name that `find_model` knows.
        progress: called with each step.
        precision: the weights' precision on a CPU ("auto": the registry's). Other converted precisions are kept.

    Raises:
        ModelError: the model is unknown, cannot be downloaded or converted, is damaged, or the disk is full.
    """
    model = find_model(name)
    if precision != "auto":
        model = replace(model, precision=precision)
    ready_folder = local_folder(model)
    if ready_folder is not None:
        return ready_folder
    folder = model_folder(model)
    with disk_errors(model.name):
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.parent / f".{folder.name}.lock")
        try:
            lock.acquire(timeout=0.1)
        except Timeout:
            progress(f"waiting for another process that is preparing {model.name}", 0.0)
            lock.acquire()
    with lock:
        ready_folder = local_folder(model)
        if ready_folder is None:
            with disk_errors(model.name):
                if local_folder(model, any_precision=True):
                    _add_precision(model, folder, progress)
                else:
                    _build_model_folder(model, folder, progress)
            ready_folder = local_folder(model)
    if ready_folder is None:
        raise ModelError(f"{folder} changed while {model.name} was being prepared: pull it again.")
    progress(f"{model.name} is ready", 1.0)
    return ready_folder


def _build_model_folder(model: ModelEntry, folder: Path, progress: ProgressCallback) -> None:
    """Build the whole folder under a temporary name, then rename it."""
    for stale in folder.parent.glob(f".{folder.name}.*.tmp"):  # left by an interrupted process; the lock is ours
        shutil.rmtree(stale, ignore_errors=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
    log = model_home() / "logs" / f"{folder.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"")
    try:
        source = model.local_path or fetch_model_files(
            model, temporary, lambda message, part: progress(message, 0.5 * part)
        )
        if model.local_path is None:
            transformers_target = temporary / ("bf16" if model.kind == "llm" else "source")
            if source.is_file():
                progress(f"unpacking the weights of {model.name}", 0.5)
                unpacker = "kgrag.models.gguf" if model.kind == "llm" else "kgrag.models.e5_weights"
                _run_step([sys.executable, "-m", unpacker, str(source), str(transformers_target)], log, model)
                if source.is_relative_to(temporary):  # the user's own file is never deleted
                    source.unlink()
            elif source != transformers_target:
                source.rename(transformers_target)
            source = transformers_target
        _export_openvino(model, source, temporary / f"openvino-{model.precision}", log, progress)
        shutil.rmtree(temporary / "hub", ignore_errors=True)
        _write_model_record(model, temporary)
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _add_precision(model: ModelEntry, folder: Path, progress: ProgressCallback) -> None:
    """Convert a ready model to another precision; the record is written last."""
    target = folder / f"openvino-{model.precision}"
    log = model_home() / "logs" / f"{folder.name}.log"
    log.write_bytes(b"")
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
    try:
        _export_openvino(model, transformers_folder(model, folder), temporary / "out", log, progress)
        shutil.rmtree(target, ignore_errors=True)
        (temporary / "out").rename(target)
        _write_model_record(model, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def export_precision(folder: Path, target: Path, precision: str, progress: ProgressCallback = no_progress) -> None:
    """Convert a transformers folder to an OpenVINO folder ``target``.

    Raises:
        ModelError: ``folder`` holds no model, or the conversion fails.
        OSError: the disk is full; ``target`` is then incomplete.
    """
    model = replace(find_model(str(folder)), precision=precision)
    log = model_home() / "logs" / f"{folder.name.lstrip('.')}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"")
    _export_openvino(model, folder, target, log, progress)


def _export_openvino(model: ModelEntry, source: Path, target: Path, log: Path, progress: ProgressCallback) -> None:
    """Convert a transformers folder to the OpenVINO folder ``target`` and check the result."""
    progress(f"converting {model.name} for OpenVINO", 0.7)
    task = "text-generation-with-past" if model.kind == "llm" else "feature-extraction"
    command = [sys.executable, "-W", "ignore", "-c", _EXPORT_CODE, "export", "openvino", "--model", str(source)]
    command += ["--task", task, "--library", "transformers", "--weight-format", model.precision, str(target)]
    _run_step(command, log, model)
    _check_export(model, source, target)


def _run_step(command: list[str], log: Path, model: ModelEntry) -> None:
    """Run a step in a child process, offline and quiet; its output goes to ``log``."""
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    # The child must import the same kgrag as this process.
    search_paths = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
    offline["PYTHONPATH"] = os.pathsep.join(path for path in search_paths if path)
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env={**os.environ, **offline}
        )
        try:
            code = process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if code != 0:
        text = log.read_text("utf-8", "replace")
        if "No space left on device" in text:
            raise OSError(28, "No space left on device")
        last = " | ".join([line.strip() for line in text.splitlines() if line.strip()][-3:])
        cause = "killed, probably out of memory" if code in (-9, 137) else f"exit code {code}"
        raise ModelError(
            f"{model.name} could not be converted ({cause}): {last[-500:] or 'no message'}; see {log}, then pull again."
        )


def _check_export(model: ModelEntry, source: Path, target: Path) -> None:
    """Raise if an export silently omitted a file, such as the tokenizer's IR or the chat template."""
    expected_files = ["openvino_model.xml", "openvino_model.bin", "tokenizer.json", "config.json"]
    if model.kind == "llm":
        expected_files += ["openvino_tokenizer.xml", "openvino_detokenizer.xml"]
        if (source / "chat_template.jinja").is_file():
            expected_files.append("chat_template.jinja")
    missing = [name for name in expected_files if not (target / name).is_file()]
    if missing:
        raise ModelError(
            f"The conversion of {model.name} left out {', '.join(missing)}: "
            "install matching versions of optimum-intel, openvino and openvino-tokenizers, then pull again."
        )


def _write_model_record(model: ModelEntry, work: Path) -> None:
    """Write ``model.json``: the source, the versions of the converters, and the size of each file."""
    kept_files = [p for p in sorted(work.rglob("*")) if p.is_file() and p.name != "model.json"]
    files = {str(p.relative_to(work)): p.stat().st_size for p in kept_files}
    packages = ("openvino", "openvino-genai", "optimum-intel", "transformers", "torch")
    record = {
        "name": model.name,
        "sha256": model.sha256,
        "converted": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {name: version(name) for name in packages},
        "files": files,
    }
    with atomic_write(work / "model.json") as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
