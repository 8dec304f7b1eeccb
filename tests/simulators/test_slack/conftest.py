"""Fixtures for the tests of the simulated Slack."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from tests.simulators.slack.server import SlackVendor
from tests.simulators.test_slack.helpers import Clock
from tests.simulators.test_slack.listener import Listener


@pytest.fixture
async def slack() -> AsyncIterator[SlackVendor]:
    """A workspace whose events go nowhere, with retries that follow at once."""
    vendor = SlackVendor(pace=0.0002, ack_seconds=0.4)
    async with vendor.serving():
        yield vendor


@pytest.fixture
async def listener(slack: SlackVendor) -> AsyncIterator[Listener]:
    """The app that gets the events of ``slack``."""
    app = Listener(slack.signing_secret)
    async with app.serving():
        slack.call(app.url)
        yield app


@pytest.fixture
def client(slack: SlackVendor) -> AsyncWebClient:
    """Slack's SDK as it comes, with its own retries."""
    return AsyncWebClient(slack.bot_token, base_url=slack.api_base)


@pytest.fixture
def clock() -> Clock:
    return Clock()
