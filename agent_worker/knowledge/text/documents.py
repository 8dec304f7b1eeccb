"""Documents from text files: markdown as it is, plain text and HTML converted to markdown."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from agent_worker.knowledge.text.front_matter import FrontMatter, split_front_matter
from agent_worker.knowledge.text.html import first_heading, html_content
from schemas.errors import DocumentTooLarge, Unprocessable
from schemas.ports import Content, DocumentDraft

MAX_BYTES = 900 * 1024
MAX_RAW_BYTES = 20 * 1024 * 1024
"""Size of a file in any format."""
ENDINGS = (".md", ".markdown", ".txt", ".html", ".htm")
_NO_WORD = re.compile(r"[\W_]+")
_LETTER = re.compile(r"\w")
_CAPITALS = re.compile(r"[A-Z]{2}")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BYTE_ORDER_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}


def read_file(path: Path) -> DocumentDraft:
    """The file's name without its extension becomes the id. Raises Unprocessable, with what to do, and
    DocumentTooLarge."""
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise Unprocessable(
            f"{path.name}: files ending in {ending or 'nothing'} cannot be read",
            fix=f"convert it to one of: {', '.join(ENDINGS)}",
        )
    check_size(path.name, path.stat().st_size)
    return from_bytes(path.name, path.read_bytes())


def from_bytes(name: str, data: bytes) -> DocumentDraft:
    """Like ``read_file``, for content that is not on disk."""
    content = text_content(name, data)
    check_body(name, content.body)
    return DocumentDraft(id=document_id(name), title=content.title or stem_of(name), body=content.body)


def text_content(name: str, data: bytes) -> Content:
    """The content, read according to the name's extension. The title is empty if the text has none."""
    ending = name.rpartition(".")[2].lower()
    text = decode(name, data)
    if ending in ("html", "htm"):
        return html_content(name, text)
    attributes, text = split_front_matter(name, text)
    title, body = from_text(text) if ending == "txt" else from_markdown(text)
    return content_of(attributes, title, body)


def content_of(attributes: FrontMatter, title: str, body: str, key: str = "") -> Content:
    return Content(
        title=attributes.title or title,
        body=body,
        key=key,
        url=attributes.url,
        language=attributes.language,
        visibility=attributes.visibility or "",
        expires_at=attributes.expires_at,
    )


def stem_of(name: str) -> str:
    return name.rpartition(".")[0] or name


def document_id(name: str) -> str:
    """A document id from a file name in any script."""
    stem = unicodedata.normalize("NFC", stem_of(name)).lower()
    return _NO_WORD.sub("-", stem).strip("-")[:200] or "document"


def check_size(name: str, size: int) -> None:
    """Check the size before reading. Raises DocumentTooLarge."""
    if size > MAX_RAW_BYTES:
        raise DocumentTooLarge(
            f"{name}: the file has {size // (1024 * 1024)} MB, at most {MAX_RAW_BYTES // (1024 * 1024)} MB are read",
            fix="split it into several documents, or leave its pictures out",
        )


def check_body(name: str, body: str) -> None:
    """Raises DocumentTooLarge or Unprocessable for a body that cannot be indexed."""
    size = len(body.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise DocumentTooLarge(
            f"{name}: {size // 1024} KB of text, at most {MAX_BYTES // 1024} KB are allowed",
            fix="split it into several documents, one topic each",
        )
    if _CONTROLS.search(body):
        raise Unprocessable(f"{name}: it holds control characters, as binary files do", fix="send its text")
    if not _LETTER.search(body):
        raise Unprocessable(f"{name}: no text in it", fix="check that the file is not empty or made of images only")


def decode(name: str, data: bytes, declared: str = "") -> str:
    """``declared``: the encoding that the file names, tried when it is not UTF-8."""
    check_size(name, len(data))
    encoding = next((named for mark, named in _BYTE_ORDER_MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        if declared and (decoded := _as_declared(data, declared)) is not None:
            return decoded
        raise Unprocessable(
            f"{name}: not UTF-8 text (byte {error.start})",
            fix="save it as UTF-8 text; a PDF or Word file needs its own ending, .pdf or .docx",
        ) from error
    if "\x00" in text:
        raise Unprocessable(f"{name}: binary content", fix="export it as .md, .txt or .html")
    # In plain text a form feed ends a page.
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\x0c", "\n")


def _as_declared(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except (LookupError, ValueError):
        return None


def from_markdown(text: str) -> tuple[str, str]:
    """``(title, body)``; the first top-level heading is the title."""
    body = text.strip("\n")
    return first_heading(body), body


_CAPITAL_LINE = re.compile(r"^(?:(\d{1,4}(?:\.\d{1,4}){0,8})[.)]?\s{1,8})?([^a-z]{3,80})$")


def from_text(text: str) -> tuple[str, str]:
    """Lines in capitals become headings; the first heading, else the first line, is the title."""
    lines = [line.rstrip() for line in text.strip().split("\n")]
    title = ""
    for index, line in enumerate(lines):
        match = _CAPITAL_LINE.match(line.strip())
        alone = (index == 0 or not lines[index - 1]) and (index + 1 == len(lines) or not lines[index + 1])
        if match and alone and _CAPITALS.search(line):
            name = _sentence_case(match[2].strip())
            lines[index] = f"## {name}" if title else f"# {name}"
            title = title or name
    if not title and lines:
        title = lines[0].strip()[:120]
    return title, "\n".join(lines)


def _sentence_case(heading: str) -> str:
    return heading[:1] + heading[1:].lower()
