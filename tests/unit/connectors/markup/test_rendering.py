"""Canonical markdown in each channel's markup."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.markup import (
    DISCORD,
    PLAIN,
    SLACK,
    WHATSAPP,
    Dialect,
    count_characters,
    count_utf8,
    count_utf16,
    render,
)
from tests.harness.time_growth import assert_in_proportion
from tests.unit.connectors.markup.hostile import DIALECTS

Z = "\u200b"

# What the agent writes, then Slack, Discord, WhatsApp, plain.
TABLE = [
    ("a **b** *c* ~~d~~", "a *b* _c_ ~d~", "a **b** *c* ~~d~~", "a *b* _c_ ~d~", "a b c d"),
    ("***both***", "_*both*_", "***both***", "_*both*_", "both"),
    ("a**b**c", f"a{Z}*b*{Z}c", "a**b**c", f"a{Z}*b*{Z}c", "abc"),
    ("# Title", "*Title*", "# Title", "*Title*", "Title"),
    ("##### Deep **b**", "*Deep b*", "**Deep b**", "*Deep b*", "Deep b"),
    ("one\ntwo\n\nthree", "one\ntwo\n\nthree", "one\ntwo\n\nthree", "one\ntwo\n\nthree", "one\ntwo\n\nthree"),
    ("- a\n- b\n  - c", "• a\n• b\n  • c", "- a\n- b\n  - c", "- a\n- b\n  - c", "- a\n- b\n  - c"),
    ("3. a\n4. b", "3. a\n4. b", "3. a\n4. b", "3. a\n4. b", "3. a\n4. b"),
    ("> *a\n> b*\n\nc", "> _a_\n> _b_\n\nc", "> *a*\n> *b*\n\nc", "> _a_\n> _b_\n\nc", "> a\n> b\n\nc"),
    ("use `a_b`", "use `a_b`", "use `a_b`", "use ```a_b```", "use a_b"),
    ("`` a`b ``", "`aˋb`", "`aˋb`", "```aˋb```", "a`b"),
    ("> ```\n> x\n> ```", "> ```\n> x\n> ```", "> ```\n> x\n> ```", "> ```\n> x\n> ```", "> x"),
    ("```py\nx < 1\n```", "```\nx &lt; 1\n```", "```py\nx < 1\n```", "```\nx < 1\n```", "x < 1"),
    (
        "[our *site*](https://x.example/a?b=1&c=2)",
        "<https://x.example/a?b=1&amp;c=2|our site>",
        "[our site](https://x.example/a?b=1&c=2)",
        "our site (https://x.example/a?b=1&c=2)",
        "our site (https://x.example/a?b=1&c=2)",
    ),
    ("<https://x.example>", "<https://x.example>", *["https://x.example"] * 3),
    ("see https://x.example/a_b_c", *["see https://x.example/a_b_c"] * 4),
    ("<a@x.example>", "<mailto:a@x.example|a@x.example>", *["a@x.example"] * 3),
    (
        "[us](mailto:a@x.example)",
        "<mailto:a@x.example|us>",
        *["us (a@x.example)"] * 3,
    ),
    (
        "[https://a.example](https://b.example)",
        *["https://a.example (https://b.example)"] * 4,
    ),
    ("[](https://x.example)", "<https://x.example>", *["https://x.example"] * 3),
    ("![a *leaf*](https://x.example/p.png)", *["a leaf"] * 4),
    ("[x](ftp://a.example)", *["x"] * 4),
    ("a & b < c", "a &amp; b &lt; c", "a & b < c", "a & b < c", "a & b < c"),
    ("5 * 3, a_b_c", "5 * 3, a_b_c", "5 \\* 3, a\\_b\\_c", "5 * 3, a_b_c", "5 * 3, a_b_c"),
    (r"\*a\*", "∗a∗", r"\*a\*", "∗a∗", "*a*"),
    (r"\> a", "\u00ad&gt; a", r"\> a", f"{Z}> a", "> a"),
    (
        r"\[x](https://x.example)",
        "[x](https://x.example)",
        r"\[x\]\(https://x.example)",
        *["[x](https://x.example)"] * 2,
    ),
    ("a\n\n---\n\nb", *["a\n\n———\n\nb"] * 4),
    ("<b>x</b>", "&lt;b&gt;x&lt;/b&gt;", "<b>x</b>", "<b>x</b>", "<b>x</b>"),
    ("[1]: https://x.example", *["[1]: https://x.example"] * 4),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row[0])
def test_canonical_markdown_is_rendered_for_every_channel(row: tuple[str, ...]) -> None:
    text, *expected = row
    assert [" ⏎⏎ ".join(render(text, dialect, 1000).parts) for dialect in (SLACK, DISCORD, WHATSAPP, PLAIN)] == expected


def test_a_table_becomes_a_line_a_row_with_every_value_after_its_name() -> None:
    text = "|Plan|Price|\n|-|-|\n|Small|**5 €**|\n|Big||"
    assert render(text, SLACK, 1000).parts == ("• Plan: Small; Price: *5 €*\n• Plan: Big; Price:",)
    assert render("|Plan|Price|\n|-|-|", PLAIN, 1000).parts == ("Plan; Price",)


def test_backticks_inside_a_code_block_do_not_end_it() -> None:
    for dialect in (SLACK, DISCORD, WHATSAPP):
        (part,) = render("````\na ``` b\n````", dialect, 1000).parts
        assert part.count("```") == 2
        assert part.replace(Z, "") == "```\na ``` b\n```"


def test_marks_with_accents_are_marks_all_the_same() -> None:
    assert render("\\*\u0301x\\*", DISCORD, 100).parts == ("\\*\u0301x\\*",)
    assert "*" not in render("\\*\u0301x\\*", SLACK, 100).parts[0]


@pytest.mark.parametrize("nothing", ["", " \n\t", "\u200b\u200d\ufeff", "\x00", "> ", "[](ftp://x.example)"])
def test_invisible_text_is_not_sent(nothing: str) -> None:
    assert all(render(nothing, dialect, 100).parts == () for dialect in DIALECTS)


def test_characters_that_no_vendor_accepts_are_removed_and_direction_marks_stay() -> None:
    assert render("a\x00b\r\nc \ud800d \u202eש\u202c", PLAIN, 100).parts == ("ab\nc \ufffdd \u202eש\u202c",)


MARKS = [
    "**",
    "*",
    "_",
    "~~",
    "`",
    "> ",
    "- ",
    "1. ",
    "# ",
    "\n",
    "\n\n",
    " ",
    "|",
    "[",
    "]",
    ")",
    "<",
    ">",
    "&",
    "\\",
    "```\n",
]


@given(st.lists(st.sampled_from(MARKS), max_size=60), st.sampled_from(DIALECTS))
def test_every_word_arrives_once_and_in_order(marks: list[str], dialect: Dialect) -> None:
    text = "".join(f"{mark}w{number}x" for number, mark in enumerate(marks))
    sent = " ".join(render(text, dialect, 10_000).parts)
    assert re.findall(r"w\d+x", sent) == [f"w{number}x" for number in range(len(marks))]


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
@pytest.mark.parametrize(
    "piece", ["[", "> ", "*a ", "`", "<", "*_", "- ", "[a](", "|a", "~~", "&", "***", "\u0301", "[1]"]
)
def test_no_text_costs_much(dialect: Dialect, piece: str) -> None:
    assert_in_proportion(lambda size: (piece * size)[:size], lambda text: render(text, dialect, 2_000), 12_000)


def test_each_measure_counts_as_its_vendor_does() -> None:
    assert [measure("aé👩") for measure in (count_characters, count_utf16, count_utf8)] == [3, 4, 7]
