"""Nobody is ever pinged by what an agent, a document or a contact wrote."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.markup import DISCORD, SLACK, Dialect, count_utf16, render
from schemas.messages import Choice, Citation
from tests.unit.connectors.markup.hostile import ANY_TEXT, DIALECTS, MENTIONS, find_live_markup

AROUND = [
    "{}",
    "**{}**",
    "`{}`",
    "```\n{}\n```",
    "```{}\nx\n```",
    "> {}",
    "- {}",
    "# {}",
    "[{}](https://x.example)",
    "[x](https://x.example/{})",
    "[x](<https://x.example/{}>)",
    "[x](mailto:{})",
    "https://x.example/{}",
    "<https://x.example/{}>",
    "![{}](https://x.example/p.png)",
    "|{}|b|\n|-|-|\n|{}|d|",
    "\\{}",
    "<{}>",
    "x {} y {}",
]


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("dialect", [SLACK, DISCORD], ids=lambda dialect: dialect.name)
def test_a_mention_is_dead_wherever_it_stands(dialect: Dialect, around: str) -> None:
    for mention in MENTIONS:
        for part in render(around.replace("{}", mention), dialect, 2000).parts:
            assert not find_live_markup(part, dialect), part


@pytest.mark.parametrize("mention", MENTIONS)
@pytest.mark.parametrize("dialect", [SLACK, DISCORD], ids=lambda dialect: dialect.name)
def test_titles_addresses_labels_and_headings_ping_nobody(dialect: Dialect, mention: str) -> None:
    citations = [
        Citation(n=1, document="a", title=mention, url=f"https://x.example/{mention}", quote="q"),
        Citation(n=2, document="b", title=f"x {mention}", url=mention, quote="q"),
    ]
    choices = [Choice(id="1", label=mention), Choice(id="2", label=f"{mention}]({mention})")]
    sent = render("a [1] b [2]", dialect, 2000, citations=citations, choices=choices, heading=mention)
    for text in (*sent.parts, *sent.context):
        assert not find_live_markup(text, dialect), text


def test_an_address_with_a_name_in_it_still_leads_where_it_led() -> None:
    for dialect in (SLACK, DISCORD):
        (part,) = render("[x](https://x.example/@everyone)", dialect, 100).parts
        assert "https://x.example/%40everyone" in part


def test_a_mention_that_escaping_missed_is_caught_before_sending() -> None:
    assert SLACK.finish("<!here> <https://x.example|x> <https://x <@U1>") == (
        "&lt;!here> <https://x.example|x> &lt;https://x &lt;@U1>"
    )
    assert find_live_markup(DISCORD.finish(" ".join(MENTIONS)), DISCORD) == []
    assert find_live_markup(DISCORD.finish("</</ban:1>"), DISCORD) == []


def test_the_oracle_knows_each_vendors_mentions() -> None:
    """Without this the tests above could not fail."""
    alive = [mention for mention in MENTIONS if find_live_markup(mention, SLACK) and find_live_markup(mention, DISCORD)]
    assert {"@everyone", "@here", "<@123>", "<#1>", "<t:1618953630:R>"} <= set(alive)
    assert all(find_live_markup(mention, SLACK) for mention in MENTIONS)


@given(ANY_TEXT, st.sampled_from(DIALECTS), st.integers(64, 400))
def test_no_text_pings_anybody_however_it_is_cut(text: str, dialect: Dialect, limit: int) -> None:
    citation = Citation(n=1, document="a", title=text, url=f"https://x.example/{text}", quote="q")
    sent = render(
        f"{text}\n\n[1]", dialect, limit, count_utf16, citations=[citation], choices=[Choice(id="1", label=text)]
    )
    for part in (*sent.parts, *sent.context):
        assert not find_live_markup(part, dialect), part


@given(ANY_TEXT)
def test_every_raw_angle_on_slack_belongs_to_a_whole_link(text: str) -> None:
    for part in render(text, SLACK, 100).parts:
        assert "<" not in re.sub(r"<(?:https?://|mailto:)[^\s<>|]+(?:\|[^<>\n]*)?>", "", part), part
