"""The report of a period as Markdown, and as an HTML page of its own."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import cache
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from gateway.insights.period_report import PeriodReport
from gateway.insights.plots import draw_outcomes
from schemas.validation.texts import describe_count

SIGNAL_TITLES = {
    "action_failed": "An action failed",
    "gate_refused": "A model's text was refused",
    "suggestion_refused": "No suggestion fitted",
    "draft_edited": "A draft was changed",
    "declined": "No answer in the documents",
    "thumb_down": "Thumb down",
    "low_rating": "Low rating",
    "person_took_over": "A person took over",
    "repeated_question": "The same question again",
    "reopened": "The contact came back",
}
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|#])")
_BLANK_LINES = re.compile(r"\n{3,}")
_STEADY = 0.2


def render_markdown(report: PeriodReport, tenant: str, name: str, base: str) -> str:
    """``base``: the address of the instance, for links to conversations."""
    text = _environment().get_template("report.md").render(**_values(report, tenant, name, base))
    return _BLANK_LINES.sub("\n\n", text).strip() + "\n"


def render_html(report: PeriodReport, tenant: str, name: str, base: str) -> str:
    return (
        _environment()
        .get_template("report.html")
        .render(**_values(report, tenant, name, base), plot=draw_outcomes(report.steps))
    )


def _values(report: PeriodReport, tenant: str, name: str, base: str) -> dict[str, object]:
    return {"report": report, "name": name, "signals": SIGNAL_TITLES, "link": build_linker(tenant, base)}


def build_linker(tenant: str, base: str) -> Callable[[str], str]:
    """The address of a conversation in the console."""

    def link(conversation: str) -> str:
        return f"{base}/console/{quote(tenant, safe='')}/conversations/{quote(conversation, safe='')}"

    return link


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("gateway.insights"),
        autoescape=select_autoescape(disabled_extensions=("md",), default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(REPORT_FILTERS, cell=_escape_cell)
    return environment


def _escape_cell(text: str) -> str:
    """Text of a stranger, as Markdown shows it literally, on one line."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def format_duration(milliseconds: int | None) -> str:
    if milliseconds is None:
        return "–"
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def format_percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def format_share(count: int, total: int) -> str:
    return format_percent(count / total if total else None)


def format_dollars(value: float | None) -> str:
    if value is None:
        return "–"
    return f"${value:.2f}" if value >= 0.1 or not value else f"${value:.4f}"


def format_trend(trend: float) -> str:
    if abs(trend) < _STEADY:
        return "steady"
    return "rising" if trend > 0 else "falling"


def format_day(at: datetime) -> str:
    return f"{at.day} {at:%B %Y}"


REPORT_FILTERS: dict[str, Callable[..., str]] = {
    "counted": describe_count,
    "day": format_day,
    "dollars": format_dollars,
    "duration": format_duration,
    "percent": format_percent,
    "share": format_share,
    "trend": format_trend,
}
