"""Files into document drafts: markdown as it is, plain text and HTML made into markdown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from schemas.errors import DocumentTooLarge, Unprocessable

MAX_BYTES = 900 * 1024
_MOST_RAW = 20 * 1024 * 1024
ENDINGS = (".md", ".markdown", ".txt", ".html", ".htm")
_ID = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class DocumentDraft:
    """A document before it has a version."""

    id: str
    title: str
    body: str
    url: str = ""
    language: str = ""
    visibility: Literal["public", "verified", "internal"] = "public"
    expires_at: datetime | None = None


def read_file(path: Path) -> DocumentDraft:
    """The file's name without its ending is the id. Raises Unprocessable (with what to do) and DocumentTooLarge."""
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise Unprocessable(
            f"{path.name}: files ending in {ending or 'nothing'} cannot be read",
            fix=f"convert it to one of: {', '.join(ENDINGS)}",
        )
    return from_bytes(path.name, path.read_bytes())


def from_bytes(name: str, data: bytes) -> DocumentDraft:
    """As ``read_file``, for content that is not on disk."""
    stem, _, ending = name.rpartition(".")
    text = _decode(name, data)
    if ending.lower() in ("html", "htm"):
        title, body = from_html(text)
    elif ending.lower() == "txt":
        title, body = from_text(text)
    else:
        title, body = from_markdown(text)
    check_body(name, body)
    return DocumentDraft(id=_ID.sub("-", stem.lower()).strip("-") or "document", title=title or stem, body=body)


def check_body(name: str, body: str) -> None:
    """Raises DocumentTooLarge and Unprocessable for a body that cannot be indexed."""
    size = len(body.encode())
    if size > MAX_BYTES:
        raise DocumentTooLarge(
            f"{name}: {size // 1024} KB of text, at most {MAX_BYTES // 1024} KB are allowed",
            fix="split it into several documents, one topic each",
        )
    if not re.search(r"\w", body):
        raise Unprocessable(f"{name}: no text in it", fix="check that the file is not empty or made of images only")


def _decode(name: str, data: bytes) -> str:
    if len(data) > _MOST_RAW:
        raise DocumentTooLarge(f"{name}: the file has {len(data) // 1024} KB", fix="split it into several documents")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unprocessable(
            f"{name}: not UTF-8 text (byte {error.start})",
            fix="save it as UTF-8; PDF and Office files must be exported",
        ) from error
    if "\x00" in text:
        raise Unprocessable(f"{name}: binary content", fix="export it as .md, .txt or .html")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def from_markdown(text: str) -> tuple[str, str]:
    """``(title, body)``; front matter is dropped, the first top heading is the title."""
    body = re.sub(r"\A---\n.*?\n---\n", "", text, count=1, flags=re.DOTALL).strip("\n")
    match = re.search(r"^#[ \t]+(.+?)[ \t#]*$", body, flags=re.MULTILINE)
    return (match[1].strip() if match else ""), body


_SHOUTED = re.compile(r"^(?:(\d+(?:\.\d+)*)[.)]?\s+)?([^a-z]{3,80})$")


def from_text(text: str) -> tuple[str, str]:
    """Lines in capitals become headings, the first of them (or the first line) the title."""
    lines = [line.rstrip() for line in text.strip().split("\n")]
    title = ""
    for index, line in enumerate(lines):
        match = _SHOUTED.match(line.strip())
        alone = (index == 0 or not lines[index - 1]) and (index + 1 == len(lines) or not lines[index + 1])
        if match and alone and re.search(r"[A-Z]{2}", line):
            name = _spoken(match[2].strip())
            lines[index] = f"## {name}" if title else f"# {name}"
            title = title or name
    if not title and lines:
        title = lines[0].strip()[:120]
    return title, "\n".join(lines)


def _spoken(shouted: str) -> str:
    return shouted[:1] + shouted[1:].lower()


def from_html(text: str) -> tuple[str, str]:
    """The page's content as markdown, without navigation, scripts, styles, headers, footers and forms."""
    from bs4 import BeautifulSoup
    from markdownify import MarkdownConverter

    soup = BeautifulSoup(text, "html.parser")
    for tag in soup(["script", "style", "nav", "footer", "noscript", "template", "form", "svg", "iframe", "aside"]):
        tag.decompose()
    page_title = soup.title.get_text(" ", strip=True) if soup.title else ""
    root = soup.find("main") or soup.find("article") or soup.body or soup
    for tag in root.find_all("header") if hasattr(root, "find_all") else ():
        if not tag.find(["h1", "h2"]):
            tag.decompose()
    if soup.head:
        soup.head.decompose()
    body = MarkdownConverter(heading_style="ATX", bullets="-", strip=["img"]).convert_soup(root)
    body = re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in body.splitlines())).strip()
    title, _ = from_markdown(body)
    return title or page_title, body
