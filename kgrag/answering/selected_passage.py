"""A passage of a prompt, with the sentences that are shown."""

from __future__ import annotations

from dataclasses import dataclass

from kgrag.text.injected_text import is_injected, is_injected_label
from kgrag.types import Citation, Hit, Passage


@dataclass(frozen=True)
class SelectedPassage:
    """A numbered passage of a prompt; ``spans`` are the selected sentences, as offsets into the document's text."""

    number: int
    hit: Hit
    spans: tuple[tuple[int, int], ...]

    @property
    def text(self) -> str:
        """The selected sentences, on lines of their own where the document has them on different lines."""
        passage = self.hit.passage
        parts: list[str] = []
        previous_end = None
        for start, end in self.spans:
            if previous_end is not None:
                between = passage.text[previous_end - passage.start : start - passage.start]
                parts.append("\n" if "\n" in between else " ")
            parts.append(passage.text[start - passage.start : end - passage.start])
            previous_end = end
        return "".join(parts)

    @property
    def citations(self) -> tuple[Citation, ...]:
        """A citation of each selected sentence."""
        return tuple(make_citation(self.hit.passage, start, end) for start, end in self.spans)

    @property
    def heading(self) -> str:
        """The document's title and the headings above the passage, without any that commands an answer."""
        return passage_heading(self.hit)


def passage_heading(hit: Hit) -> str:
    """Return a document's title and the headings above a passage, without any that commands an answer."""
    titles = dict.fromkeys([hit.title, *hit.passage.headings])
    shown = " › ".join(title for title in titles if not is_injected_label(title))
    return "–" if not shown or is_injected(shown) else shown


def make_citation(passage: Passage, start: int, end: int) -> Citation:
    """Build a citation of a passage's span, given as offsets into the document."""
    quote = passage.text[start - passage.start : end - passage.start]
    return Citation(passage.id, start, end, quote, passage.page_at(start))
