"""Long texts in parts."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connectors.markup import (
    DISCORD,
    MIN_LIMIT,
    PLAIN,
    SLACK,
    WHATSAPP,
    Dialect,
    Measure,
    count_characters,
    count_utf8,
    count_utf16,
    is_blank,
    render,
    split_graphemes,
)
from tests.unit.connectors.markup.hostile import ANY_TEXT, DIALECTS

MEASURES = (count_characters, count_utf16, count_utf8)
FAMILY = "👩‍👩‍👧"
LINK = "[the page](https://x.example/returns)"


def split_text(text: str, limit: int, measure: Measure = count_characters, dialect: Dialect = PLAIN) -> list[str]:
    return list(render(text, dialect, limit, measure).parts)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{'a ' * 20}\n\n{'b ' * 20}\nc.", [("a " * 20).strip(), f"{('b ' * 20).strip()}\nc."]),
        (f"{'a ' * 20}\n{'b ' * 10}. {'c ' * 10}", [("a " * 20).strip(), f"{'b ' * 10}. {('c ' * 10).strip()}"]),
        (f"{'a ' * 20}done [1]. {'B ' * 20}", [f"{'a ' * 20}done [1].", ("B " * 20).strip()]),
        (f"{'a ' * 20}etc. {'b ' * 20}", [f"{'a ' * 20}etc. {'b ' * 10}".strip(), ("b " * 10).strip()]),
        (f"{'a ' * 20}at 5.30 {'b ' * 20}", [f"{'a ' * 20}at 5.30 {'b ' * 8}".strip(), ("b " * 12).strip()]),
        ("は。" * 20 + "に" * 30, ["は。" * 20, "に" * 30]),
        ("x" * 100, ["x" * 64, "x" * 36]),
    ],
    ids=["paragraph", "line", "sentence", "no sentence", "word", "sentence without spaces", "grapheme"],
)
def test_a_text_is_cut_at_the_best_border_there_is(text: str, expected: list[str]) -> None:
    assert split_text(text, 64) == expected


def test_a_short_first_paragraph_is_not_sent_alone() -> None:
    assert split_text("Hi!\n\n" + "word " * 30, 64)[0].startswith("Hi!\n\nword word")


def test_a_short_beginning_goes_alone_before_a_word_is_cut() -> None:
    assert split_text("ab cd " + "x" * 100, 64)[0] == "ab cd"


def test_a_citation_stays_with_its_sentence_and_is_never_cut() -> None:
    parts = split_text("This is a claim that is long enough to fill the part. [12] Next.", 64)
    assert split_text("word " * 11 + "claims. [12] Next.", 64)[1] == "claims. [12] Next."
    assert split_text("word " * 11 + "claim[12][13] end", 64)[0].endswith("word")
    assert parts == ["This is a claim that is long enough to fill the part. [12] Next."]
    assert (
        split_text("It costs five euros, and it always has done so, says he. [12] Nobody knows.", 64)[1].find("[12]")
        == -1
    )


def test_a_code_block_that_is_cut_is_closed_and_opened_again() -> None:
    code = "\n".join(f"    line {number}" for number in range(8))
    parts = split_text(f"Do this:\n\n```py\n{code}\n```\n\nThat is all.", 64, dialect=DISCORD)
    assert parts[0].startswith("Do this:\n\n```py\n    line 0")
    assert parts[0].endswith("\n```")
    assert parts[1].startswith("```py\n    line ")
    assert all(part.count("```") % 2 == 0 for part in parts)
    assert re.findall(r"line \d", "".join(parts)) == [f"line {number}" for number in range(8)]


def test_emphasis_and_quotes_that_are_cut_are_closed_and_opened_again() -> None:
    assert render(f"**{'bold ' * 20}**".replace(" **", "**"), SLACK, 64).parts == (
        f"*{('bold ' * 12).strip()}*",
        f"*{('bold ' * 8).strip()}*",
    )
    assert all(part.startswith("> ") for part in render("> " + "quoted " * 30, DISCORD, 64).parts)


@pytest.mark.parametrize(
    ("dialect", "sign", "shown"),
    [
        (SLACK, ">", "\u00ad&gt;"),
        (DISCORD, ">", "\\>"),
        (DISCORD, "#", "\\#"),
        (WHATSAPP, "-", "\u200b-"),
        (PLAIN, "#", "#"),
    ],
)
def test_a_sign_that_comes_to_begin_a_part_begins_nothing_else(dialect: Dialect, sign: str, shown: str) -> None:
    parts = render(f"{'word ' * 12}end {sign} more words and more", dialect, 64).parts
    assert parts[1] == f"{shown} more words and more"


def test_a_block_longer_than_a_part_is_cut_and_arrives_whole() -> None:
    for text in ("https://x.example/" + "a" * 200, "e" + "\u0301" * 200):
        parts = render(text, PLAIN, 64).parts
        assert "".join(parts) == text
        assert len(parts) > 3


def test_no_bullet_is_sent_alone() -> None:
    parts = render("- https://x.example/" + "a" * 45, PLAIN, 64).parts
    assert parts[0].startswith("- https://")


def test_a_part_may_begin_with_a_bullet() -> None:
    assert render("- " + "word " * 11 + "\n- more and more", DISCORD, 64).parts[1] == "- more and more"


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_a_link_is_whole_or_gives_up_its_address_but_never_breaks(dialect: Dialect) -> None:
    (whole,) = render(LINK, dialect, 1000).parts
    for before in range(0, 70, 3):
        assert sum(whole in part for part in render("x" * before + " " + LINK, dialect, 70).parts) == 1
    long = f"[the page](https://x.example/{'a' * 100})"
    assert render(long, dialect, 64).parts == ("the page",)
    assert render(f"[{'words ' * 20}](https://x.example)", DISCORD, 64).parts[-1].endswith("(https://x.example)")


@given(ANY_TEXT, st.sampled_from(DIALECTS), st.integers(MIN_LIMIT, 200), st.sampled_from(MEASURES))
@example(FAMILY * 40, PLAIN, 64, count_utf8)
@example("中" * 334, PLAIN, 100, count_utf8)
@example("&" * 200, SLACK, 64, count_characters)
@example("> " * 19 + "a" * 300, SLACK, 64, count_characters)
@example("> " * 15 + "```\n" + ("> " * 15 + "abc\n") * 3, DISCORD, 64, count_characters)
@example("> - `" + "\u0301" * 500 + "`", DISCORD, 64, count_utf8)
def test_no_part_is_too_long_or_empty(text: str, dialect: Dialect, limit: int, measure: Measure) -> None:
    for part in render(text, dialect, limit, measure).parts:
        assert 0 < measure(part) <= limit
        assert not is_blank(part)


CLUSTERS = st.sampled_from([FAMILY, "🇩🇪", "🇫🇷", "e\u0301", "क्ष", "한", "a", "中", " ", "\n", "👍🏽", "2️⃣"])
CLUSTERED = st.lists(CLUSTERS, max_size=150).map("".join)


@given(CLUSTERED, st.sampled_from(MEASURES))
def test_a_grapheme_is_never_cut(text: str, measure: Measure) -> None:
    parts = render(text, PLAIN, 64, measure).parts
    assert [one for part in parts for one in split_graphemes(part) if not one.isspace()] == [
        one for one in split_graphemes(text) if not one.isspace()
    ]


def _seen(text: str) -> str:
    return "".join(one for one in text if not is_blank(one))


@given(ANY_TEXT)
def test_cutting_a_rendered_text_loses_nothing_either(text: str) -> None:
    """Quotes are opened again in every part; everything else is the same with and without cuts."""
    text = text.replace(">", "").replace("https", "http").replace("http", "")
    whole, cut = ("".join(render(text, PLAIN, limit).parts) for limit in (100_000, 64))
    assert _seen(whole) == _seen(cut)


def test_a_limit_that_could_not_hold_a_mark_is_refused() -> None:
    for limit in (1, MIN_LIMIT - 1):
        with pytest.raises(ValueError, match="room"):
            render("x" * 200, SLACK, limit)


def test_instagrams_thousand_bytes_hold_333_chinese_characters() -> None:
    assert [len(part) for part in split_text("中" * 334, 1000, count_utf8)] == [333, 1]


def test_discord_and_twilio_limits_count_an_emoji_as_two() -> None:
    assert [count_utf16(part) for part in split_text("👩" * 801, 1600, count_utf16)] == [1600, 2]
