"""Extract facts from the structure of one document: what its headings, labelled items and table rows say.

No sentence is understood, so that these facts are almost never wrong: a section is part of the section above it, an
option belongs to the command whose page describes it, a cell is the value of its row under its header. Each fact
carries the block that states it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from ingest.structure.defaults import find_default
from ingest.structure.labels import item_label, run_lengths, text_ends
from ingest.structure.rows import row_cells, subject_column
from ingest.structure.terms import Term, is_generic, member_predicate, parse_term, strip_numbering
from kgrag.text import normalize_name
from kgrag.tree import Block, BlockKind
from kgrag.types import STRUCTURE, VALUE, Document, Mention, Passage, Triple

CONFIDENCE = 0.95
"""Confidence of a fact that the structure states."""
DEFAULT_CONFIDENCE = 0.9
"""Confidence of a default value, which is read from a sentence of the section."""
MAX_FACTS_PER_PASSAGE, MAX_FACTS_PER_DOCUMENT = 60, 10_000
"""More facts of a passage or of a document are left out: wide and long tables are data, not knowledge."""
MIN_LABELLED_ITEMS = 3
"""So many labelled items in a row are a list of definitions; fewer may be remarks with a colon."""
_GLOBAL_TYPES = frozenset(["SETTING", "FUNCTION", "CONSTANT", "COMMAND", "FILE", "CODE"])
"""Types of identifiers: their names mean the same in every document, so that every document is searched for them."""


class Node(NamedTuple):
    """An end of a structural fact: its entity, its name, its type, and where the name stands; no span for the title."""

    entity: str
    name: str
    type: str
    start: int = -1


class StructuralFact(NamedTuple):
    """A fact of the structure, with the span of the block that states it."""

    subject: Node
    predicate: str
    object: Node
    start: int
    end: int
    confidence: float = CONFIDENCE


class StructuralExtraction(NamedTuple):
    """The mentions and facts of a document's structure, and the names that mean the same in every document."""

    mentions: tuple[Mention, ...] = ()
    triples: tuple[Triple, ...] = ()
    names: tuple[tuple[str, str, str], ...] = ()


class _Section(NamedTuple):
    """An open section: the level and the label of its heading, and what the heading names, if anything."""

    level: int
    label: str
    node: Node | None


