"""Helpers that the tests of the simulated Slack share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

MARK = {"event_type": "parley_message", "event_payload": {"id": "reply-1"}}


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def button(**given: Any) -> dict[str, Any]:
    return {"type": "button", "text": {"type": "plain_text", "text": "Go"}, **given}


def actions(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"type": "actions", "elements": list(elements)}


async def refusal(call: Any) -> str:
    """The code with which Slack said no."""
    with pytest.raises(SlackApiError) as caught:
        await call
    return str(caught.value.response["error"])


@dataclass
class Clock:
    """Stands until it is moved."""

    now: float = 1_760_000_000.0

    def __call__(self) -> float:
        return self.now
