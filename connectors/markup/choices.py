"""Choices on channels without buttons, shown as numbered lines, and labels of buttons."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.markup.graphemes import Measure, count_characters, shorten
from schemas.choice_matching import collapse_whitespace, fold_case
from schemas.messages import Choice

__all__ = ["build_labels", "number_choices", "shorten_label"]


def number_choices(choices: Sequence[Choice]) -> str:
    """``1. Label`` and so on, one line per choice."""
    return "\n".join(f"{number}. {collapse_whitespace(choice.label)}" for number, choice in enumerate(choices, 1))


def shorten_label(text: str, limit: int, measure: Measure = count_characters) -> str:
    """Shorten a label after a whole grapheme, with an ellipsis."""
    return shorten(text, limit, measure)


def build_labels(choices: Sequence[Choice], limit: int, measure: Measure = count_characters) -> list[str]:
    """Return the labels of one message, none longer than the limit and no two alike, because vendors refuse duplicate
    buttons."""
    built: list[str] = []
    for number, choice in enumerate(choices, 1):
        shortened = shorten_label(choice.label, limit, measure)
        if not fold_case(shortened) or fold_case(shortened) in map(fold_case, built):
            shortened = _append_number(choice.label, number, limit, measure)
        built.append(shortened)
    return built


def _append_number(text: str, number: int, limit: int, measure: Measure) -> str:
    mark = f" ({number})"
    return (shorten_label(text, limit - measure(mark), measure) + mark).strip()
