"""Messages whose webhooks failed are taken from Twilio's message list, once."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from connectors.streams import runner
from schemas.ports import RawRequest
from tests.channels.stream_account import StreamProcesses, hall_of
from tests.channels.webhook_intake import parse_webhook
from tests.simulators.twilio import Twilio
from tests.simulators.vendor import File
from tests.simulators.vendor_clock import VendorClock
from tests.simulators.webhook_receiver import Receiver


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    async with receiver.serving():
        yield receiver


@pytest.fixture
async def stream_processes(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[StreamProcesses]:
    """Every silence counts here."""
    monkeypatch.setattr(runner, "SILENCE_LIMIT", timedelta(0))
    vendor = Twilio(pace=VendorClock(scale=0))
    async with vendor.serving(), hall_of(vendor, tmp_path) as stream_processes:
        vendor.call(receiver.url)
        yield stream_processes


async def take_in(stream_processes: StreamProcesses, receiver: Receiver) -> None:
    """What was told by webhook, as an edge takes it."""
    await stream_processes.vendor.settled()
    for each in receiver.requests:
        query = dict(pair.split("=") for pair in urlsplit(each.url).query.split("&") if pair)
        headers = {name.lower(): value for name, value in each.headers.items()}
        request = RawRequest(each.method, each.url, headers, query, each.body)
        await stream_processes.accept(
            stream_processes.account, parse_webhook(stream_processes.channel, request, stream_processes.account)
        )
    receiver.requests.clear()


async def test_messages_from_an_outage_are_backfilled_once_beside_those_received(
    stream_processes: StreamProcesses, receiver: Receiver
) -> None:
    """A message that came by webhook is the same one in the list, though the list names no user id."""
    await stream_processes.vendor.say("anna", "before")
    await take_in(stream_processes, receiver)
    async with stream_processes.process():
        await stream_processes.until("before")
        await stream_processes.kept()
    await stream_processes.vendor.say("anna", "meanwhile", files=[File("leaf.png", "image/png", b"leaf")])
    await stream_processes.vendor.settled()
    async with stream_processes.process():
        await stream_processes.until("before", "meanwhile")
    appended = await stream_processes.appended()
    assert Counter(message.text for _, message in appended) == {"before": 2, "meanwhile": 1}
    assert len({message.contact_id for _, message in appended}) == 1
    (file,) = appended[-1][1].files
    assert file.type == "image/png"


async def test_a_manual_answer_is_backfilled_with_its_question_and_nothing_else_outbound(
    stream_processes: StreamProcesses, receiver: Receiver
) -> None:
    """Nor what was sent to somebody who had not asked, before the question, or in vain."""
    vendor = stream_processes.vendor
    assert isinstance(vendor, Twilio)
    async with stream_processes.process():
        await stream_processes.kept()
    vendor.answered_by_hand("anna", "your parcel is on its way")
    vendor.answered_by_hand("bob", "your parcel too")
    await vendor.say("anna", "where is it?")
    failed = vendor.answered_by_hand("anna", "never seen")
    vendor.records[failed].reach("failed", 63016)
    vendor.pace.forward(1)
    vendor.answered_by_hand("anna", "next door")
    await vendor.settled()
    async with stream_processes.process():
        await stream_processes.until("where is it?", "next door")
    told = {message.text: message for _, message in await stream_processes.appended()}
    asked, answer = told["where is it?"], told["next door"]
    assert (asked.author.kind, asked.backfilled, asked.shown) == ("contact", True, False)
    assert (answer.author.kind, answer.shown, answer.contact_id) == ("person", True, asked.contact_id)
    assert [message.text for _, message in await stream_processes.appended()][-1] == "next door"
