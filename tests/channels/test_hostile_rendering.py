"""Any text is rendered in time proportional to its length, on every surface."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from itertools import count
from typing import Any

import pytest

from connectors.desk.contents import TranscriptLines
from connectors.markup import DISCORD, PLAIN, SLACK, render, render_html
from connectors.outbound import rendering
from connectors.registry import CHANNELS
from connectors.slack.desk import render_transcript
from gateway.console.pages.transcript import TranscriptView
from gateway.webchat.serialization import serialize_message
from schemas.messages import Author, Choice, Citation, OutboundMessage, TranscriptMessage
from schemas.ports import Account, RenderContext
from tests.channels.fixture_cases import fixtures, read
from tests.channels.fixture_translation import account, open_channel_at
from tests.harness.time_growth import assert_in_proportion

AT = datetime(2026, 5, 4, tzinfo=UTC)
PARSED, LONGEST = 12_000, 64_000
TIMES = 10
"""Of what as many ordinary words cost in the same run."""
PIECES = {
    "cells": "|a|b|c|d\n|-|-|-|-\n|1",
    "columns": "|a" * 100 + "\n" + "|-" * 100 + "\n" + "a|\n" * 2_000,
    "rulers": "|-|-|\n",
    "nested emphasis": "*a **b ",
    "stars": "*",
    "underscores": "_a",
    "tildes": "~~a",
    "brackets": "[",
    "images": "![",
    "open links": "[a](<b ",
    "links": "[a.com](https://b.com) ",
    "backticks": "`a",
    "angles": "<a ",
    "addresses": "https://a.",
    "dots": "https://....",
    "entities": "&lt;&#x",
    "backslashes": "\\*",
    "quotes": "> > > ",
    "bullets": "- ",
    "lists": "- a\n  1. b\n",
    "empty items": "-\n",
    "definitions": "[a]: <b> 'c\n",
    "footnotes": "[^1]: a [^1]",
    "fences": "```\na\n",
    "headings": "# a\n===\n",
    "citations": "[1]",
    "no spaces": "a",
    "spaces": "  ",
    "line ends": "\r\n",
    "closers": '." ',
    "flags": "\U0001f1e9",
    "families": "👩\u200d",
    "accents": "\u0301",
    "every mark": "*_`[<&|\\~!>#",
}
WHOLE: dict[str, Callable[[int], str]] = {
    "one column": lambda size: "|" + "h" * (size // 2) + "|\n|-|\n" + "|\n" * (size // 4),
    "long name": lambda size: "|" + "h" * (size - 900) + "|\n|-|\n" + "|\n" * 400,
    "emphasis that ends": lambda size: "*a " * (size // 6) + "a* " * (size // 6),
    "growing lists": lambda size: "".join(f"{'  ' * (depth % 60)}- a\n" for depth in range(size // 64)),
}
LONG = ("every mark", "flags")
NUMBERS = count()
BOMB = "|" + "a|" * 100 + "\n|" + "-|" * 100 + "\n" + "a|\n" * 2_500


def hostile(name: str) -> Callable[[int], str]:
    if name in WHOLE:
        return WHOLE[name]
    piece = PIECES[name]
    return lambda size: (piece * (size // len(piece) + 1))[:size]


def build_ordinary_text(size: int) -> str:
    return ("Orchids like the light of a window that looks east. " * (size // 50))[:size]


def as_slack(text: str) -> object:
    return render(text, SLACK, 2_900)


def as_html(text: str) -> object:
    return render_html(never_rendered(text))


def never_rendered(text: str) -> str:
    """Text of the same length and cost that no cache holds."""
    mark = f"{next(NUMBERS)}\n\n"
    return mark + text[len(mark) :]


def measure_seconds(work: Callable[[str], object], text: str) -> float:
    begun = time.thread_time()
    work(text)
    return max(time.thread_time() - begun, 1e-3)


@cache
def measure_ordinary_text(size: int) -> float:
    return measure_seconds(as_slack, build_ordinary_text(size))


def costs_little(work: Callable[[str], object], text: str) -> bool:
    """Compared with ordinary words of the same length. Noise, such as a collection of garbage, only ever adds time, so
    one of several tries will do."""
    return any(measure_seconds(work, text) < TIMES * measure_ordinary_text(len(text)) for _ in range(8))


@pytest.mark.parametrize("name", [*PIECES, *WHOLE])
def test_markdown_costs_in_proportion_to_its_length_and_never_much(name: str) -> None:
    assert costs_little(as_html, hostile(name)(PARSED))
    assert costs_little(as_slack, hostile(name)(PARSED))
    assert_in_proportion(hostile(name), as_slack, PARSED)


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("name", LONG)
def test_every_channel_renders_the_longest_text_in_proportion(channel: str, name: str) -> None:
    made, where = open_channel_at(channel)[0], RenderContext(conversation="c", account=load_account(channel))

    def work(text: str) -> object:
        return made.render(message(text, place_on(channel)), where)

    assert_in_proportion(hostile(name), work, LONGEST)


@pytest.mark.parametrize("kind", ["contact", "agent", "person", "system"])
def test_a_table_of_a_hundred_columns_costs_people_no_more_than_words_do(kind: Any) -> None:
    files: Any = None
    surfaces: list[Callable[[TranscriptMessage], object]] = [
        lambda line: render_transcript.render_lines(TranscriptLines((line,), "Ann")),
        lambda line: TranscriptView(files).render("shop", [line], []),
        lambda line: serialize_message(line, "shop", files),
    ]
    for surface in surfaces:

        def shown(text: str, surface: Callable[[TranscriptMessage], object] = surface) -> object:
            return surface(line_of(never_rendered(text), kind))

        assert costs_little(shown, BOMB[:8_000])


def test_text_that_takes_too_long_to_render_is_shown_as_typed() -> None:
    for dialect in (SLACK, DISCORD, PLAIN):
        assert "".join(render("*" + "a *b" * 400, dialect, 3_000).parts).count("b") == 400


async def test_a_renderer_that_hangs_is_left_and_the_text_is_shown_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "MAX_INLINE", 0)
    shown = await rendering.render_within_deadline(lambda: render_html("**a**"), ["**a**"], surface="test")
    assert shown == "<p><strong>a</strong></p>"
    hanging = iter([True])

    def work() -> str:
        if next(hanging, False):
            time.sleep(0.5)
        return render_html("**a**")

    assert await rendering.render_within_deadline(work, ["**a**"], surface="test", deadline_s=0.01) == "<p>**a**</p>"


def load_account(channel: str) -> Account:
    return account(channel) if (fixtures(channel) / "account.json").exists() else Account("shop", channel, "main", None)


def place_on(channel: str) -> str:
    told = fixtures(channel) / "outbound" / "text" / "message.json"
    return str(read(told)["message"]["place"]) if told.exists() else "visitor"


def message(text: str, place: str) -> OutboundMessage:
    return OutboundMessage(
        id="00000000-0000-5000-8000-000000000001",
        author=Author(kind="agent"),
        text=text,
        place=place,
        contact_id="c",
        citations=[Citation(n=1, document="d", title="D", quote="q")],
        choices=[Choice(id="a", label="A")],
        created_at=AT,
        expires_at=AT,
    )


def line_of(text: str, kind: Any) -> TranscriptMessage:
    return TranscriptMessage(seq=1, id="m", author=Author(kind=kind), text=text, created_at=AT)
