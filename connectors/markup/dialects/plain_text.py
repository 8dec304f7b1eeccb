"""Plain text without markup, for Instagram, and for WhatsApp where only plain text can be sent."""

from __future__ import annotations

from connectors.markup.cells import Style
from connectors.markup.dialects import escaping
from connectors.markup.dialects.dialect import Dialect

_NO_STYLE = Style()
PLAIN = Dialect(
    name="plain",
    escape=lambda cluster, before, after: cluster,
    address=lambda address: escaping.percent_encode(address, "<>"),
    link=escaping.label_with_address,
    finish=lambda text: text,
    strong=_NO_STYLE,
    emphasis=_NO_STYLE,
    strikethrough=_NO_STYLE,
    code=_NO_STYLE,
    fence=lambda language: Style(code=True),
    headings=(_NO_STYLE,),
    source=lambda title, address: f"{title}: {address}",
)
