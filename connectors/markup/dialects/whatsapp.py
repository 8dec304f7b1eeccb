"""WhatsApp markup. It has no links with labels, no mentions by text, and nothing to escape its marks with."""

from __future__ import annotations

from connectors.markup.cells import ZERO_WIDTH_SPACE, Style
from connectors.markup.dialects import escaping
from connectors.markup.dialects.dialect import Dialect


def _escape(cluster: str, before: str, after: str) -> str:
    if cluster[0] in "->" and escaping.starts_line(before):
        return ZERO_WIDTH_SPACE + cluster
    return escaping.unmarked(cluster, before, after)


_BOLD = Style("*", "*", bounded=True)
WHATSAPP = Dialect(
    name="whatsapp",
    escape=_escape,
    code_escape=escaping.code,
    address=lambda address: escaping.percent(address, "<>"),
    link=escaping.labelled,
    finish=lambda text: text,
    strong=_BOLD,
    emphasis=Style("_", "_", bounded=True),
    struck=Style("~", "~", bounded=True),
    code=Style("```", "```", bounded=True, code=True),
    fence=lambda language: Style("```\n", "\n```", code=True),
    headings=(_BOLD,),
    source=lambda title, address: f"{title}: {address}",
)
