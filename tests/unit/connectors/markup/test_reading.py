"""Markup of Slack and Discord is read as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.markup import SLACK, parse_discord_text, parse_slack_text, render
from tests.unit.connectors.markup.hostile import ANY_TEXT

NAMES = {"U1": "Ada", "C1": "plants", "S1": "care-team", "80351110224678912": "Grace", "7": "gardeners"}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("hello <@U1>, and <@U2>", "hello @Ada, and @someone"),
        ("<@U3|linus> in <#C1> and <#C2|general>", "@linus in #plants and #general"),
        ("<!here> <!channel|channel> <!everyone>", "@here @channel @everyone"),
        ("<!subteam^S1> <!subteam^S2|@ops> <!subteam^S3>", "@care-team @ops @group"),
        ("<!date^1392734382^{date_num}^https://x.example|18 Feb 2014>", "18 Feb 2014"),
        ("<https://x.example/a?b=1&amp;c=2>", "https://x.example/a?b=1&c=2"),
        ("<https://x.example|our page>", "our page (https://x.example)"),
        ("<http://x.example|x.example> <mailto:a@x.example|a@x.example> <tel:+1|+1>", "x.example a@x.example +1"),
        ("1 &lt; 2 &amp;&amp; 3 &gt; 2", "1 < 2 && 3 > 2"),
        ("&lt; <@U1> &gt;", "< @Ada >"),
        ("&amp;lt; &lt;@U1&gt;", "&lt; <@U1>"),
        ("a <> b < c", "a <> b < c"),
        ("see <|this> and <|>", "see this and "),
        (":+1::skin-tone-3: *bold*", ":+1::skin-tone-3: *bold*"),
        ("", ""),
    ],
)
def test_slack_text_reads_as_people_saw_it(written: str, read: str) -> None:
    assert parse_slack_text(written, NAMES) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("hi <@80351110224678912> <@!80351110224678912> <@9>", "hi @Grace @Grace @someone"),
        ("<@&7> in <#5>", "@gardeners in #channel"),
        ("<:leaf:123> <a:wave:456>", ":leaf: :wave:"),
        ("<t:1618953630:R> <t:0>", "2021-04-20 21:20 UTC 1970-01-01 00:00 UTC"),
        ("<t:9999999999999999>", "<t:9999999999999999>"),
        ("</plant water:12> <id:customize>", "/plant water #customize"),
        ("<https://x.example/a>", "https://x.example/a"),
        ("1 < 2 > 1 <@x> <b>", "1 < 2 > 1 <@x> <b>"),
        ("a\ud83d b\x00", "a\ufffd b"),
        ("\ud83d\udc69", "👩"),
    ],
)
def test_discord_text_reads_as_people_saw_it(written: str, read: str) -> None:
    assert parse_discord_text(written, NAMES) == read


@given(ANY_TEXT | st.text(st.characters(categories=["Cs", "Cc", "L"])))
def test_any_vendor_markup_reads_as_storable_text(text: str) -> None:
    for read in (parse_slack_text(text, NAMES), parse_discord_text(text, NAMES)):
        assert "\x00" not in read
        read.encode()


@given(
    st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="*_~`|\\[]()#-+.>@:;{}=!^"), max_size=80)
)
def test_text_sent_to_slack_reads_back_unchanged(text: str) -> None:
    sent = " ".join(render(text, SLACK, 4000).parts)
    assert "".join(parse_slack_text(sent).split()) == "".join(text.split())
