"""Voice notes over WhatsApp, understood by a real speech model: on this machine, and behind an endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from agent_worker.transcription.whisper import open_whisper
from infra.deploy.speech_model import fetch
from schemas.ports import TranscriberOptions
from tests.e2e.media.conftest import HEAT, RECORDINGS
from tests.harness.chat_client import Contact
from tests.harness.installation import Installation
from tests.harness.processes import ForkServer
from tests.simulators.meta import WhatsApp
from tests.simulators.models.transcription_server import KEY, TranscriptionServer
from tests.simulators.vendor import File, ShownMessage
from tests.speech.encoding import encode

ORDERS = """# Orders

## Where is my order?

Your order leaves our nursery within two working days. The parcel number is in the dispatch message.
"""
pytestmark = pytest.mark.slow


def note(name: str) -> File:
    return File("voice.ogg", "audio/ogg", (RECORDINGS / f"{name}.ogg").read_bytes())


@asynccontextmanager
async def opened(
    fork_server: ForkServer, folder: Path, vendor: WhatsApp, transcriber: dict[str, Any], **env: str
) -> AsyncIterator[Installation]:
    """With one tenant that has this transcriber, and one that has none and is on the web only."""
    (folder / "knowledge").mkdir(parents=True, exist_ok=True)
    (folder / "knowledge" / "orders.md").write_text(ORDERS)
    fold = {"web": 0.05, "others": 0.05}
    knowledge = {"paths": ["knowledge"]}
    channels = {"whatsapp": {"main": vendor.settings()}, "web": {"main": {}}}
    shop = {"name": "Plant store", "fold": fold, "channels": channels, "knowledge": knowledge, "transcriber": "hearing"}
    other = {"name": "Another", "fold": fold, "channels": {"web": {"main": {}}}, "knowledge": knowledge}
    installation = Installation.make(
        fork_server, folder, tenants={"plantstore": shop, "other": other}, transcribers={"hearing": transcriber}
    )
    await installation.start(env=env, flags=["--log-level", "debug"])
    vendor.call(f"{installation.base}/v1/webhooks/whatsapp/plantstore/main")
    try:
        yield installation
    finally:
        await installation.stop()


@pytest.fixture
async def vendor() -> AsyncIterator[WhatsApp]:
    vendor = WhatsApp()
    async with vendor.serving():
        yield vendor


async def answers(vendor: WhatsApp, count: int) -> list[ShownMessage]:
    place = vendor.place("anna")
    await vendor.ledger.until(lambda: len(vendor.ledger.at(place)) >= count, deadline=90)
    return vendor.ledger.at(place)


async def transcript(parley: Installation) -> list[dict[str, Any]]:
    (conversation,) = (await parley.admin("GET", "conversations"))["items"]
    lines: list[dict[str, Any]] = (await parley.admin("GET", f"conversations/{conversation['id']}"))["transcript"]
    return lines


def endpoint(server: TranscriptionServer) -> dict[str, Any]:
    return {"provider": "openai", "model": "whisper-1", "base_url": server.base_url, "api_key": KEY}


async def test_where_is_my_order_is_understood_on_this_machine_and_answered(
    fork_server: ForkServer, tmp_path: Path, vendor: WhatsApp
) -> None:
    """The transcript marks the words as spoken, tells their language, and keeps the sound. None of it is in the log."""
    async with opened(fork_server, tmp_path, vendor, {"model": str(fetch())}) as parley:
        await vendor.say("anna", "", files=[note("order-number")])
        (offer,) = await answers(vendor, 1)
        assert "Did you mean" in offer.text
        await vendor.choose("anna", offer, "Where is my order?")
        assert "within two working days" in (await answers(vendor, 2))[1].text
        line, *_ = await transcript(parley)
        speech = line["attachments"][0]["speech"]
        assert "where is my order" in speech["text"].lower()
        assert (line["text"], speech["language"], speech["problem"]) == (speech["text"], "en", "")
        await vendor.say("anna", "", files=[File("voice.ogg", "audio/ogg", b"OggS" + bytes(500))])
        assert "could not understand your voice message" in (await answers(vendor, 3))[2].text
    # Beside the log, `parley dev` prints questions to try.
    log = [line for line in (tmp_path / "dev.log").read_text().splitlines() if line.startswith("{")]
    assert any('"turn_done"' in line for line in log)
    assert not any(speech["text"].lower() in line.lower() or "order" in line.lower() for line in log)


async def test_an_endpoint_with_the_same_model_is_asked_once_although_the_process_dies(
    fork_server: ForkServer, tmp_path: Path, vendor: WhatsApp
) -> None:
    """It dies between the transcription and the reply: the note is not transcribed again, and is answered once."""
    listener = open_whisper(TranscriberOptions(model=str(fetch())))
    async with TranscriptionServer(listener=listener).serving() as server:
        async with opened(
            fork_server, tmp_path, vendor, endpoint(server), PARLEY_CRASH_AT="worker.after_model"
        ) as parley:
            await vendor.say("anna", "", files=[note("heat-pack")])
            assert await asyncio.wait_for(asyncio.shield(parley.roles["dev"].exited), 60) == -9
            assert vendor.ledger.at(vendor.place("anna")) == []
            await parley.start()
            (answer,) = await answers(vendor, 1)
            assert "heat pack" in answer.text
            await vendor.say("anna", HEAT)
            assert len(await answers(vendor, 2)) == 2
        assert len(server.calls) == 1
    await listener.close()


async def test_a_tenant_without_a_transcriber_shares_none(
    fork_server: ForkServer, tmp_path: Path, vendor: WhatsApp
) -> None:
    """Its visitors are asked to write, and their sound goes nowhere."""
    async with TranscriptionServer(HEAT).serving() as server:
        async with opened(fork_server, tmp_path, vendor, endpoint(server)) as parley:
            replies = [await said_on_the_web(parley, tenant) for tenant in ("plantstore", "other")]
        assert "heat pack" in replies[0]
        assert "cannot listen" in replies[1]
        assert len(server.calls) == 1


async def said_on_the_web(parley: Installation, tenant: str) -> str:
    """The reply to a recording that a visitor uploads, as a browser records it."""
    async with aiohttp.ClientSession() as http:
        contact = Contact(parley.base, http, "vera", tenant)
        await contact.open()
        form = aiohttp.FormData()
        form.add_field(
            "file", encode("heat-pack", "webm"), filename="voice.webm", content_type="audio/webm;codecs=opus"
        )
        bearer = {"Authorization": f"Bearer {contact.token}"}
        uploaded = await contact.insist("POST", "attachments", data=form, headers=bearer)
        said = await contact.say("", "note", attachments=[uploaded["attachment_id"]])
        reply = await contact.answered(said.message_id)
        again = await contact.say("", "note", attachments=[uploaded["attachment_id"]])
        assert again.message_id == said.message_id, "a repeat is the same message, whatever was understood meanwhile"
        return str(reply["text"])
