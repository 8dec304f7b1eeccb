"""Formats that are plain text: markdown, text and HTML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from agent_worker.knowledge.text.documents import content_of, decode, from_markdown, from_text
from agent_worker.knowledge.text.front_matter import split_front_matter
from agent_worker.knowledge.text.html import declared_charset, html_content
from schemas.ports import Content


class Markdown:
    endings: ClassVar[Sequence[str]] = (".md", ".markdown")
    types: ClassVar[Sequence[str]] = ("text/markdown",)
    isolated: ClassVar[bool] = False

    def read(self, name: str, data: bytes) -> Sequence[Content]:
        attributes, text = split_front_matter(name, decode(name, data))
        return [content_of(attributes, *from_markdown(text))]


class PlainText:
    endings: ClassVar[Sequence[str]] = (".txt",)
    types: ClassVar[Sequence[str]] = ("text/plain",)
    isolated: ClassVar[bool] = False

    def read(self, name: str, data: bytes) -> Sequence[Content]:
        attributes, text = split_front_matter(name, decode(name, data))
        return [content_of(attributes, *from_text(text))]


class Html:
    endings: ClassVar[Sequence[str]] = (".html", ".htm")
    types: ClassVar[Sequence[str]] = ("text/html", "application/xhtml+xml")
    isolated: ClassVar[bool] = True

    def read(self, name: str, data: bytes) -> Sequence[Content]:
        return [html_content(name, decode(name, data, declared_charset(data)))]
