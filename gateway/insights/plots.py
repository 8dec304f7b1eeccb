"""Plots of a report as SVG. They use only classes, no styles, so that a strict content security policy allows them."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from gateway.insights.period_report import OutcomeStep

OUTCOMES = {
    "durable": "resolved for good",
    "autonomous": "resolved, but reopened",
    "handed_off": "passed to people",
    "others": "neither",
}
_SVG = Markup('<svg viewBox="0 0 {} {}"{} role="img" aria-label="{}">{}</svg>')
_KEY = Markup(
    '<span><svg class="key" viewBox="0 0 1 1" aria-hidden="true">'
    '<rect width="1" height="1" class="{}"/></svg> {}</span>'
)
_WIDTH, _HEIGHT, _BASE, _TOP = 720, 220, 190, 16
_SPARK_WIDTH, _SPARK_HEIGHT, _SPARK_GAP = 15, 24, 3


def draw_outcomes(steps: Sequence[OutcomeStep]) -> Markup:
    """A bar for each step, divided by outcome. Without conversations there is no plot."""
    most = max((step.conversations for step in steps), default=0)
    if not most:
        return Markup("")
    slot = (_WIDTH - 40) / len(steps)
    bars = [bar for number, step in enumerate(steps) for bar in _draw_bar(step, 40 + number * slot, slot, most)]
    every = max(1, len(steps) // 8)
    labels = [
        Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(
            round(40 + (number + 0.5) * slot, 1), _HEIGHT - 12, f"{step.since:%d %b}"
        )
        for number, step in enumerate(steps)
        if number % every == 0
    ]
    scale = Markup('<text x="34" y="{}" text-anchor="end">{}</text>').format(_TOP + 4, most)
    zero = Markup('<text x="34" y="{}" text-anchor="end">0</text>').format(_BASE)
    picture = _SVG.format(
        _WIDTH, _HEIGHT, "", "Outcomes of conversations over time", Markup("").join([scale, zero, *bars, *labels])
    )
    legend = Markup(" ").join(_KEY.format(name, text) for name, text in OUTCOMES.items())
    return Markup('<figure class="plot">{}<figcaption>{}</figcaption></figure>').format(picture, legend)


def _draw_bar(step: OutcomeStep, left: float, slot: float, most: int) -> list[Markup]:
    bars, top = [], float(_BASE)
    for name, text in OUTCOMES.items():
        count: int = getattr(step, name)
        height = count * (_BASE - _TOP) / most
        top -= height
        if count:
            bars.append(
                Markup('<rect x="{}" y="{}" width="{}" height="{}" class="{}"><title>{}: {} {}</title></rect>').format(
                    round(left + slot * 0.1, 1),
                    round(top, 1),
                    round(slot * 0.8, 1),
                    round(height, 1),
                    name,
                    f"{step.since:%d %b}",
                    count,
                    text,
                )
            )
    return bars


def draw_parts(parts: Sequence[int]) -> Markup:
    """The failures of a group in each quarter of the period, as a small bar each."""
    most = max(parts, default=0) or 1
    bars = [
        Markup('<rect x="{}" y="{}" width="{}" height="{}" class="failed"/>').format(
            number * (_SPARK_WIDTH + _SPARK_GAP),
            round(_SPARK_HEIGHT * (1 - count / most), 1),
            _SPARK_WIDTH,
            round(_SPARK_HEIGHT * count / most, 1),
        )
        for number, count in enumerate(parts)
    ]
    width = len(parts) * (_SPARK_WIDTH + _SPARK_GAP)
    label = f"In each quarter of the period: {', '.join(map(str, parts))}"
    return _SVG.format(width, _SPARK_HEIGHT, Markup(' class="spark"'), label, Markup("").join(bars))
