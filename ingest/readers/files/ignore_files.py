"""Ignore files: ``.kgragignore`` and ``.gitignore`` name files that are left out, with git's rules."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore import GitIgnorePatternError

IGNORE_FILES = (".kgragignore", ".gitignore")
"""Names of ignore files; every rule of the first overrides every rule of the second."""
OnProblem = Callable[[str, str], None]
"""Called with the path of an ignore file and a sentence about it."""


@dataclass(frozen=True, slots=True)
class FolderRules:
    """The rules that apply in a folder: those of its own ignore files, and of the folders above it."""

    folder: str
    specs: Mapping[str, GitIgnoreSpec]
    parent: FolderRules | None = None

    def excluding_file(self, path: str, *, is_folder: bool) -> str:
        """Return the name of the ignore file that leaves a path of this folder out, or "".

        The nearest folder with a matching rule decides, and in it the last matching rule.
        """
        for name in IGNORE_FILES:
            rules: FolderRules | None = self
            while rules:
                spec = rules.specs.get(name)
                verdict = spec.check_file(_relative(path, rules.folder, is_folder)).include if spec else None
                if verdict is not None:
                    if verdict:
                        return name
                    return ""
                rules = rules.parent
        return ""


@dataclass(slots=True)
class IgnoreTree:
    """The ignore files in and above a folder that is named explicitly.

    Rules of the folders above hold up to the root of the git repository, or else up to ``base``. A rule that would
    leave out the named folder itself does not hold: naming it overrides the rule.

    Args:
        root: absolute path of the named folder.
        base: folder that ids are relative to.
        on_problem: called for an ignore file that cannot be read.
    """

    root: str
    base: str
    on_problem: OnProblem = lambda _path, _message: None
    _by_folder: dict[str, FolderRules | None] = field(default_factory=dict)

    def rules_in(self, folder: str) -> FolderRules | None:
        """Return the rules in a folder, ``root`` or below it; None if the folder itself is left out."""
        if folder not in self._by_folder:
            self._by_folder[folder] = self._load_rules(folder)
        return self._by_folder[folder]

    def excluding_file(self, path: str) -> str:
        """Return the name of the ignore file that leaves out a file or a folder above it, or ""."""
        rules = self.rules_in(os.path.dirname(path))
        return rules.excluding_file(path, is_folder=False) if rules else IGNORE_FILES[0]

    def _load_rules(self, folder: str) -> FolderRules | None:
        if folder == self.root:
            rules = FolderRules(folder, {})
            for above in _folders_above(folder, self.base):
                specs = {
                    name: _without_rules_for(_relative(folder, above, is_folder=True), spec)
                    for name, spec in self._load_specs(above).items()
                }
                rules = FolderRules(above, specs, rules) if specs else rules
        else:
            parent = self.rules_in(os.path.dirname(folder))
            if parent is None or parent.excluding_file(folder, is_folder=True):
                return None
            rules = parent
        specs = self._load_specs(folder)
        return FolderRules(folder, specs, rules) if specs else rules

    def _load_specs(self, folder: str) -> dict[str, GitIgnoreSpec]:
        specs = {}
        for name in IGNORE_FILES:
            path = os.path.join(folder, name)
            try:
                data = Path(path).read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                continue
            except OSError as error:
                reason = (error.strerror or type(error).__name__).lower()
                self.on_problem(path, f"expected rules that can be read, found: {reason}; check its permissions")
                continue
            specs[name] = self._parse_rules(path, data)
        return specs

    def _parse_rules(self, path: str, data: bytes) -> GitIgnoreSpec:
        lines = os.fsdecode(data.removeprefix(b"\xef\xbb\xbf")).splitlines()
        try:
            return GitIgnoreSpec.from_lines(lines)
        except GitIgnorePatternError:
            return GitIgnoreSpec.from_lines(line for line in lines if self._is_valid(path, line))

    def _is_valid(self, path: str, line: str) -> bool:
        try:
            GitIgnoreSpec.from_lines([line])
        except GitIgnorePatternError:
            self.on_problem(path, f"expected a pattern, found {line!r}: fix or remove the line")
            return False
        return True


def _without_rules_for(path: str, spec: GitIgnoreSpec) -> GitIgnoreSpec:
    return GitIgnoreSpec([pattern for pattern in spec.patterns if pattern.match_file(path) is None])


def _folders_above(folder: str, base: str) -> list[str]:
    """Return the folders above ``folder`` whose ignore files hold in it, the topmost first."""
    above = [str(parent) for parent in Path(folder).parents]
    chain = [folder, *above]
    repository = next((path for path in chain if os.path.lexists(os.path.join(path, ".git"))), None)
    top = repository or (base if base in above else folder)
    return above[: chain.index(top)][::-1]


def _relative(path: str, folder: str, is_folder: bool) -> str:
    name = path[len(folder.rstrip(os.sep)) + 1 :]
    return name + "/" if is_folder else name