@dataclass
class _StructureReader:
    """Reader of the blocks of one document, in order."""

    document: Document
    subject: Node
    sections: list[_Section] = field(default_factory=list)
    items: list[_Section] = field(default_factory=list)
    """The labelled items above the next one, as sections of their depth."""

    def facts(self) -> Iterator[StructuralFact]:
        """Yield the facts of all blocks."""
        blocks = self.document.tree.blocks
        labels = [item_label(self.document.text, block) for block in blocks]
        lengths = run_lengths(blocks, labels)
        repeats = self._repeated_rows(blocks)
        ends = text_ends(blocks, labels, len(self.document.text))
        for index, block in enumerate(blocks):
            if block.kind is BlockKind.HEADING:
                self.items = []
                yield from self._heading_facts(block, ends[index])
            elif block.kind is BlockKind.ITEM and (label := labels[index]):
                yield from self._item_facts(block, label, lengths[index])
            elif block.kind is BlockKind.ROW and block.label and not repeats[index]:
                yield from self._row_facts(block)

    def _heading_facts(self, block: Block, text_end: int) -> Iterator[StructuralFact]:
        """Yield the facts of a heading; the text below it, before any heading or label, ends at ``text_end``."""
        self.sections = [section for section in self.sections if section.level < block.level]
        label = strip_numbering(block.label)
        if self._is_title(label):
            self.sections.append(_Section(block.level, block.label, self.subject))
            return
        term = parse_term(block.label)
        node = self._node(term, block) if term is not None else None
        if term is not None and node is not None:
            container = self._owner(term)
            if container.entity != node.entity:
                predicate = "part_of" if term.type == "TERM" else self._member_predicate(term)
                yield StructuralFact(node, predicate, container, block.start, block.end)
            yield from self._value_facts(term, node, block, text_end)
        self.sections.append(_Section(block.level, block.label, node))

    def _item_facts(self, block: Block, label: str, run_length: int) -> Iterator[StructuralFact]:
        self.items = [item for item in self.items if item.level < block.level]
        names = label.split(", ")
        options = [term for name in names if (term := parse_term(name)) is not None and term.type == "OPTION"]
        is_option = bool(options) and len(options) == len(names)
        term = max(options, key=lambda t: len(t.name)) if is_option else parse_term(label)
        node = self._node(term, block) if term is not None else None
        is_member = run_length >= MIN_LABELLED_ITEMS - bool(self.items and self.items[-1].node)
        if term is not None and node is not None and (term.type != "TERM" or is_member):
            yield from self._member_facts(term, node, block)
            yield from self._value_facts(term, node, block, block.end)
        self.items.append(_Section(block.level, label, node))

    def _member_facts(self, term: Term, node: Node, block: Block) -> Iterator[StructuralFact]:
        """Yield the fact that a label belongs to the item, the section or the document above it."""
        container = self._owner(term)
        if self.items and term.type != "OPTION":
            parent = self.items[-1].node
            if parent is None:
                return
            predicate = "value_of" if parent.type in ("OPTION", "SETTING") else "listed_under"
        else:
            predicate = self._member_predicate(term)
        if predicate and container.entity != node.entity:
            yield StructuralFact(node, predicate, container, block.start, block.end)

    def _member_predicate(self, term: Term) -> str:
        """Return the predicate from a label to the section above it; "" if the heading does not tell."""
        if term.type == "OPTION":
            return "option_of"
        heading = self.sections[-1] if self.sections else None
        if heading is None or heading.node is not None:
            return "listed_under"
        predicate = member_predicate(heading.label)
        if predicate == "option_of":  # what stands among options without a dash is an argument
            return "parameter_of"
        is_told = term.is_identifier or is_generic(heading.label)  # a heading may be a sentence
        return predicate or ("listed_under" if is_told else "")

    def _value_facts(self, term: Term, node: Node, block: Block, end: int) -> Iterator[StructuralFact]:
        """Yield the type or the code in a label, and the default value that its text states."""
        if term.type == "TERM":
            return
        text = self.document.text
        is_code = term.qualifier.isdigit()
        is_typed = is_code or term.type == "SETTING"
        if term.qualifier and is_typed and (start := text.find(term.qualifier, block.start, block.end)) >= 0:
            predicate = "code" if is_code else "value_type"
            value = Node(normalize_name(term.qualifier), term.qualifier, VALUE, start)
            yield StructuralFact(node, predicate, value, block.start, block.end)
        start = block.end if block.kind is BlockKind.HEADING else block.start
        if not is_code and (default := find_default(text[start:end])) is not None:
            value = Node(normalize_name(default.value), default.value, VALUE, start + default.value_start)
            if value.entity and value.entity != node.entity:
                span = start + default.start, start + default.end
                yield StructuralFact(node, "default", value, *span, DEFAULT_CONFIDENCE)

    def _row_facts(self, block: Block) -> Iterator[StructuralFact]:
        cells = row_cells(self.document.text[block.start : block.end], block.label)
        subject_index = subject_column(cells)
        if subject_index is None or not cells[subject_index].names_subject:
            return
        subject = self._cell_node(cells[subject_index].text, block.start + cells[subject_index].start)
        for number, cell in enumerate(cells):
            if number == subject_index or not cell.predicate or not cell.is_value:
                continue
            value = self._cell_node(cell.text, block.start + cell.start)
            if value.entity and value.entity != subject.entity:
                yield StructuralFact(subject, cell.predicate, value, block.start, block.end)

    def _repeated_rows(self, blocks: Sequence[Block]) -> list[bool]:
        """Return for each block whether it is a row whose subject another row of its table has: a status, not a name."""
        subjects: list[tuple[int, str]] = []
        table = 0
        for previous, block in zip((None, *blocks), blocks, strict=False):
            is_same = previous is not None and (previous.kind, previous.label) == (block.kind, block.label)
            table += not is_same
            name = ""
            if block.kind is BlockKind.ROW and block.label:
                cells = row_cells(self.document.text[block.start : block.end], block.label)
                column = subject_column(cells)
                name = cells[column].text.casefold() if column is not None else ""
            subjects.append((table, name))
        counts = Counter(subjects)
        return [counts[subject] > 1 and bool(subject[1]) for subject in subjects]

    def _container(self) -> Node:
        """Return what the innermost heading names that names anything; else the document's subject."""
        return next((section.node for section in reversed(self.sections) if section.node is not None), self.subject)

    def _owner(self, term: Term) -> Node:
        """Return what a label belongs to: an option to the document's subject, others to the item or section above."""
        if term.type == "OPTION":
            return self.subject
        return next((item.node for item in reversed(self.items) if item.node is not None), self._container())

    def _node(self, term: Term, block: Block) -> Node | None:
        """Return the node of a label.

        An option, a parameter, or a value means nothing without its command, so the owner's name is part of its entity.
        """
        start = self.document.text.find(term.name, block.start, block.end)
        heading = self.sections[-1] if self.sections else None
        is_owned = term.type == "OPTION" or (
            term.type == "TERM"
            and block.kind is BlockKind.ITEM
            and (bool(self.items) or (heading is not None and bool(member_predicate(heading.label))))
        )
        owner = self._owner(term)
        entity = normalize_name(f"{owner.name} {term.name}" if is_owned else term.name)
        return Node(entity, term.name, term.type, start) if entity and start >= 0 else None

    @staticmethod
    def _cell_node(text: str, start: int) -> Node:
        term = parse_term(text)
        kind = term.type if term is not None and (term.is_identifier or len(text.split()) <= 3) else VALUE
        return Node(normalize_name(text), text, kind, start)

    def _is_title(self, label: str) -> bool:
        title, key = normalize_name(strip_numbering(self.document.title)), normalize_name(label)
        is_longer = not self.sections and len(title) > 3 and key.startswith(f"{title} ")
        return is_longer or key in (title, self.subject.entity)


