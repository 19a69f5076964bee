"""The command `kgrag watch`."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from kgrag.cli.ingest import report_to_json
from kgrag.cli.options import DEFAULT_STORE, JsonOption, ModelOption, StoreOption, open_store
from kgrag.errors import KgragError, UsageError
from kgrag.terminal import console

if TYPE_CHECKING:
    from ingest.pipeline import IngestReport
    from kgrag.store.store import Store

QUIET_MS, MAX_BURST_MS = 500, 10_000
"""A batch begins when nothing has changed for the first time, or at the latest after the second, in milliseconds."""
POLL_MS = 1000
"""Milliseconds between two looks at whether a failed batch is due and the folders are still there."""
RETRY_SECONDS, MAX_RETRY_SECONDS = 5.0, 120.0
"""Seconds until a failed batch is tried again; doubled after each failure, up to the second value."""
Changes = Iterable[str] | None
"""Absolute paths that have changed; None for a folder that was replaced or is gone."""


def watch(
    paths: Annotated[list[str], typer.Argument(help="Files, folders or glob patterns.")],
    store: StoreOption = DEFAULT_STORE,
    model: ModelOption = None,
    json_: JsonOption = False,
) -> None:
    """Keep a store in step with files and folders until Ctrl-C, with one line for each batch of changes."""
    opened_store = open_store(store, create=True, model=model)
    try:
        watcher = Watcher(opened_store, paths, _print_json_line if json_ else _print_batch)
        console.print_notice(f"Watching {', '.join(watcher.roots)}. Ctrl-C ends.")
        while True:
            watcher.run(_changes_of(watcher.roots))
            _wait_for(watcher.roots)
    except KeyboardInterrupt:
        console.print_notice("Stopped watching. Finished documents are kept.")


class Watcher:
    """Brings a store in step with each batch of changes. It locks the store during a batch only.

    Args:
        store: the store.
        paths: files, folders and globs.
        on_batch: called with the report of each batch that found something, and the seconds it took.

    Raises:
        UsageError: a path does not exist.
    """

    def __init__(self, store: Store, paths: Sequence[str], on_batch: Callable[[IngestReport, float], None]) -> None:
        if "-" in paths:
            raise UsageError("Expected files and folders to watch, found - for standard input: use kgrag ingest.")
        self._store, self._paths, self._on_batch = store, list(paths), on_batch
        self.roots = sorted({_folder_to_watch(path) for path in paths})
        self._pending: set[str] = set()
        self._examine_all = True
        self._failures, self._next_try = 0, 0.0

    def run(self, changes: Iterable[Changes]) -> None:
        """Examine all files, then process changes until one is None; an empty one gives time to a failed batch."""
        self._examine_all = True
        for paths in changes:
            if paths is None:
                return
            relevant = {path for path in paths if self._is_relevant(path)}
            self._pending |= relevant
            # an ignore file decides about files that have not changed themselves
            self._examine_all |= any(os.path.basename(path).endswith("ignore") for path in relevant)
            if (self._pending or self._examine_all) and time.monotonic() >= self._next_try:
                self._process_batch()

    def _is_relevant(self, path: str) -> bool:
        from ingest.readers.files.ignore_files import IGNORE_FILES

        store_folder = os.path.realpath(self._store.folder)
        if os.path.realpath(path) == store_folder or os.path.realpath(path).startswith(store_folder + os.sep):
            return False
        root = next((root for root in self.roots if path.startswith(root.rstrip(os.sep) + os.sep)), None)
        if root is None or path in map(os.path.abspath, self._paths):
            return True
        names = path[len(root.rstrip(os.sep)) + 1 :].split(os.sep)
        return names[-1] in IGNORE_FILES or not any(name.startswith(".") for name in names)

    def _process_batch(self) -> None:
        from kgrag.store.changes import ingest_sources
        from kgrag.terminal.ingest_progress import show_ingest_progress

        start = time.monotonic()
        try:
            changed = None if self._examine_all else frozenset(self._pending)
            with show_ingest_progress() as progress:
                report = ingest_sources(self._store, self._paths, progress, None, prune=True, changed=changed)
        except (KgragError, OSError) as error:
            self._failures += 1
            delay = min(RETRY_SECONDS * 2 ** (self._failures - 1), MAX_RETRY_SECONDS)
            self._next_try = time.monotonic() + delay
            console.print_error(f"{error} (next try in {delay:.0f} s)")
            return
        self._pending.clear()
        self._examine_all = False
        self._failures, self._next_try = 0, 0.0
        if report.added or report.replaced or report.removed or report.moved or report.problems:
            self._on_batch(report, time.monotonic() - start)


def _folder_to_watch(path: str) -> str:
    """Return the folder whose changes tell those of a path: an editor that renames replaces a watched file itself."""
    import glob

    from ingest.readers.files.source_ids import split_pattern

    if glob.has_magic(path) and not os.path.lexists(path):
        path = split_pattern(path)[0]
    folder = path if os.path.isdir(path) else os.path.dirname(path) or "."
    if not path.strip() or not os.path.isdir(folder) or not (os.path.lexists(path)):
        raise UsageError(f"Expected a file, a folder or a glob, found nothing called {path!r}: check the spelling.")
    return os.path.abspath(folder)


def _changes_of(roots: Sequence[str]) -> Iterator[Changes]:
    """Yield batches of changed paths, an empty one each second without changes, and None when a root is gone."""
    from watchfiles import watch as watch_files

    inodes = [os.stat(root).st_ino for root in roots]
    try:
        for changes in watch_files(
            *roots,
            watch_filter=None,
            debounce=MAX_BURST_MS,
            step=QUIET_MS,
            rust_timeout=POLL_MS,
            yield_on_timeout=True,
            ignore_permission_denied=True,
        ):
            try:
                is_replaced = [os.stat(root).st_ino for root in roots] != inodes
            except OSError:
                is_replaced = True
            yield None if is_replaced else [path for _, path in changes]
    except OSError as error:
        raise KgragError(
            f"Expected to watch {', '.join(roots)}, found: {error}. Raise fs.inotify.max_user_watches, "
            "or set WATCHFILES_FORCE_POLLING=1."
        ) from error


def _wait_for(roots: Sequence[str]) -> None:
    """Wait until all watched folders exist; their documents are kept meanwhile, as a drive may be unmounted."""
    missing = [root for root in roots if not os.path.isdir(root)]
    if missing:
        console.print_error(
            f"Expected the folder {missing[0]}, found it gone: its documents are kept; "
            "`kgrag forget` deletes them. Waiting for it."
        )
    while not all(os.path.isdir(root) for root in roots):
        time.sleep(POLL_MS / 1000)


def _print_batch(report: IngestReport, seconds: float) -> None:
    """Print what a batch did in one line, and its problems."""
    figures = {
        "added": report.added,
        "replaced": report.replaced,
        "forgotten": report.removed,
        "moved": len(report.moved),
        "problems": len(report.problems),
    }
    text = ", ".join(f"{name} {number:,}" for name, number in figures.items() if number)
    console.print_result(f"{time.strftime('%H:%M:%S')}  {text} ({seconds:.1f} s)")
    for problem in report.problems[: console.MAX_LISTED_PROBLEMS]:
        console.print_notice(f"not read: {escape(str(problem))}")
    sys.stdout.flush()


def _print_json_line(report: IngestReport, seconds: float) -> None:
    value = report_to_json(report) | {"seconds": round(seconds, 3)}
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()
