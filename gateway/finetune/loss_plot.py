"""The losses of a training as an SVG picture that stands alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from agent_worker.learning.finetune.training_run import Attempt, LossPoint

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 720, 300, 56, 24, 40
_COLOURS = ("#1f6f50", "#a8562b", "#4b5fa8")
_Read = Callable[[LossPoint], float | None]


def draw_losses(attempts: Sequence[Attempt]) -> str:
    """A line for each attempt: dashed on the training data, full on the held-out data, with its lowest point."""
    points = [point for attempt in attempts for point in attempt.losses]
    values = [value for point in points for value in (point.train, point.held_out) if value is not None]
    if not values:
        return _wrap(f'<text x="{_LEFT}" y="{_HEIGHT // 2}">The losses are not known.</text>')
    scale = _Scale(min(values), max(values), max(point.step for point in points) or 1)
    drawn = [_draw_axis(scale)]
    for number, attempt in enumerate(attempts):
        colour, label = _COLOURS[number % len(_COLOURS)], f"attempt {number + 1}"
        drawn += [_draw_line(attempt.losses, lambda point: point.train, scale, colour, dashed=True)]
        drawn += [_draw_line(attempt.losses, lambda point: point.held_out, scale, colour, dashed=False)]
        if (best := attempt.best_point) is not None and best.held_out is not None:
            title = escape(f"{label}: lowest held-out loss {best.held_out:.3f} at step {best.step}")
            place = f'cx="{scale.x(best.step):.1f}" cy="{scale.y(best.held_out):.1f}"'
            drawn.append(f'<circle {place} r="4" fill="{colour}"><title>{title}</title></circle>')
        drawn.append(f'<text x="{_LEFT + 110 * number}" y="14" fill="{colour}">{label}</text>')
    return _wrap("".join(drawn))


@dataclass(frozen=True, slots=True)
class _Scale:
    low: float
    high: float
    last: int

    def x(self, step: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - 16) * step / self.last

    def y(self, loss: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (self.high - loss) / ((self.high - self.low) or 1.0)


def _draw_line(losses: Sequence[LossPoint], read: _Read, scale: _Scale, colour: str, *, dashed: bool) -> str:
    places = [
        f"{scale.x(point.step):.1f},{scale.y(value):.1f}" for point in losses if (value := read(point)) is not None
    ]
    style = ' stroke-dasharray="4 4"' if dashed else ""
    return f'<polyline points="{" ".join(places)}" fill="none" stroke="{colour}" stroke-width="2"{style}/>'


def _draw_axis(scale: _Scale) -> str:
    bottom = _HEIGHT - _BOTTOM
    return (
        f'<path d="M{_LEFT} {_TOP}V{bottom}H{_WIDTH - 16}" fill="none" stroke="#888"/>'
        f'<text x="{_LEFT - 6}" y="{_TOP + 4}" text-anchor="end">{scale.high:.2f}</text>'
        f'<text x="{_LEFT - 6}" y="{bottom}" text-anchor="end">{scale.low:.2f}</text>'
        f'<text x="{_WIDTH - 16}" y="{bottom + 18}" text-anchor="end">step {scale.last}</text>'
        f'<text x="{_LEFT}" y="{bottom + 34}">loss: dashed on the training data, full on held-out contacts</text>'
    )


def _wrap(content: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        f'font-size="12" role="img" aria-label="Losses of a training">{content}</svg>\n'
    )
