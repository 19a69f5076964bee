"""Collect the text of a paragraph run by run, with its links, superscripts and share of code and bold text."""

from __future__ import annotations

from ingest.readers.superscripts import mark_superscript
from kgrag.tree import Link


class InlineText:
    """The text of a paragraph while its runs are read.

    A superscript number or letter is marked: ``10^6``, ``m^2``; other superscripts, as in "1st", are not. Superscripts
    that follow each other are one.

    Attributes:
        links: Links, as spans of `text`.
    """

    def __init__(self) -> None:
        self.links: list[Link] = []
        self._parts: list[str] = []
        self._length = 0
        self._superscript = ""
        self._visible = self._monospaced = self._bold = 0

    def add(self, text: str, *, is_superscript: bool = False, is_code: bool = False, is_bold: bool = False) -> None:
        """Add the text of a run."""
        if is_superscript:
            self._superscript += text
            return
        self._flush()
        self._append(text)
        visible = len("".join(text.split()))
        self._visible += visible
        self._monospaced += visible * is_code
        self._bold += visible * is_bold

    def length(self) -> int:
        """Return the length of the text so far."""
        self._flush()
        return self._length

    def text(self) -> str:
        """Return the text so far."""
        self._flush()
        return "".join(self._parts)

    def add_link(self, start: int, target: str) -> None:
        """Add a link from ``start`` to the end of the text so far."""
        if target and self.length() > start:
            self.links.append(Link(start, self._length, target))

    @property
    def is_code(self) -> bool:
        """Whether all text is in a font of code."""
        return 0 < self._visible == self._monospaced

    @property
    def is_bold(self) -> bool:
        """Whether all text is bold."""
        return 0 < self._visible == self._bold

    def trimmed(self) -> tuple[str, list[Link]]:
        """Return the text without white space around it, and its links."""
        text = self.text()
        lead, stripped = len(text) - len(text.lstrip()), text.strip()
        moved = (
            Link(max(link.start - lead, 0), min(link.end - lead, len(stripped)), link.target) for link in self.links
        )
        return stripped, [link for link in moved if link.start < link.end]

    def _flush(self) -> None:
        text, self._superscript = self._superscript, ""
        if text:
            before = self._parts[-1][-1:] if self._parts else ""
            self._append(mark_superscript(text) if before.isalnum() or before in tuple(")]") else text)
            self._visible += len("".join(text.split()))

    def _append(self, text: str) -> None:
        if text:
            self._parts.append(text)
            self._length += len(text)
