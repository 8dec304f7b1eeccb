"""HTML out of Python: every text is escaped unless it is known to be HTML already; nobody has to think of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from html import escape
from urllib.parse import urlsplit

from gateway.webchat.serialize import instant

_VOID = frozenset({"br", "hr", "img", "input", "link", "meta"})


class Html(str):
    """Markup that is safe to insert as it is."""

    __slots__ = ()


Child = Html | str | Iterable["Html | str"] | None
Value = str | int | bool | None


def tag(name: str, /, *children: Child, **attributes: Value) -> Html:
    """``class_`` and ``for_`` lose their underscore, others become hyphens. True: without a value; None, False: left
    out."""
    head = "".join([name, *(_attribute(key, value) for key, value in attributes.items())])
    if name in _VOID:
        return Html(f"<{head}>")
    return Html(f"<{head}>{joined(*children)}</{name}>")


def joined(*children: Child) -> Html:
    return Html("".join(_child(child) for child in children))


def _child(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Html):
        return child
    if isinstance(child, str):
        return escape(child)
    return "".join(_child(each) for each in child)


def _attribute(key: str, value: Value) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'


def outside(address: str, text: Child) -> Html:
    """A link to somewhere else; only the text where the address is none that a browser should follow."""
    if not _is_web(address):
        return joined(text)
    return tag("a", text, href=address, rel="noopener noreferrer nofollow", target="_blank")


def _is_web(address: str) -> bool:
    try:
        return urlsplit(address).scheme in ("http", "https")
    except ValueError:
        return False


def moment(at: datetime, **attributes: Value) -> Html:
    """The script writes it in the reader's own zone, and keeps it up to date."""
    return tag("time", f"{at:%d %b %Y, %H:%M} UTC", datetime=instant(at), **attributes)


def hidden(**fields: Value) -> Html:
    return joined(tag("input", type="hidden", name=name, value=value) for name, value in fields.items())


def button(text: str, /, **attributes: Value) -> Html:
    return tag("button", text, **{"type": "submit"} | attributes)
