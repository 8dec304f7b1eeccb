"""A stranger proves who they are, cancels an order, and nothing is forgotten when processes are killed in between."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from agent_worker.voice import DEFAULT_VOICE
from examples.plantstore.shop.api import build_app
from tests.e2e.conftest import ENGINES
from tests.harness.chat_client import Contact
from tests.harness.installation import Installation
from tests.harness.processes import ROOT, ForkServer

ACTIONS = ROOT / "examples" / "plantstore" / "shop" / "actions.py"


@pytest.fixture
def shop_folder(tmp_path: Path) -> Path:
    return tmp_path / "shop"


@pytest.fixture(params=ENGINES)
async def parley(
    request: pytest.FixtureRequest, fork_server: ForkServer, tmp_path: Path, topic_prefix: str, shop_folder: Path
) -> AsyncIterator[Installation]:
    """Embedded, the shop is opened in the same process; scaled, it runs by itself."""
    server = TestServer(build_app(shop_folder, lambda: datetime.now(UTC).date()))
    settings = {"shop_folder": str(shop_folder)}
    more: dict[str, Any] = {}
    if request.param == "scaled":
        await server.start_server()
        settings = {"shop_url": str(server.make_url("/"))}
        more = {
            "kafka": request.getfixturevalue("kafka_bootstrap"),
            "redis": request.getfixturevalue("redis_url"),
            "prefix": topic_prefix,
        }
    tenant = {
        "name": "Plant store",
        "fold": {"web": 0.05, "others": 0.05},
        "channels": {"web": {"main": {}}},
        "actions": {"sources": [str(ACTIONS)], "settings": settings},
    }
    installation = Installation.make(fork_server, tmp_path, tenants={"plantstore": tenant}, **more)
    await installation.prepare()
    await installation.start()
    yield installation
    await installation.stop()
    await server.close()


async def ask_contact_question(contact: Contact, text: str) -> str:
    answer = await contact.answered((await contact.say(text)).message_id)
    return str(answer["text"])


async def kill_the_worker(parley: Installation) -> None:
    role = "worker" if parley.scaled else "dev"
    await parley.kill(role)
    await parley.start(role)


async def test_an_order_is_cancelled_over_kills(
    parley: Installation, http: aiohttp.ClientSession, shop_folder: Path
) -> None:
    """Proof, question and answer survive a kill -9 after each of them; the order is cancelled once, and stays so."""
    contact = Contact(parley.base, http, "ann")
    await contact.open()
    assert "six-digit code" in await ask_contact_question(contact, "where is my order NP-10231?")
    mail = json.loads((shop_folder / "outbox.jsonl").read_text().splitlines()[-1])
    code = re.search(r"\d{6}", mail["text"])
    assert mail["to"] == "mossbench@example.com"
    assert code is not None
    await kill_the_worker(parley)
    assert "Order NP-10231 is paid" in await ask_contact_question(contact, code[0])
    await kill_the_worker(parley)
    assert DEFAULT_VOICE.confirm in await ask_contact_question(contact, "please cancel NP-10231")
    await kill_the_worker(parley)
    assert "Order NP-10231 is cancelled. €23.40" in await ask_contact_question(contact, "Yes, go ahead")
    assert "Order NP-10231 is cancelled" in await ask_contact_question(contact, "where is NP-10231")
    assert "You have no order NP-10235." in await ask_contact_question(contact, "where is NP-10235")
