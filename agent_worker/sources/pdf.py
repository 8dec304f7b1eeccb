"""PDF files: lines with their sizes and positions, combined into headings and paragraphs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from agent_worker.sources.layout import Line, markdown
from schemas.errors import DocumentTooLarge, MissingDependency, Unprocessable
from schemas.ports import Content
from schemas.runtime.optional_dependencies import install_command

_MAX_PAGES = 3_000
_MAX_CHARACTERS = 4_000_000
_FIX = "open it and print it to a new PDF, or export its text"
_PASSWORD, _PROTECTION = 4, 5  # error codes of pdfium


class Pdf:
    endings: ClassVar[Sequence[str]] = (".pdf",)
    types: ClassVar[Sequence[str]] = ("application/pdf",)
    isolated: ClassVar[bool] = True

    def read(self, name: str, data: bytes) -> Sequence[Content]:
        try:
            import pypdfium2
        except ImportError as error:
            raise MissingDependency(
                f"{name}: no library that reads .pdf is installed", fix=install_command("documents")
            ) from error
        try:
            with pypdfium2.PdfDocument(data) as document:
                pages = list(_pages(name, document))
        except pypdfium2.PdfiumError as error:
            if getattr(error, "err_code", 0) in (_PASSWORD, _PROTECTION):
                raise Unprocessable(f"{name}: encrypted", fix="remove the password") from error
            raise Unprocessable(f"{name}: damaged, or not a PDF", fix=_FIX) from error
        if not any(pages):
            raise Unprocessable(
                f"{name}: it contains no text; its pages are images", fix="run text recognition (OCR) on it first"
            )
        title, body = markdown(pages)
        return [Content(title=title, body=body)]


def _pages(name: str, document: Any) -> Iterator[list[Line]]:
    if len(document) > _MAX_PAGES:
        raise DocumentTooLarge(f"{name}: {len(document):,} pages", fix="split it into several documents")
    characters = 0
    for page in document:
        text = page.get_textpage()
        characters += text.count_chars()
        if characters > _MAX_CHARACTERS:
            raise DocumentTooLarge(f"{name}: more than {characters:,} letters", fix="split it into several documents")
        yield list(_lines(text))
        text.close()
        page.close()


def _lines(page: Any) -> Iterator[Line]:
    import pypdfium2.raw as pdfium

    text = page.get_text_range()
    at = 0
    for raw in text.split("\n"):
        line = raw.rstrip("\r")
        first = at + len(line) - len(line.lstrip())
        at += len(raw) + 1
        cleaned = _clean(line)
        if not cleaned:
            continue
        box = pdfium.FS_RECTF()
        index = pdfium.FPDFText_GetCharIndexFromTextIndex(page.raw, first)
        has_box = index >= 0 and pdfium.FPDFText_GetLooseCharBox(page.raw, index, box)
        yield Line(cleaned, box.top, box.bottom) if has_box else Line(cleaned, 0.0, 0.0)


def _clean(line: str) -> str:
    """Pdfium writes a hyphen that only divides a line as U+0002 or U+FFFE."""
    text = line.strip().replace("\ufffe", "\x02")
    return "".join(letter for letter in text if letter.isprintable() or letter == "\x02")
