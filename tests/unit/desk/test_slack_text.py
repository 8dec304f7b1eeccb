"""Text that people type in Slack reads the same on every channel."""

from __future__ import annotations

import pytest

from connectors.slack.desk.desk import SlackDesk
from connectors.slack.desk.parse_messages import to_markdown


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("*bold* and _soft_ and ~gone~", "**bold** and *soft* and ~~gone~~"),
        ("*bold _and soft_*", "**bold *and soft***"),
        ("_*both*_", "***both***"),
        ("2*3*4 and snake_case_name and a~b~c", "2*3*4 and snake_case_name and a~b~c"),
        ("* not bold * nor _ this _", "* not bold * nor _ this _"),
        ("`*code*` and ```\n_more_\n```", "`*code*` and ```\n_more_\n```"),
        ("• one\n  ◦ two", "- one\n  - two"),
        (":+1: great :tada:", "👍 great 🎉"),
        ("at 10:30:15 :unknown_thing:", "at 10:30:15 :unknown_thing:"),
        ("**already**", "**already**"),
        ("> quoted\n1. one", "> quoted\n1. one"),
    ],
)
def test_slacks_marks_become_canonical_ones(typed: str, said: str) -> None:
    assert to_markdown(typed) == said


def test_mentions_are_replaced_by_names() -> None:
    text = "@U0123ABCD will help, not @U9 or @U0123ABCDx"
    assert SlackDesk.mentions.findall(text) == ["U0123ABCD"]
    named = SlackDesk.mentions.sub(lambda found: "@" + {"U0123ABCD": "Cleo"}[found.group(1)], text)
    assert named == "@Cleo will help, not @U9 or @U0123ABCDx"
