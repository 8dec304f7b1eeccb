"""Fixtures for the tests of the simulated WhatsApp."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.simulators.meta import WhatsApp
from tests.simulators.meta.client import client_of
from tests.simulators.test_whatsapp.environment import Setting
from tests.simulators.webhook_receiver import Receiver


@pytest.fixture
async def setting() -> AsyncIterator[Setting]:
    vendor, receiver = WhatsApp(), Receiver()
    async with receiver.serving(), vendor.serving():
        vendor.call(receiver.url)
        receiver.verify_token = vendor.app.verify_token
        await vendor.say("anna", "Hello")
        await vendor.settled()
        async with client_of(vendor.settings()) as client:
            yield Setting(vendor, client, receiver)
