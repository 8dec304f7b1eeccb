"""Messages drawn as a page, as Slack's client shows them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.simulators.slack import page
from tests.simulators.slack.markup import Reader
from tests.simulators.slack.server import SlackVendor

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
AN_HOUR_AGO = int(NOON.timestamp()) - 3600


@pytest.fixture
def slack() -> SlackVendor:
    return SlackVendor(now=NOON.timestamp)


@pytest.fixture
def reader(slack: SlackVendor) -> Reader:
    return Reader(slack.workspace, NOON, UTC)


@pytest.mark.parametrize(
    ("mrkdwn", "html"),
    [
        ("*two* _of_ ~them~ snake_case_name 2*3*4", "<b>two</b> <i>of</i> <s>them</s> snake_case_name 2*3*4"),
        ("`*a* &lt;b&gt;` *b*", "<code>*a* &lt;b&gt;</code> <b>b</b>"),
        ("&lt;script&gt;", "&lt;script&gt;"),
        ("<https://example.com/?a=1|the _shop_>", '<a href="https://example.com/?a=1">the _shop_</a>'),
        ("above\n&gt; one\n&gt; two\nbelow", "above<blockquote>one<br>two</blockquote>below"),
        (f"<!date^{AN_HOUR_AGO}^{{date_short_pretty}} at {{time}}|x>", "Today at 11:00"),
        (f"*<!date^{AN_HOUR_AGO}^since {{date_short_pretty}}|x>*", "<b>since today</b>"),
        (":white_check_mark: :no_such_thing:", "✅ :no_such_thing:"),
    ],
)
def test_markup_is_read_as_slack_reads_it(reader: Reader, mrkdwn: str, html: str) -> None:
    assert reader.html(mrkdwn) == html


def test_a_thread_shows_what_this_person_sees_and_nothing_that_only_others_see(
    slack: SlackVendor, reader: Reader
) -> None:
    room = slack.channel("support")
    root = slack.people.say("Mo", "a card", room)
    written = slack.people.say("Ben", "<b>an answer</b>", room, thread=root.ts)
    slack.people.react("Mo", written.ts, "✅")
    slack.people.edit("Ben", written.ts, "<b>another answer</b>")
    for name in ("Mo", "Ben"):
        body = {"text": f"for {name}", "thread_ts": root.ts}
        slack.publish(room, slack.bot, body, to=slack.person(name).id)
    shown = page.thread(reader, room, root, slack.person("Mo").id)
    assert "&lt;b&gt;another answer&lt;/b&gt;" in shown
    assert "(edited)" in shown
    assert "✅ 1" in shown
    assert "for Mo" in shown
    assert "for Ben" not in shown
    assert "1 reply" in page.channel(reader, room)


def test_a_block_that_nobody_has_drawn_is_no_empty_place(slack: SlackVendor, reader: Reader) -> None:
    room = slack.channel("support")
    slack.people.post("Mo", {"blocks": [{"type": "video"}]}, room)
    with pytest.raises(KeyError, match="video"):
        page.channel(reader, room)
