"""Text without any markup: Instagram, and WhatsApp where only plain text can be sent."""

from __future__ import annotations

from connectors.markup.cells import Style
from connectors.markup.dialects import escaping
from connectors.markup.dialects.dialect import Dialect

_NOTHING = Style()
PLAIN = Dialect(
    name="plain",
    escape=lambda cluster, before, after: cluster,
    address=lambda address: escaping.percent(address, "<>"),
    link=escaping.labelled,
    finish=lambda text: text,
    strong=_NOTHING,
    emphasis=_NOTHING,
    struck=_NOTHING,
    code=_NOTHING,
    fence=lambda language: Style(code=True),
    headings=(_NOTHING,),
    source=lambda title, address: f"{title}: {address}",
)
