"""WhatsApp by way of Twilio through the front door: what the simulated Twilio posts is on the log, once accepted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from gateway.config.settings import Config
from gateway.http.app import build_app, run_server
from gateway.wiring.compose import open_services
from gateway.wiring.process_services import ProcessServices
from infra.deploy.process import free_port
from schemas import topics
from schemas.envelope import Envelope
from schemas.messages import InboundMessage, Receipt
from schemas.ports import VendorCall
from tests.simulators.twilio import Twilio as Vendor
from tests.simulators.vendor_clock import VendorClock

PUBLIC = "https://support.example.com/chat"
PATH = "/v1/webhooks/whatsapp/shop/main"
ID = "0d1f2e3a-0000-5000-8000-000000000001"


@dataclass
class Door:
    vendor: Vendor
    base: str
    log: list[Envelope]
    services: ProcessServices

    async def heard(self, type_: str) -> list[Envelope]:
        await self.vendor.settled()
        return [event for event in self.log if event.type == type_]


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    vendor, port = Vendor(pace=VendorClock(scale=0)), free_port()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(vendor.serving())
        settings = {
            "data_dir": str(tmp_path),
            "secret_key": "a-secret-of-the-tests",
            "admin_token": "the-admin-token",
            "public_url": PUBLIC + "/",
            "partitions": 3,
            "tenants": {"shop": {"name": "Shop", "channels": {"whatsapp": {"main": vendor.settings()}}}},
        }
        services, healer = await stack.enter_async_context(
            open_services(Config.model_validate(settings), searches=False)
        )
        healer.available.set()
        await stack.enter_async_context(run_server(build_app(services), "127.0.0.1", port))
        base = f"http://127.0.0.1:{port}"
        vendor.webhooks.public_url = (PUBLIC, base)
        vendor.call(f"{base}{PATH}#rc=5&rp=all")
        log: list[Envelope] = []
        append = services.bus.append

        async def noted(envelopes: list[Envelope], **more: object) -> object:
            log.extend(envelopes)
            return await append(envelopes, **more)  # type: ignore[arg-type]

        services.bus.append = noted  # type: ignore[assignment, method-assign]
        yield Door(vendor, base, log, services)


async def test_a_message_is_accepted_under_the_public_address(door: Door) -> None:
    sid = await door.vendor.say("anna", "Grüße & more")
    door.vendor.redeliver(sid, new_token=True)
    first, second = await door.heard(topics.MESSAGE_RECEIVED)
    message = first.payload(InboundMessage)
    assert (message.external_id, message.text, message.author.name) == (sid, "Grüße & more", "anna")
    assert (first.id, first.conversation) == (second.id, second.conversation)
    assert door.vendor.webhooks.debugger == []
    assert door.vendor.ledger.shown == []


async def test_a_status_keeps_the_marker_of_its_address(door: Door) -> None:
    vendor = door.vendor
    record = vendor.record(vendor.sender, vendor.place("anna"), "x", direction="outbound-api", status="queued")
    record.callback = f"{door.base}{PATH}?marker={ID}.0#rc=5&rp=all"
    vendor.tell(record, "delivered")
    (event,) = await door.heard(topics.RECEIPT_RECORDED)
    receipt = event.payload(Receipt)
    assert (receipt.marker, receipt.external_id, receipt.state) == (f"{ID}.0", record.sid, "delivered")


async def test_a_message_asks_for_its_statuses_at_the_public_address(door: Door) -> None:
    channel, account = door.services.channels["whatsapp"], door.services.accounts("shop", "whatsapp", "main")
    assert account is not None
    door.vendor.statuses = ()
    connection = channel.connect(account)
    ends = {"To": door.vendor.place("anna"), "From": door.vendor.sender}
    await connection.perform(VendorCall("twilio.message", {**ends, "Body": "Hello"}), f"{ID}.0")
    await connection.close()
    assert door.vendor.ledger.requests[-1].body["StatusCallback"] == f"{PUBLIC}{PATH}?marker={ID}.0#rc=5&rp=all"


async def test_an_unsigned_webhook_gets_401_and_appends_nothing(door: Door) -> None:
    door.vendor.webhooks.public_url = ("http://somewhere.else.example", door.base)
    await door.vendor.say("anna", "forged")
    assert await door.heard(topics.MESSAGE_RECEIVED) == []
    (lost,) = door.vendor.webhooks.webhook_sender.lost
    assert set(lost.outcomes) == {401}
    async with aiohttp.ClientSession() as http:
        for headers in ({}, {"X-Twilio-Signature": "ÿ"}, {"X-Twilio-Webhooks-Signature-Settings": "key=x"}):
            async with http.post(f"{door.base}{PATH}", data={"MessageSid": "x"}, headers=headers) as answer:
                assert answer.status == 401
        async with http.get(f"{door.base}{PATH}") as answer:
            assert answer.status == 405
