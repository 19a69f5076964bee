"""Unpack the archives of document folders."""

from __future__ import annotations

import shutil
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from kgrag.errors import ReadError, UsageError
from kgrag.storage.checksums import file_sha256

MAX_UNPACKED_BYTES = 2 << 30
"""Declared size from which an archive is refused: the manuals of a large program take 100 MB."""


def prepare_corpora(data: Path, names: Sequence[str], out: Path) -> list[Path]:
    """Return the folder of each corpus: ``data/NAME``, or ``out/NAME`` with the unpacked ``data/NAME.tar.gz``.

    Raises:
        UsageError: a corpus is neither.
        ReadError: an archive is damaged, or holds anything but files below ``NAME/``.
    """
    folders = []
    for name in names:
        archive = data / f"{name}.tar.gz"
        if (data / name).is_dir():
            folders.append(data / name)
        elif archive.is_file():
            folders.append(unpack(archive, name, out))
        else:
            raise UsageError(f"Expected the folder {name} or the archive {name}.tar.gz in {data}, found neither.")
    return folders


def unpack(archive: Path, name: str, out: Path) -> Path:
    """Unpack an archive into ``out/NAME``, whole or not at all; an unchanged archive is not unpacked again."""
    folder, stamp, temporary = out / name, out / f"{name}.sha256", out / f".{name}.partial"
    try:
        digest = file_sha256(archive)
        if folder.is_dir() and stamp.is_file() and stamp.read_text() == digest:
            return folder
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        with tarfile.open(archive) as opened:
            members = opened.getmembers()
            _check_members(archive, name, members)
            opened.extractall(temporary, members)  # _check_members left files and folders below the name only
        stamp.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        (temporary / name).rename(folder)
        stamp.write_text(digest)
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise ReadError(f"{archive} could not be unpacked ({error}): get it again, or unpack it yourself.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _check_members(archive: Path, name: str, members: Sequence[tarfile.TarInfo]) -> None:
    for member in members:
        parts = Path(member.name).parts
        if not (member.isfile() or member.isdir()) or parts[:1] != (name,) or ".." in parts:
            raise ReadError(f"{archive}: expected files and folders below {name}/ only, found {member.name!r}.")
    size = sum(member.size for member in members)
    if not members or size > MAX_UNPACKED_BYTES:
        raise ReadError(
            f"{archive}: expected 1 byte to {MAX_UNPACKED_BYTES >> 30} GB of files, found {size:,} bytes: unpack it yourself."
        )
