"""The export of one contact: everything that any place holds about them, and nothing about anybody else."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from gateway.http.app import build_app, run_server
from gateway.wiring.process_services import ProcessServices
from schemas import ids, topics
from schemas.audit.trail import AuditTrail
from schemas.conversation import Origin
from schemas.messages import Address
from tests.contracts.bus.engines import open_kafka
from tests.contracts.state.engines import server_state
from tests.contracts.state.sample_contact import TENANT, SampleContact
from tests.unit.gateway.conftest import TEXT, Instance, run_instance

CONFIG = TEXT.replace(
    "channels: {web: {main: {}}}",
    "channels: {web: {main: {}}, slack: {main: {mode: http, bot_token: xoxb-1, signing_secret: s}}}\n"
    "    desk: {channel: C0123456789}",
    1,
)
PLACES = {
    "address": {("contact", "state"), ("address", "state"), ("contact.snapshot", "parley.state")},
    "name": {("contact", "state"), ("contact.snapshot", "parley.state"), ("message.received", "parley.inbound.web")},
    "message": {("message", "state"), ("message.received", "parley.inbound.web")},
    "quote": {("message", "state"), ("message.received", "parley.inbound.web")},
    "location": {("message", "state"), ("message.received", "parley.inbound.web")},
    "shared": {("message", "state"), ("message.received", "parley.inbound.web")},
    "file": {("file", "files")},
    "filename": {("file", "files"), ("message", "state"), ("files.stored", "parley.events")},
    "speech": {("files.stored", "parley.events")},
    "upload": {("file", "files")},
    "edit": {("message.edited", "parley.inbound.web")},
    "reaction": {("reaction.changed", "parley.inbound.web")},
    "vendor": {("contact.changed", "parley.inbound.web")},
    "reply": {
        *(("message", "state"), ("turn", "state"), ("message.send", "parley.outbound.web")),
        *(("turn.completed", "parley.events"), ("turn.recorded", "parley.events")),
    },
    "comment": {("feedback.given", "parley.events")},
    "delivery": {("delivery.recorded", "parley.events")},
    "receipt": {("receipt.recorded", "parley.inbound.web")},
    "argument": {("action.intended", "parley.events")},
    "result": {("action.settled", "parley.events")},
    "approval": {("approval.requested", "parley.events")},
    "draft": {("draft.made", "parley.outbound.slack"), ("draft.settled", "parley.events")},
    "sent": {("draft.settled", "parley.events")},
    "note": {("desk.acted", "parley.outbound.slack")},
    "resolution": {("handoff.resolved", "parley.inbound.web")},
    "rating": {("rating.given", "parley.events")},
    "deadletter": {("deadletter", "state"), ("deadletter.recorded", "parley.deadletter")},
    "failure": {("deadletter", "state"), ("deadletter.recorded", "parley.deadletter")},
    "parked": {("parked", "state")},
    "summary": {("conversation", "state"), ("conversation.snapshot", "parley.state")},
    "outbox": {("message.send", "outbox")},
    "audit": {("audit", "parley.audit")},
}
"""Where each secret word has to be found, as kinds and sources of lines."""


@pytest.fixture(params=["embedded", pytest.param("scaled", marks=pytest.mark.scaled)])
async def services(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ProcessServices]:
    """The services of an edge, on either pair of engines."""
    async with run_instance(tmp_path, CONFIG) as instance:
        if request.param == "embedded":
            yield instance.services
            return
        bootstrap, prefix = request.getfixturevalue("kafka_bootstrap"), request.getfixturevalue("topic_prefix")
        url = request.getfixturevalue("redis_url")
        async with open_kafka(bootstrap, prefix)() as bus, server_state(url) as state:
            await bus.create_topics(topics.topic_specs(["web", "slack"], partitions=3, small=3))
            audit = AuditTrail(bus=bus, state=state, clock=instance.clock)
            yield replace(instance.services, bus=bus, state=state, audit=audit)


async def export(services: ProcessServices, contact: str) -> list[Any]:
    """The lines of an export over the API."""
    async with run_server(build_app(services), "127.0.0.1", 0) as port, aiohttp.ClientSession() as http:
        edge = Instance(services, http, f"http://127.0.0.1:{port}", services.clock)  # type: ignore[arg-type]
        answer = await edge.admin("GET", f"/contacts/{contact}/export")
    assert answer.status == 200, answer.body
    assert answer.headers["Content-Type"].partition(";")[0] == "application/x-ndjson"
    lines = [orjson.loads(line) for line in answer.body.splitlines()]
    assert lines[-1] == {"kind": "end", "source": "export", "data": {"lines": len(lines)}}
    return lines


def read_text(line: Any) -> str:
    """All that a person can read in a line, also in the file that it holds."""
    text = orjson.dumps(line).decode()
    return text + base64.b64decode(line["data"]["base64"]).decode() if line["kind"] == "file" else text


def find_places(lines: list[Any], word: str) -> set[tuple[str, str]]:
    return {(line["kind"], line["source"].partition("/")[0]) for line in lines if word in read_text(line)}


async def test_an_export_has_what_every_place_holds_and_nothing_of_another_contact(services: ProcessServices) -> None:
    ada, eve = SampleContact(services, "kestrel"), SampleContact(services, "osprey")
    for contact in (ada, eve):
        await contact.plant()
    assert ada.words.keys() == PLACES.keys()
    for contact, other in ((ada, eve), (eve, ada)):
        lines = await export(services, contact.contact)
        for where, word in contact.words.items():
            assert find_places(lines, word) >= PLACES[where], where
        everything = "\n".join(map(read_text, lines))
        assert other.name not in everything
        assert other.contact not in everything
        assert other.conversation not in everything
        (first, *_) = lines
        assert (first["kind"], first["data"]["id"]) == ("contact", contact.contact)


async def test_an_export_is_in_the_audit_trail_and_in_itself(services: ProcessServices) -> None:
    ada = SampleContact(services, "kestrel")
    await ada.arrive()
    lines = await export(services, ada.contact)
    (record,) = [line["data"] for line in lines if line["kind"] == "audit"]
    assert (record["action"], record["subject"], record["actor"]) == ("contact.export", ada.subject, "admin")


async def test_a_contact_that_was_merged_is_exported_with_all_of_its_conversations(services: ProcessServices) -> None:
    ada, later = SampleContact(services, "kestrel"), SampleContact(services, "merlin")
    await ada.plant()
    await later.plant()
    both = [Address(channel="web", value=each.place, assurance="verified") for each in (ada, later)]
    contact, _ = await services.state.contacts.resolve(TENANT, "web", "main", ada.place, both, now=ada.now)
    for id_ in (ada.contact, later.contact):
        lines = await export(services, id_)
        assert lines[0]["data"]["id"] == contact.id
        assert lines[0]["data"]["ids"] == sorted({ada.contact, later.contact})
        for each in (ada, later):
            for where, word in each.words.items():
                if where not in ("name", "address"):
                    assert find_places(lines, word) >= PLACES[where], where
            assert find_places(lines, each.words["address"]) >= PLACES["address"]


async def open_room(services: ProcessServices, *people: str) -> list[SampleContact]:
    """People in a thread; the first one began it."""
    room = "T1:C1:1.0"
    guests = [SampleContact(services, name, channel="slack") for name in people]
    conversation = ids.conversation_id(TENANT, "slack", "main", room)
    for guest in guests:
        await guest.arrive(place=room, addresses=[Address(channel="slack", value=f"T1:{guest.name}")])
        assert guest.conversation == conversation
    first = guests[0]
    origin = Origin(tenant=TENANT, channel="slack", account="main", place=room, contact_id=first.contact)
    await services.state.conversations.open(conversation, origin, now=first.now)
    return guests


async def test_of_a_thread_with_several_people_each_gets_their_own_part(services: ProcessServices) -> None:
    guests = await open_room(services, "kestrel", "osprey")
    for guest in guests:
        asked = await guest.write(guest.word("message"))
        reply = await guest.answer([asked], guest.word("reply"))
        await guest.plant_changes(asked)
        await guest.plant_actions()
        await guest.plant_failures()
        assert reply.contact_id == guest.contact
    for guest, other in (guests, guests[::-1]):
        lines = await export(services, guest.contact)
        for where, word in guest.words.items():
            assert find_places(lines, word), where
        for where, word in other.words.items():
            assert not find_places(lines, word), where


async def test_a_message_that_no_worker_has_seen_is_exported(services: ProcessServices) -> None:
    """The edge has accepted it; nothing but the log knows its conversation."""
    ada = SampleContact(services, "kestrel")
    await ada.arrive()
    unknown = ids.conversation_id(TENANT, "web", "main", "elsewhere")
    await ada.write(ada.word("message"), conversation=unknown)
    assert ("message.received", "parley.inbound.web") in find_places(
        await export(services, ada.contact), ada.words["message"]
    )


async def test_a_long_conversation_and_a_large_file_are_exported_whole(services: ProcessServices) -> None:
    ada = SampleContact(services, "kestrel")
    await ada.arrive()
    count = 450
    said = [await ada.write(f"{ada.word('message')} number {number:03}") for number in range(count)]
    content = b"0123456789abcdef" * 64 * 1024
    stored = await services.blobs.put(TENANT, "large.txt", "text/plain", content, conversation=ada.conversation)
    await services.state.transcript.attach(ada.conversation, said[0], [stored])
    lines = await export(services, ada.contact)
    shown = [line["data"]["text"] for line in lines if (line["kind"], line["source"]) == ("message", "state")]
    assert shown == [f"{ada.words['message']} number {number:03}" for number in range(count)]
    (file,) = [line["data"] for line in lines if line["kind"] == "file"]
    assert base64.b64decode(file["base64"]) == content
    assert (file["name"], file["size"]) == ("large.txt", len(content))


async def test_exports_wait_for_each_other(services: ProcessServices) -> None:
    ada = SampleContact(services, "kestrel")
    await ada.plant()
    first, second = await asyncio.gather(export(services, ada.contact), export(services, ada.contact))
    assert abs(len(first) - len(second)) <= 1, "the later one holds the audit record of the other"