def extract_structure(document: Document, passages: Sequence[Passage], subject_id: str) -> StructuralExtraction:
    """Return what the structure of a document states; nothing for a document without a tree.

    Args:
        document: the document.
        passages: its passages, in order.
        subject_id: entity of its title.
    """
    if not document.tree.blocks or not passages:
        return StructuralExtraction()
    reader = _StructureReader(document, Node(subject_id, document.title, ""))
    starts = [passage.start for passage in passages]
    mentions: dict[tuple[int, int, str], Mention] = {}
    triples: dict[tuple[str, int, str, str, str], Triple] = {}
    names: dict[tuple[str, str, str], None] = {}
    counts: Counter[str] = Counter()
    for fact in islice(reader.facts(), MAX_FACTS_PER_DOCUMENT):
        passage = passages[max(bisect_right(starts, fact.start) - 1, 0)]
        counts[passage.id] += 1
        if counts[passage.id] > MAX_FACTS_PER_PASSAGE or fact.start >= passage.end:
            continue
        end = min(fact.end, passage.end)
        ends = fact.subject.entity, fact.predicate, fact.object.entity
        triples[passage.id, fact.start, *ends] = Triple(*ends, passage.id, fact.start, end, fact.confidence, STRUCTURE)
        for node in (fact.subject, fact.object):
            stop = node.start + len(node.name)
            if passage.start <= node.start and stop <= passage.end:
                mention = Mention(node.entity, passage.id, node.start, stop, node.type, node.name)
                mentions[node.start, stop, node.entity] = mention
            if _is_global(node):
                names[node.entity, node.name, node.type] = None
    return StructuralExtraction(tuple(mentions.values()), tuple(triples.values()), tuple(names))


def _is_global(node: Node) -> bool:
    """Whether a node's name is an identifier that means the same in every document."""
    return node.type in _GLOBAL_TYPES
