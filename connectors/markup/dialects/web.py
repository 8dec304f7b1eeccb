"""Rendering of markdown as HTML that is safe to insert.

Two defences: the renderer emits no raw HTML, and the sanitizer keeps only listed tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from html import escape

import nh3
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from connectors.markup import markdown
from connectors.markup.link_safety import SCHEMES, is_misleading

TAGS = {
    *("p", "br", "hr", "strong", "em", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"),
}
_ALLOWED_START = {str(n) for n in range(1000)}


def _image_as_text(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    # Showing an image would send a request to a foreign server; its description is enough.
    return escape(tokens[index].content)


_PARSER = markdown.build_parser()
_PARSER.add_render_rule("image", _image_as_text)


def render_html(text: str) -> str:
    """Render markdown as safe HTML. ``[n]`` stays; images become their description; links are http, https or mailto."""
    return render_plain_html(text) if markdown.is_plain_text_only() else _html(text)


@lru_cache(maxsize=1024)
def _html(text: str) -> str:
    tokens = markdown.parse(_PARSER, text)
    if tokens is None:
        return render_plain_html(text)
    _show_addresses(tokens)
    return nh3.clean(
        _PARSER.renderer.render(tokens, _PARSER.options, {}),
        tags=TAGS,
        clean_content_tags={"script", "style"},
        attributes={"a": {"href", "title"}},
        tag_attribute_values={"ol": {"start": _ALLOWED_START}},
        link_rel="noopener nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        url_schemes=SCHEMES,
        url_relative="deny",
    ).strip()


def _show_addresses(tokens: Sequence[Token]) -> None:
    """Add the address after a link whose label reads like another address."""
    for token in tokens:
        shown: list[Token] = []
        address, label = "", ""
        for child in token.children or ():
            shown.append(child)
            if child.type == "link_open":
                address, label = "" if child.markup == "autolink" else str(child.attrs.get("href", "")), ""
            elif child.type == "link_close":
                if address and is_misleading(label, address):
                    shown.append(Token("text", "", 0, content=f" ({address})"))
                address = ""
            elif address:
                label += child.content
        if token.children:
            token.children = shown


def render_plain_html(text: str) -> str:
    """Render text as it was typed, without markup."""
    return "<p>" + escape(text).replace("\r\n", "\n").replace("\n", "<br>") + "</p>" if text else ""
