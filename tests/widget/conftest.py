"""A real Parley with a demo page, and one headless Chromium for the whole run, driven through its own protocol."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, async_playwright

from infra.deploy import servers
from tests.harness.installation import Installation
from tests.harness.processes import ForkServer
from tests.widget.chat_page import ChatPage, Window

EXAMPLE = Path(__file__).parents[2] / "examples" / "plantstore"
BROWSER_FLAGS = ("--no-sandbox", "--disable-gpu", "--in-process-gpu", "--process-per-site")
"""The sandbox needs rights that containers do not give; only our own pages are opened. Fewer processes start sooner."""
IDENTITY_SECRET = "a-secret-that-the-site-shares-with-parley"


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    path = servers.fetch_browser()
    async with async_playwright() as driver:
        running = await driver.chromium.launch(executable_path=path, args=BROWSER_FLAGS)
        yield running
        await running.close()


def tenants() -> dict[str, Any]:
    web = {
        "demo": "site",
        "identity_secret": IDENTITY_SECRET,
        "messages_per_minute": 100_000,
        "theme": {
            "name": "Nepenthes & Co",
            "color": "#2f6f4f",
            "logo": "site/logo.svg",
            "greeting": "Hello! Ask me about your plants, your order or its delivery.",
        },
    }
    plain = {"messages_per_minute": 100_000, "theme": {"color": "#f5c518", "position": "left"}}
    return {
        "plantstore": {
            "name": "Plant store",
            "fold": {"web": 0.05, "others": 0.05},
            "voice": {"name": "Pitcher"},
            "channels": {"web": {"main": web, "plain": plain, "hasty": plain | {"messages_per_minute": 2}}},
            "knowledge": {"paths": ["knowledge"]},
        }
    }


@pytest.fixture(scope="module")
async def parley(fork_server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installation]:
    folder = tmp_path_factory.mktemp("widget")
    shutil.copytree(EXAMPLE / "site", folder / "site")
    running = Installation.make(fork_server, folder, tenants=tenants(), encoder="light")
    await running.start(wait=False)
    await running.roles["dev"].ready(90)
    yield running
    await running.stop()


Open = Callable[..., Awaitable[ChatPage]]


@pytest.fixture
async def window(browser: Browser, parley: Installation) -> AsyncIterator[Window]:
    """A fresh browser profile. At its end: nothing was asked of another host, and no page complained."""
    opened = await Window.open(browser, parley.base)
    yield opened
    complaints = opened.complaints()
    await opened.context.close()
    assert not complaints


@pytest.fixture
async def tab(window: Window) -> ChatPage:
    """The shop's page with the chat open."""
    return await window.tab()
