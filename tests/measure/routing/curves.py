"""Curves as pictures, drawn without a library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 720, 420, 70, 40, 24, 60
COLORS = ("#2f6f4f", "#b5452c", "#3b5b92", "#8a6d1f", "#6b3f8f")
_MARKS = 5

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Axis:
    name: str
    low: float
    high: float
    percent: bool = True

    def share(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low)

    def marks(self) -> list[tuple[float, str]]:
        values = [self.low + (self.high - self.low) * step / _MARKS for step in range(_MARKS + 1)]
        return [(value, f"{value:.1%}" if self.percent else f"{value:.2f}") for value in values]


def picture(title: str, across: Axis, up: Axis, lines: Mapping[str, Points]) -> str:
    """An SVG with a line for each name; points outside the axes are left out."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="24" font-size="15" fill="#222">{escape(title)}</text>',
        *_grid(across, up),
    ]
    for number, (name, points) in enumerate(lines.items()):
        parts += _line(number, name, points, across, up)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _at(x: float, y: float, across: Axis, up: Axis) -> tuple[float, float]:
    left = LEFT + across.share(x) * (WIDTH - LEFT - RIGHT)
    top = HEIGHT - BOTTOM - up.share(y) * (HEIGHT - TOP - BOTTOM)
    return round(left, 1), round(top, 1)


def _grid(across: Axis, up: Axis) -> list[str]:
    parts = []
    for value, label in across.marks():
        x, bottom = _at(value, up.low, across, up)
        parts.append(f'<line x1="{x}" x2="{x}" y1="{TOP}" y2="{bottom}" stroke="#e4e4e4"/>')
        parts.append(f'<text x="{x}" y="{bottom + 18}" text-anchor="middle" fill="#444">{label}</text>')
    for value, label in up.marks():
        left, y = _at(across.low, value, across, up)
        parts.append(f'<line x1="{left}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" stroke="#e4e4e4"/>')
        parts.append(f'<text x="{left - 8}" y="{y + 4}" text-anchor="end" fill="#444">{label}</text>')
    middle = (LEFT + WIDTH - RIGHT) // 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 16}" text-anchor="middle" fill="#222">{escape(across.name)}</text>')
    turned = f'transform="rotate(-90 16 {HEIGHT // 2})"'
    parts.append(f'<text x="16" y="{HEIGHT // 2}" text-anchor="middle" fill="#222" {turned}>{escape(up.name)}</text>')
    return parts


def _line(number: int, name: str, points: Points, across: Axis, up: Axis) -> list[str]:
    color = COLORS[number % len(COLORS)]
    inside = [_at(x, y, across, up) for x, y in points if 0 <= across.share(x) <= 1.0001 and 0 <= up.share(y) <= 1.0001]
    drawn = " ".join(f"{x},{y}" for x, y in inside)
    top = TOP + 18 + 18 * number
    return [
        f'<polyline points="{drawn}" fill="none" stroke="{color}" stroke-width="2"/>',
        f'<line x1="{LEFT + 12}" x2="{LEFT + 40}" y1="{top - 4}" y2="{top - 4}" stroke="{color}" stroke-width="2"/>',
        f'<text x="{LEFT + 46}" y="{top}" fill="#222">{escape(name)}</text>',
    ]
