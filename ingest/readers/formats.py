"""File formats: their extensions, their first bytes, and the functions that read them, loaded on demand."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from ingest.readers.content import Content, Part
from ingest.readers.read_log import ReadLog
from kgrag.errors import ReadError

ContentReader = Callable[[bytes, ReadLog], Content]
"""Reads the bytes of a document; raises ReadError if they are not of its format."""
PartReader = Callable[[bytes, ReadLog], Iterator[Part]]
"""Reads the bytes of a container of documents."""

EXTRA_LIBRARIES = {"code": "tree_sitter_language_pack", "ocr": "rapidocr", "office": "olefile"}
"""Extras of this package for formats, and the library by which each is recognised."""


@dataclass(frozen=True, slots=True)
class Format:
    """A file format.

    Attributes:
        name: Name for messages and for the metadata field ``format``.
        extensions: Lower-case extensions, with the dot.
        reader: Module and function, as ``module:function``; "" for formats that are read as a stream of rows.
        is_container: Whether the reader yields parts, each a document.
        extra: Extra of this package that installs the libraries; "" if none is needed.
        magic: First bytes, for standard input and files without an extension.
        is_code: Whether it is source code, which has a path rather than a title.
    """

    name: str
    extensions: tuple[str, ...]
    reader: str = ""
    is_container: bool = False
    extra: str = ""
    magic: tuple[bytes, ...] = ()
    is_code: bool = False

    @property
    def is_installed(self) -> bool:
        """Whether the libraries of its extra are installed."""
        return not self.extra or find_spec(EXTRA_LIBRARIES[self.extra]) is not None

    def read(self, data: bytes, log: ReadLog) -> Content:
        """Read a document.

        Raises:
            ReadError: the bytes are not of this format, or the libraries for it are not installed.
        """
        return cast(ContentReader, self._load())(data, log)

    def read_parts(self, data: bytes, log: ReadLog) -> Iterator[Part]:
        """Yield the documents of a container.

        Raises:
            ReadError: the bytes are not of this format, or the libraries for it are not installed.
        """
        return cast(PartReader, self._load())(data, log)

    def _load(self) -> object:
        module, _, function = self.reader.partition(":")
        try:
            return getattr(importlib.import_module(f"ingest.readers.{module}"), function)
        except ModuleNotFoundError as error:
            if not self.extra or (error.name or "").split(".")[0] in ("ingest", "kgrag"):
                raise
            raise ReadError(
                f"expected the package {error.name} to read {self.name}, found none: "
                f"install it with `pip install 'kgrag[{self.extra}]'`"
            ) from error


TEXT = Format("text", (".txt", ".text"), "markup.text_reader:read_text")
ZIP = Format("zip", (".zip",), "archives.archive_reader:read_zip", is_container=True)
_ZIP_MAGIC = b"PK\x03\x04"
_ZIP_MARKS = (
    (b"application/epub+zip", ".epub"),
    (b"opendocument.text", ".odt"),
    (b"opendocument.spreadsheet", ".ods"),
    (b"opendocument.presentation", ".odp"),
    (b"word/", ".docx"),
    (b"xl/", ".xlsx"),
    (b"ppt/", ".pptx"),
    (b"[Content_Types].xml", ".docx"),
)
"""Bytes near the beginning of a zip file that tell which kind of document it is."""
_CODE_EXTENSIONS = {
    "bash": (".sh", ".bash", ".zsh"),
    "c": (".c", ".h"),
    "clojure": (".clj", ".cljs"),
    "cpp": (".cpp", ".cc", ".cxx", ".hpp", ".hh", ".hxx"),
    "csharp": (".cs",),
    "dart": (".dart",),
    "elixir": (".ex", ".exs"),
    "erlang": (".erl", ".hrl"),
    "fortran": (".f90", ".f95", ".f03"),
    "go": (".go",),
    "haskell": (".hs",),
    "java": (".java",),
    "javascript": (".js", ".jsx", ".mjs", ".cjs"),
    "julia": (".jl",),
    "kotlin": (".kt", ".kts"),
    "lua": (".lua",),
    "objc": (".m", ".mm"),
    "ocaml": (".ml",),
    "perl": (".pl", ".pm"),
    "php": (".php",),
    "powershell": (".ps1", ".psm1"),
    "python": (".py", ".pyi", ".pyw"),
    "r": (".r",),
    "ruby": (".rb",),
    "rust": (".rs",),
    "scala": (".scala", ".sc"),
    "sql": (".sql",),
    "swift": (".swift",),
    "tsx": (".tsx",),
    "typescript": (".ts", ".mts", ".cts"),
    "vb": (".vb", ".bas"),
    "zig": (".zig",),
}
FORMATS: tuple[Format, ...] = (
    TEXT,
    Format("Markdown", (".md", ".markdown"), "markup.text_reader:read_markdown"),
    Format("html", (".html", ".htm", ".xhtml"), "html.reader:read_html", magic=(b"<!doctype html", b"<html")),
    Format("pdf", (".pdf",), "pdf.reader:read_pdf", magic=(b"%PDF",)),
    Format("PNG", (".png",), "images.image_reader:read_image", extra="ocr", magic=(b"\x89PNG\r\n\x1a\n",)),
    Format("JPEG", (".jpg", ".jpeg"), "images.image_reader:read_image", extra="ocr", magic=(b"\xff\xd8\xff",)),
    Format("TIFF", (".tif", ".tiff"), "images.image_reader:read_image", extra="ocr", magic=(b"II*\0", b"MM\0*")),
    Format("WebP", (".webp",), "images.image_reader:read_image", extra="ocr"),
    Format("BMP", (".bmp",), "images.image_reader:read_image", extra="ocr"),
    Format("docx", (".docx", ".docm", ".dotx"), "office.docx_reader:read_docx"),
    Format("xlsx", (".xlsx", ".xlsm", ".xltx"), "office.xlsx_reader:read_xlsx"),
    Format("pptx", (".pptx", ".pptm", ".ppsx"), "office.pptx_reader:read_pptx"),
    Format("odt", (".odt", ".ott"), "office.opendocument_reader:read_odt"),
    Format("ods", (".ods",), "office.opendocument_reader:read_ods"),
    Format("odp", (".odp",), "office.opendocument_reader:read_odp"),
    Format("epub", (".epub",), "office.epub_reader:read_epub"),
    Format("rtf", (".rtf",), "office.old_office_reader:read_rtf", magic=(b"{\\rtf",)),
    Format("doc", (".doc",), "office.old_office_reader:read_doc"),
    Format("xls", (".xls",), "office.old_office_reader:read_xls"),
    Format("ppt", (".ppt",), "office.old_office_reader:read_ppt"),
    Format("csv", (".csv",)),
    Format("tsv", (".tsv",)),
    Format("jsonl", (".jsonl", ".jsonl.gz")),
    Format("json", (".json",)),
    Format("rst", (".rst", ".rest"), "markup.rst_reader:read_rst"),
    Format("LaTeX", (".tex", ".latex", ".ltx"), "markup.tex_reader:read_tex"),
    Format("Org", (".org",), "markup.org_reader:read_org"),
    Format("AsciiDoc", (".adoc", ".asciidoc"), "markup.adoc_reader:read_adoc"),
    Format("notebook", (".ipynb",), "markup.notebook_reader:read_notebook"),
    Format("subtitles", (".srt", ".vtt"), "markup.subtitles_reader:read_subtitles"),
    Format(
        "mail",
        (".eml",),
        "mail.mail_reader:read_eml",
        is_container=True,
        magic=(b"return-path:", b"delivered-to:", b"received: from", b"mime-version:", b"message-id:"),
    ),
    Format("mailbox", (".mbox", ".mbx"), "mail.mail_reader:read_mbox", is_container=True),
    Format("Outlook mail", (".msg",), "mail.msg_reader:read_msg", is_container=True, extra="office"),
    ZIP,
    Format(
        "tar",
        (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz"),
        "archives.archive_reader:read_tar",
        is_container=True,
    ),
    Format("compressed file", (".gz", ".bz2", ".xz"), "archives.archive_reader:read_compressed", is_container=True),
    *(
        Format(name, extensions, f"code.source_reader:read_{name}", extra="code", is_code=True)
        for name, extensions in _CODE_EXTENSIONS.items()
    ),
)
_FORMAT_BY_EXTENSION = {extension: form for form in FORMATS for extension in form.extensions}
FILE_EXTENSIONS: tuple[str, ...] = tuple(sorted(_FORMAT_BY_EXTENSION, key=len, reverse=True))
"""Extensions of supported files, the longest first; a file without an extension is read if it is text."""


def file_extension(name: str) -> str:
    """Return the extension of `FILE_EXTENSIONS` that a file name ends with, or ""."""
    name = name.lower()
    return next((extension for extension in FILE_EXTENSIONS if name.endswith(extension)), "")


def format_of(path: Path | str) -> Format:
    """Return the format of a file by its extension; text if the extension is unknown."""
    return _FORMAT_BY_EXTENSION.get(file_extension(Path(path).name), TEXT)


def format_of_bytes(head: bytes) -> Format:
    """Return the format of data by its first bytes, in lower case where it is text; text if none fits."""
    if head.startswith(_ZIP_MAGIC):
        return next((_FORMAT_BY_EXTENSION[extension] for mark, extension in _ZIP_MARKS if mark in head), ZIP)
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:64]
    return next(
        (f for f in FORMATS for magic in f.magic if head.startswith(magic) or head.lower().startswith(magic)), TEXT
    )
