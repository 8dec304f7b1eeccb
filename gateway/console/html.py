"""Construction of HTML. Text is escaped unless it is known to be HTML."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from html import escape
from urllib.parse import urlsplit

from gateway.webchat.serialization import format_instant

_VOID = frozenset({"br", "hr", "img", "input", "link", "meta"})


class Html(str):
    """Markup that is safe to insert."""

    __slots__ = ()


Child = Html | str | Iterable["Html | str"] | None
Value = str | int | bool | None


def tag(name: str, /, *children: Child, **attributes: Value) -> Html:
    """Build an element. In names of attributes, a trailing underscore is removed and others become hyphens. True gives
    an attribute without a value; None and False give none."""
    head = "".join([name, *(_render_attribute(key, value) for key, value in attributes.items())])
    if name in _VOID:
        return Html(f"<{head}>")
    return Html(f"<{head}>{join(*children)}</{name}>")


def join(*children: Child) -> Html:
    return Html("".join(_render_child(child) for child in children))


def _render_child(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Html):
        return child
    if isinstance(child, str):
        return escape(child)
    return "".join(_render_child(each) for each in child)


def _render_attribute(key: str, value: Value) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'


def external_link(address: str, text: Child) -> Html:
    """Build a link to another site, or only its text if the address is not a web address."""
    if not _is_web(address):
        return join(text)
    return tag("a", text, href=address, rel="noopener noreferrer nofollow", target="_blank")


def _is_web(address: str) -> bool:
    try:
        return urlsplit(address).scheme in ("http", "https")
    except ValueError:
        return False


def time_tag(at: datetime, **attributes: Value) -> Html:
    """Build a ``time`` element, which the script shows in the reader's time zone and keeps up to date."""
    return tag("time", f"{at:%d %b %Y, %H:%M} UTC", datetime=format_instant(at), **attributes)


def hidden_inputs(**fields: Value) -> Html:
    return join(tag("input", type="hidden", name=name, value=value) for name, value in fields.items())


def button(text: str, /, **attributes: Value) -> Html:
    return tag("button", text, **{"type": "submit"} | attributes)
