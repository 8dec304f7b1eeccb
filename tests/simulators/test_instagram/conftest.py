"""Fixtures for the tests of the simulated Instagram."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal

import pytest

from tests.simulators.meta import Instagram
from tests.simulators.meta.client import client_of
from tests.simulators.test_instagram.environment import Setting
from tests.simulators.webhook_receiver import Receiver


async def _setting(login: Literal["instagram", "facebook"]) -> AsyncIterator[Setting]:
    vendor, receiver = Instagram(login=login), Receiver()
    async with receiver.serving(), vendor.serving():
        vendor.call(receiver.url)
        await vendor.say("anna", "Hello")
        await vendor.settled()
        async with client_of(vendor.settings()) as client:
            yield Setting(vendor, client, receiver)


@pytest.fixture
async def setting() -> AsyncIterator[Setting]:
    async for each in _setting("instagram"):
        yield each


@pytest.fixture
async def by_page() -> AsyncIterator[Setting]:
    async for each in _setting("facebook"):
        yield each
