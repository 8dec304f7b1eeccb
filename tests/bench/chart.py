"""The table as a picture: how much of its budget every row takes."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

WIDTH, LEFT, BAR, GAP = 1180, 180, 22, 12
FULL = 360
"""Pixels of a whole budget; a bar that is longer has missed it."""
LONGEST = 1.6


def taken(row: dict[str, Any]) -> float:
    """Share of the budget, over 1 when it is missed, whichever way the budget points."""
    value, budget = row["measured"]["median"], row["budget"]
    return float(value / budget if row["side"] == "at most" else budget / max(value, 1e-9))


def chart(rows: Sequence[dict[str, Any]]) -> str:
    """An SVG of all rows that have a budget; the spread of the rounds is in the text."""
    shown = [row for row in rows if row["budget"] is not None]
    height = 60 + len(shown) * (BAR + GAP)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        'font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="20" fill="#444">share of the budget used; the line is the whole budget</text>',
    ]
    for number, row in enumerate(shown):
        lines += _bar(row, 36 + number * (BAR + GAP))
    bottom = 36 + len(shown) * (BAR + GAP)
    lines.append(
        f'<line x1="{LEFT + FULL}" x2="{LEFT + FULL}" y1="28" y2="{bottom}" stroke="#222" stroke-width="1.5"/>'
    )
    return "\n".join([*lines, "</svg>"]) + "\n"


def _bar(row: dict[str, Any], top: int) -> list[str]:
    share = taken(row)
    length = round(FULL * min(LONGEST, share))
    color = "#2f6f4f" if row["met"] else "#b5452c"
    measured = row["measured"]
    figures = f"{measured['median']:.3g} ({measured['low']:.3g}–{measured['high']:.3g}) {row['unit']}"
    label = f"{figures}, {row['side']} {row['budget']:.3g}"
    return [
        f'<text x="{LEFT - 8}" y="{top + 16}" text-anchor="end" fill="#222">{escape(row["name"])}</text>',
        f'<rect x="{LEFT}" y="{top}" width="{length}" height="{BAR}" fill="{color}"/>',
        f'<text x="{LEFT + length + 8}" y="{top + 16}" fill="#444">{escape(label)}</text>',
    ]
