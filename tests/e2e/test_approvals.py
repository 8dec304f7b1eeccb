"""A colleague's yes through the admin API, on a whole installation, and what comes of none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from agent_worker.voice import DEFAULT_VOICE
from tests.harness.chat_client import Contact
from tests.harness.contract_client import wait_for
from tests.harness.installation import Installation
from tests.harness.processes import ForkServer
from tests.simulators.payments import PaymentService, open_payments

SAID = 'refund {"order": "A-1", "amount": "80.00"}'
ASKED = DEFAULT_VOICE.approval_asked


@pytest.fixture
async def payments() -> AsyncIterator[PaymentService]:
    async with open_payments() as payments:
        yield payments


EXPIRED = DEFAULT_VOICE.approval_expired


def configure(made: Installation, payments: PaymentService, **more: Any) -> None:
    """Refunds above 50 need an approval."""
    settings: dict[str, Any] = yaml.safe_load(made.config.read_text())
    settings["tenants"]["plantstore"]["actions"] = {
        "http": {
            "refund": {
                "description": "Pay money back.",
                "url": f"{payments.url}/refunds",
                "parameters": {"order": {}, "amount": {"type": "amount"}},
                "needs": "anonymous",
                "confirm": False,
                "examples": [SAID],
                "approve": {"parameter": "amount", "above": 50},
            }
        },
        **more,
    }
    made.config.write_text(yaml.safe_dump(settings))


@pytest.fixture
async def parley(fork_server: ForkServer, tmp_path: Path, payments: PaymentService) -> AsyncIterator[Installation]:
    made = Installation.make(fork_server, tmp_path)
    configure(made, payments)
    await made.start(env={"TEST_OBEY": "1"})
    yield made
    await made.stop()


async def test_an_action_awaiting_approval_survives_a_restart_and_is_done_once(
    parley: Installation, payments: PaymentService
) -> None:
    async with aiohttp.ClientSession() as http:
        contact = Contact(parley.base, http, "ann")
        await contact.open()
        said = await contact.say(SAID)
        asked = await contact.answered(said.message_id)
        assert (asked["text"], asked["author"]["kind"]) == (ASKED, "system")
        where = f"conversations/{contact.conversation}"
        (waiting,) = (await parley.admin("GET", f"{where}/approvals"))["items"]
        assert (waiting["action"], waiting["arguments"]) == ("refund", {"order": "A-1", "amount": "80.00"})
        assert waiting["reason"] == "amount is above 50.0"
        await parley.roles["dev"].stop()
        await parley.start(env={"TEST_OBEY": "1"})
        decide = f"{where}/approvals/{waiting['id']}"
        for _ in range(3):
            await parley.admin("POST", decide, json={"decision": "approve", "by": "Rosa"}, ok=False)
        told = await next_line(contact, asked["seq"])
        assert told["text"].startswith("Done.")
        assert payments.effects() == {"A-1 80.00": 1}
        error = (await parley.admin("POST", decide, json={"decision": "deny"}, ok=False))["error"]
        assert error["code"] == "not_found"
        assert (await parley.admin("GET", f"{where}/approvals"))["items"] == []
        wrong = await parley.admin("POST", decide, json={"decision": "perhaps"}, ok=False)
        assert wrong["error"]["code"] == "invalid_request"
        elsewhere = await parley.admin("GET", f"{where}/approvals", tenant="bookshop", ok=False)
        assert elsewhere["error"]["code"] == "not_found"
        assert [(record["name"], record["outcome"]) for record in await wait_for_action_records(parley, where)] == [
            ("refund", "succeeded")
        ]


async def next_line(contact: Contact, after: int) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        return next(iter(await contact.transcript(after, wait=5)), None)

    return await wait_for(look)


async def wait_for_action_records(parley: Installation, where: str) -> list[dict[str, Any]]:
    """What turns tell of actions, once one does: a turn is told after what it said."""

    async def look() -> list[dict[str, Any]]:
        turns = (await parley.admin("GET", where))["turns"]
        return [record for turn in turns for record in turn["actions"]]

    return await wait_for(look)


async def _expires(made: Installation, payments: PaymentService) -> None:
    configure(made, payments, approval_hours=2 / 3600)
    await made.prepare()
    await made.start(env={"TEST_OBEY": "1"})
    async with aiohttp.ClientSession() as http:
        contact = Contact(made.base, http, "ann")
        await contact.open()
        said = await contact.say(SAID)
        asked = await contact.answered(said.message_id)
        assert asked["text"] == ASKED
        assert (await next_line(contact, asked["seq"]))["text"] == EXPIRED
        where = f"conversations/{contact.conversation}"
        assert (await made.admin("GET", f"{where}/approvals"))["items"] == []
        async with asyncio.timeout(60):
            while (await made.admin("GET", where))["owner"] != "agent":  # noqa: ASYNC110  # no event tells of it
                await asyncio.sleep(0.05)
    assert payments.done == []
    await made.stop()


async def test_of_an_approval_that_nobody_gives_the_contact_hears_unasked(
    fork_server: ForkServer, tmp_path: Path, payments: PaymentService
) -> None:
    await _expires(Installation.make(fork_server, tmp_path), payments)


@pytest.mark.scaled
async def test_so_they_do_on_kafka_and_redis(
    fork_server: ForkServer,
    tmp_path: Path,
    payments: PaymentService,
    kafka_bootstrap: str,
    redis_url: str,
    topic_prefix: str,
) -> None:
    await _expires(
        Installation.make(fork_server, tmp_path, kafka=kafka_bootstrap, redis=redis_url, prefix=topic_prefix), payments
    )
