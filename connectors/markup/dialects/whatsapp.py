"""WhatsApp markup. It has no labelled links, no mentions in text, and no escape character."""

from __future__ import annotations

from connectors.markup.cells import ZERO_WIDTH_SPACE, Style
from connectors.markup.dialects import escaping
from connectors.markup.dialects.dialect import Dialect


def _escape(cluster: str, before: str, after: str) -> str:
    if cluster[0] in "->" and escaping.starts_line(before):
        return ZERO_WIDTH_SPACE + cluster
    return escaping.replace_marks(cluster, before, after)


_BOLD = Style("*", "*", needs_word_boundary=True)
WHATSAPP = Dialect(
    name="whatsapp",
    escape=_escape,
    code_escape=escaping.escape_code,
    address=lambda address: escaping.percent_encode(address, "<>"),
    link=escaping.label_with_address,
    finish=lambda text: text,
    strong=_BOLD,
    emphasis=Style("_", "_", needs_word_boundary=True),
    strikethrough=Style("~", "~", needs_word_boundary=True),
    code=Style("```", "```", needs_word_boundary=True, code=True),
    fence=lambda language: Style("```\n", "\n```", code=True),
    headings=(_BOLD,),
    source=lambda title, address: f"{title}: {address}",
)
