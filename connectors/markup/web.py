"""Canonical markdown → HTML for the web, safe to insert as it is.

Two belts: the renderer emits no raw HTML, and the sanitizer keeps only what is listed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from html import escape

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from connectors.markup.addresses import SCHEMES

MAX_RENDERED = 12_000
"""Characters; longer texts are shown plain, so that no text can cost much."""

TAGS = {
    *("p", "br", "hr", "strong", "em", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"),
}
_ALLOWED_START = {str(n) for n in range(1000)}


def _image_as_text(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    # An image is a request to somebody else's server the moment it is shown; its words are enough.
    return escape(tokens[index].content)


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": 20})
    parser.enable(["table", "strikethrough"])
    parser.add_render_rule("image", _image_as_text)
    return parser


_markdown = _parser()


@lru_cache(maxsize=1024)
def html(text: str) -> str:
    """Markdown as safe HTML. ``[n]`` stays; images become their description; links are http, https or mailto."""
    if len(text) > MAX_RENDERED:
        return plain_html(text)
    return nh3.clean(
        _markdown.render(text),
        tags=TAGS,
        clean_content_tags={"script", "style"},
        attributes={"a": {"href", "title"}},
        tag_attribute_values={"ol": {"start": _ALLOWED_START}},
        link_rel="noopener nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        url_schemes=SCHEMES,
        url_relative="deny",
    ).strip()


def plain_html(text: str) -> str:
    """Text as it was typed: nothing in it is markup."""
    return "<p>" + escape(text).replace("\r\n", "\n").replace("\n", "<br>") + "</p>" if text else ""
