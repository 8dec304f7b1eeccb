"""Formats that are text already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from agent_worker.knowledge.text.documents import decode, from_markdown, from_text, said_of
from agent_worker.knowledge.text.front_matter import front_matter
from agent_worker.knowledge.text.html import declared_charset, html_content
from schemas.ports import Content


class Markdown:
    endings: ClassVar[Sequence[str]] = (".md", ".markdown")
    types: ClassVar[Sequence[str]] = ("text/markdown",)
    isolated: ClassVar[bool] = False

    def read(self, name: str, data: bytes) -> Sequence[Content]:
        said, text = front_matter(name, decode(name, data))
        return [said_of(said, *from_markdown(text))]


class PlainText:
    endings: ClassVar[Sequence[str]] = (".txt",)
    types: ClassVar[Sequence[str]] = ("text/plain",)
    isolated: ClassVar[bool] = False

    def read(self, name: str, data: bytes) -> Sequence[Content]:
        said, text = front_matter(name, decode(name, data))
        return [said_of(said, *from_text(text))]


class Html:
    endings: ClassVar[Sequence[str]] = (".html", ".htm")
    types: ClassVar[Sequence[str]] = ("text/html", "application/xhtml+xml")
    isolated: ClassVar[bool] = True

    def read(self, name: str, data: bytes) -> Sequence[Content]:
        return [html_content(name, decode(name, data, declared_charset(data)))]
