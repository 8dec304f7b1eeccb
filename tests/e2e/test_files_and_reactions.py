"""Files, read marks and reactions around a message, over a vendor's channel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.config.loader import load
from gateway.wiring.engines import open_engine
from schemas import topics
from schemas.conversation_activity import Feedback
from schemas.envelope import Envelope
from tests.harness.installation import Installation
from tests.harness.processes import ForkServer
from tests.simulators.meta import WhatsApp
from tests.simulators.vendor import File, ShownMessage

PHOTO = File("pot.jpg", "image/jpeg", b"\xff\xd8\xff a pot")
NOTE = File("note.ogg", "audio/ogg", b"OggS a voice")
PROGRAM = File("tool.pdf", "application/pdf", b"MZ\x00\x01 not a document")


@pytest.fixture
async def vendor() -> AsyncIterator[WhatsApp]:
    vendor = WhatsApp()
    async with vendor.serving():
        yield vendor


@pytest.fixture
async def parley(vendor: WhatsApp, fork_server: ForkServer, tmp_path: Path) -> AsyncIterator[Installation]:
    tenant = {
        "name": "Plant store",
        "fold": {"web": 0.05, "others": 0.05},
        "channels": {"whatsapp": {"main": vendor.settings()}},
        "knowledge": {"paths": ["knowledge"]},
    }
    installation = Installation.make(fork_server, tmp_path, tenants={"plantstore": tenant})
    await installation.start()
    vendor.call(f"{installation.base}/v1/webhooks/whatsapp/plantstore/main")
    yield installation
    await installation.stop()


async def until(found: Callable[[], Awaitable[Any]], seconds: float = 60) -> Any:
    async with asyncio.timeout(seconds):
        while not (value := await found()):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return value


async def wait_for_answers(vendor: WhatsApp, count: int) -> list[ShownMessage]:
    async def shown() -> list[ShownMessage]:
        all_shown = vendor.ledger.at(vendor.place("anna"))
        return all_shown if len(all_shown) >= count else []

    found: list[ShownMessage] = await until(shown)
    return found


async def transcript(parley: Installation, count: int) -> list[dict[str, Any]]:
    """Every line, once there are ``count``: a reply joins the transcript by a road of its own, which may be longer than
    the one to the vendor."""

    async def lines() -> list[dict[str, Any]]:
        (conversation,) = (await parley.admin("GET", "conversations"))["items"]
        found: list[dict[str, Any]] = (await parley.admin("GET", f"conversations/{conversation['id']}"))["transcript"]
        return found if len(found) >= count else []

    whole: list[dict[str, Any]] = await until(lines)
    return whole


async def feedback(parley: Installation) -> list[tuple[str, str]]:
    """What is on the log by now. The file is the instance's own, which is ended for a look and goes on afterwards."""
    await parley.stop()
    config = load(parley.config)
    async with open_engine(config, config.data_path) as engine:
        read = await engine.bus.read(topics.EVENTS)
        events = [Envelope.from_wire(record.headers, record.value) async for record in read]
    await parley.start()
    told = [event.payload(Feedback) for event in events if event.type == topics.FEEDBACK_GIVEN]
    return [(each.message_id, each.value) for each in told]


async def test_a_photo_is_kept_the_question_seen_and_answered_and_the_thumb_counted(
    parley: Installation, vendor: WhatsApp
) -> None:
    await vendor.say("anna", "Do you add a heat pack in winter?", files=[PHOTO])
    (answer,) = await wait_for_answers(vendor, 1)
    assert "heat pack" in answer.text
    asked, said = await transcript(parley, 2)
    (attachment,) = asked["attachments"]
    assert (attachment["type"], attachment["size"]) == ("image/jpeg", len(PHOTO.data))
    async with aiohttp.ClientSession() as http, http.get(parley.base + attachment["url"]) as file:
        assert await file.read() == PHOTO.data

    async def seen() -> bool:
        return any(request.operation == "messages.read" for request in vendor.ledger.requests)

    await until(seen)
    await vendor.react("anna", answer.id, "👍🏽")
    await vendor.react("anna", answer.id, "", take_back=True)
    await vendor.settled()

    async def told() -> bool:
        return await feedback(parley) == [(said["id"], "up"), (said["id"], "none")]

    await until(told)


async def test_files_that_cannot_be_stored_or_heard_are_named_in_the_answer(
    parley: Installation, vendor: WhatsApp
) -> None:
    await vendor.say("anna", "", files=[NOTE])
    (first,) = await wait_for_answers(vendor, 1)
    assert "cannot listen" in first.text
    await transcript(parley, 2)
    await vendor.say("anna", "", files=[PROGRAM])
    second = (await wait_for_answers(vendor, 2))[1]
    assert "did not reach me" in second.text
    note, _, program, _ = await transcript(parley, 4)
    assert note["attachments"][0]["type"] == "audio/ogg"
    assert program["attachments"][0]["missing"] == "unsupported_type"
    assert program["attachments"][0]["url"] == ""
