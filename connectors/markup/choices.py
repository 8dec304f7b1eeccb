"""Choices where a channel has no buttons: shown as numbered lines."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.markup.graphemes import Measure, characters, shortened
from schemas.choice_matching import chosen, folded, one_line
from schemas.messages import Choice

__all__ = ["chosen", "label", "labels", "numbered"]


def numbered(choices: Sequence[Choice]) -> str:
    """``1. Label`` and so on, a line a choice."""
    return "\n".join(f"{number}. {one_line(choice.label)}" for number, choice in enumerate(choices, 1))


def label(text: str, limit: int, measure: Measure = characters) -> str:
    """One label, shortened by whole graphemes with an ellipsis."""
    return shortened(text, limit, measure)


def labels(choices: Sequence[Choice], limit: int, measure: Measure = characters) -> list[str]:
    """The labels of one message, none longer than the limit and no two alike: vendors refuse buttons that are."""
    made: list[str] = []
    for number, choice in enumerate(choices, 1):
        short = label(choice.label, limit, measure)
        if not folded(short) or folded(short) in map(folded, made):
            short = _marked(choice.label, number, limit, measure)
        made.append(short)
    return made


def _marked(text: str, number: int, limit: int, measure: Measure) -> str:
    mark = f" ({number})"
    return (label(text, limit - measure(mark), measure) + mark).strip()
