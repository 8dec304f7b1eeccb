"""Fixtures for the tests of the simulated Twilio."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from twilio.rest import Client

from tests.simulators.test_twilio.environment import ReroutedHttpClient, Setting
from tests.simulators.twilio import Twilio
from tests.simulators.webhook_receiver import Receiver


@pytest.fixture
async def setting() -> AsyncIterator[Setting]:
    vendor, receiver = Twilio(), Receiver()
    async with receiver.serving(), vendor.serving():
        vendor.call(receiver.url)
        await vendor.say("anna", "Hello")
        await vendor.settled()
        async with ReroutedHttpClient(vendor.base) as http:
            yield Setting(vendor, Client(vendor.account_sid, vendor.auth_token, http_client=http), http, receiver)
