"""Conversion of HTML to markdown, without the navigation and other frame that all pages of a site share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent_worker.knowledge.text.blocks import heading_text
from agent_worker.knowledge.text.front_matter import LANGUAGE
from schemas.errors import Unprocessable
from schemas.ports import Content

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag

_LANGUAGE = re.compile(LANGUAGE)
_FRAME_TAGS = ["script", "style", "nav", "footer", "noscript", "template", "form", "svg", "iframe", "aside", "dialog"]
_FRAME_ROLES = {"navigation", "banner", "contentinfo", "search", "dialog", "alertdialog", "complementary", "menu"}
_INVISIBLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([A-Za-z0-9_:-]{1,40})", re.IGNORECASE)
_TITLE = re.compile(r"^#[ \t]+(.+)", re.MULTILINE)
_GAP = re.compile(r"\n{3,}")


def declared_charset(data: bytes) -> str:
    """The encoding that the page declares, or empty."""
    found = _CHARSET.search(data[:2048])
    return found[1].decode("ascii", "replace") if found else ""


def first_heading(body: str) -> str:
    """The first top-level heading of markdown, or empty."""
    found = _TITLE.search(body)
    return heading_text(found[1]) if found else ""


def html_content(name: str, text: str) -> Content:
    """Keeps headings, lists and tables. Raises Unprocessable for a page that is nested too deeply."""
    from bs4 import BeautifulSoup

    # After the last tag the parser would search the rest of the text for the end of every "<".
    end = text.rfind(">") + 1
    text = text[:end] + text[end:].replace("<", "&lt;")
    try:
        soup = BeautifulSoup(text, "html.parser")
        language = _language(soup)
        heading, page_title = _tag_text(soup.h1), _tag_text(soup.title)
        body = _markdown(_root(soup))
    except RecursionError as error:
        raise Unprocessable(f"{name}: its elements are nested too deeply", fix="save it as text") from error
    return Content(title=first_heading(body) or heading or page_title, body=body, language=language)


def _language(soup: BeautifulSoup) -> str:
    language = str(soup.html.get("lang", "")) if soup.html else ""
    return language if _LANGUAGE.fullmatch(language) else ""


def _tag_text(tag: Tag | None) -> str:
    return " ".join(tag.get_text(" ", strip=True).split())[:300] if tag else ""


def _root(soup: BeautifulSoup) -> Tag:
    for tag in soup(_FRAME_TAGS):
        tag.decompose()
    for tag in soup(_is_frame):
        tag.decompose()
    articles = soup("article")
    root = soup.find("main") or soup.find(role="main") or (articles[0] if len(articles) == 1 else soup.body) or soup
    for tag in root("header"):
        if not tag.find(["h1", "h2"]):
            tag.decompose()
    if soup.head:
        soup.head.decompose()
    return root


def _is_frame(tag: Tag) -> bool:
    if tag.name in ("html", "body", "main"):
        return False
    hidden = tag.has_attr("hidden") or tag.get("aria-hidden") == "true" or _INVISIBLE.search(str(tag.get("style", "")))
    return bool(hidden) or tag.get("role") in _FRAME_ROLES


def _markdown(root: Tag) -> str:
    from markdownify import MarkdownConverter

    convert = MarkdownConverter(heading_style="ATX", bullets="-", strip=["img"], table_infer_header=True)
    body = "\n".join(line.rstrip() for line in convert.convert_soup(root).splitlines())
    return _GAP.sub("\n\n", body).strip()
