"""The text of quotes: paragraphs and lists with the numbers of their citations."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent_worker.grounding.answer_check import read_opening
from agent_worker.knowledge.text.sentences import QuoteUnit
from agent_worker.knowledge.vectors.embedding import short_heading
from agent_worker.models.local.extraction import Quote
from schemas.messages import Citation

_REFERS_BACK = re.compile(
    r"\W*(?:(?:that|this|these|those|it|they|he|she|its|their)\b|(?:dies\w*|das (?:ist|sind|gilt|geht|kann))\b)",
    re.IGNORECASE,
)
"""Beginning of a quote that means what its heading, or a sentence before it, names."""
_FRAGMENT = re.compile(
    r"\W*(?:(?:from|in|at|on|for|by|with|within|until|between|after|before|up to|ab|bis|von|vom|im|am|bei|beim|für|mit|"
    r"nach|vor|zwischen|aus)\b|\d|[€$£¥])",
    re.IGNORECASE,
)
_CONDITION = re.compile(
    r"\W*(?:if|when|unless|until|but|only|as long as|provided|wenn|sofern|solange|aber|nur)\b", re.IGNORECASE
)
"""Beginning of what remains of "Yes, if …"."""
_VERB = re.compile(
    r"\b(?:is|are|was|were|be|can|will|may|must|should|have|has|do|does|cost|costs|i|we|you|they|it|please|ist|sind|war|"
    r"wird|werden|kann|können|haben|hat|gibt|kostet|kosten|ich|wir|sie|bitte)\b",
    re.IGNORECASE,
)
"""Found in most sentences that are whole."""


def heading_before(quote: Quote) -> str:
    """The heading of a quote that says little without it: it means what that names, or is only the part of a sentence
    that answers it. Empty for a question, which the contact has asked, and where the quote begins with the heading."""
    heading, unit = short_heading(quote.passage.heading), quote.unit
    is_said = _letters(unit.text).startswith(_letters(heading))
    return heading if _needs_heading(unit) and not heading.endswith("?") and not is_said else ""


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


def _needs_heading(unit: QuoteUnit) -> bool:
    has_lost_opening = bool(read_opening(unit.quote)) and not read_opening(unit.text)
    is_part = unit.kind == "sentence" and (has_lost_opening or _FRAGMENT.match(unit.text) is not None)
    is_condition = has_lost_opening and _CONDITION.match(unit.text) is not None
    return is_condition or (is_part and not _VERB.search(unit.text)) or _REFERS_BACK.match(unit.text) is not None


def group_quotes(quotes: Sequence[Quote]) -> list[list[Quote]]:
    """Quotes that follow each other in one paragraph, list or table: they are cited together."""
    groups: list[list[Quote]] = []
    for quote in quotes:
        last = groups[-1][-1] if groups else None
        if (
            last is not None
            and quote.passage is last.passage
            and (quote.unit.group, quote.order) == (last.unit.group, last.order + 1)
        ):
            groups[-1].append(quote)
        else:
            groups.append([quote])
    return groups


def format_quotes(chosen: Sequence[Quote], first: int = 1) -> list[str]:
    """The quotes as pieces of one text, numbered from ``first``. Items and rows keep their lines."""
    pieces: list[str] = []
    previous_kind = ""
    is_list = sum(quote.unit.kind in ("item", "row") for quote in chosen) > 1
    for number, group in enumerate(group_quotes(chosen), first):
        kind = group[0].unit.kind
        listed = kind in ("item", "row")
        separator = "" if not pieces else "\n" if listed and previous_kind != "code" else "\n\n"
        previous_kind = kind
        mark = "- " if listed and is_list else ""
        lines = [f"{mark}{quote.unit.text}" for quote in group]
        text = ("\n" if listed else " ").join(lines)
        pieces.append(f"{separator}\n{text}\n[{number}]" if kind == "code" else f"{separator}{text} [{number}]")
    return pieces


def cite_group(group: Sequence[Quote], number: int) -> Citation:
    """The quote is the verbatim part of the passage from the first to the last of the group."""
    passage, first, last = group[0].passage, group[0].unit.quote, group[-1].unit.quote
    start = passage.text.find(first)
    end = passage.text.find(last, start + len(first)) + len(last) if len(group) > 1 else start + len(first)
    return passage.cite(number, passage.text[start:end])
