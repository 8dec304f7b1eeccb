"""Erasing a contact over the admin API: what is deleted, what stays, what the proof says, and what goes on after a
kill."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.contacts.erasure import ContactErasureService
from gateway.contacts.erasure_records import read_proof
from schemas import ids, topics
from schemas.actions import ActionMemory, EntityMentions
from schemas.conversation import Contact, DeadLetter, Facts, Turn
from schemas.envelope import envelope
from schemas.errors import InvalidRequest, NotFound
from schemas.key_ring import KeyRing
from schemas.messages import Author, InboundMessage, OutboundMessage, TranscriptMessage
from schemas.ports import Record
from schemas.privacy.key_service import CACHE_LIFETIME
from tests.unit.gateway.conftest import Instance
from tests.unit.gateway.test_access_tokens import create_token
from tests.unit.gateway.test_admin_contacts import find, meet

CANARY = "canary 4711"


async def speak(instance: Instance, contact: Contact, place: str, text: str = CANARY) -> str:
    """The contact writes, with a file; one record is parked, another is a dead letter. Returns the conversation."""
    services, now = instance.services, instance.clock()
    conversation = ids.conversation_id("shop", "web", "main", place)
    said = InboundMessage(id=f"m-{place}", external_id="x", place=place, contact_id=contact.id, text=text, sent_at=now)
    event = envelope(
        topics.MESSAGE_RECEIVED,
        said,
        id=f"e-{place}",
        time=now,
        source="test",
        tenant="shop",
        channel="web",
        conversation=conversation,
    )
    await services.bus.append([event])
    file = await services.blobs.put("shop", "leaf.txt", "text/plain", text.encode(), conversation=conversation)
    line = TranscriptMessage(id=said.id, author=Author(kind="contact"), text=text, created_at=now, attachments=[file])
    await services.state.transcript.add(conversation, line)
    record = Record("parley.inbound.web", 0, 7, conversation, 0, dict(event.headers()), event.data)
    group = topics.worker_group("web")
    await services.state.parking.park(group, conversation, [record], until=now + timedelta(days=1))
    await services.state.dead_letters.add(_letter(conversation, now))
    return conversation


def _letter(conversation: str, now: datetime) -> DeadLetter:
    return DeadLetter(
        id=f"letter-{conversation}",
        code="handler_failed",
        reason=CANARY,
        attempts=5,
        topic="parley.inbound.web",
        partition=0,
        offset=3,
        tenant="shop",
        channel="web",
        conversation_id=conversation,
        headers={},
        value="AP8=",
        first_at=now,
        last_at=now,
    )


async def begin_erasure(instance: Instance, contact: Contact) -> str:
    answer = await instance.admin("DELETE", f"/contacts/{contact.id}")
    assert answer.status == 202, answer.body
    return str(answer.body["erasure_id"])


async def read(instance: Instance, erasure: str) -> dict[str, Any]:
    answer = await instance.admin("GET", f"/erasures/{erasure}")
    assert answer.status == 200, answer.body
    body: dict[str, Any] = answer.body
    return body


async def finish(instance: Instance) -> None:
    """Sweep as a worker does, until no process can remember a key any more."""
    service = ContactErasureService(instance.services)
    await service.sweep()
    instance.clock.tick(CACHE_LIFETIME.total_seconds())
    await service.sweep()


async def read_log(instance: Instance) -> list[Record]:
    return [record async for record in await instance.services.bus.read(topics.inbound("web"))]


async def test_an_erased_contact_is_gone_everywhere_and_the_others_stay(instance: Instance) -> None:
    ada, adam = await meet(instance, "Ada", "v-1"), await meet(instance, "Adam", "v-2")
    gone, kept = await speak(instance, ada, "v-1"), await speak(instance, adam, "v-2", "hello")
    erasure = await begin_erasure(instance, ada)
    await finish(instance)
    state, group = instance.services.state, topics.worker_group("web")
    assert [item["name"] for item in await find(instance)] == ["Adam"]
    assert await state.conversations.get(gone) is None
    assert await state.transcript.read(gone) == []
    assert await state.parking.read(group, gone, limit=9) == []
    assert [record.key for record in await read_log(instance)] == [kept]
    assert [line.text for line in await state.transcript.read(kept)] == ["hello"]
    assert len(await state.parking.read(group, kept, limit=9)) == 1
    letters, _ = await state.dead_letters.list_page("shop")
    assert [letter.conversation_id for letter in letters] == [kept]
    (line,) = await state.transcript.read(kept)
    assert (await instance.services.blobs.get("shop", line.attachments[0].id))[1] == b"hello"
    stores = (await read(instance, erasure))["stores"]
    assert stores == stores | {
        "keys": 1,
        "contacts": 1,
        "addresses": 1,
        "conversations": 1,
        "messages": 1,
        "files": 1,
        "parked": 1,
        "dead_letters": 1,
        "log_records_from_before_encryption": 0,
    }


async def test_the_proof_is_signed_and_names_stores_numbers_and_times(instance: Instance) -> None:
    ada = await meet(instance, "Ada", "v-1")
    await speak(instance, ada, "v-1")
    erasure = await begin_erasure(instance, ada)
    assert (await read(instance, erasure))["proof"] == ""
    await finish(instance)
    done, key = await read(instance, erasure), instance.services.secret_key
    assert done["state"] == "done"
    proven = read_proof(done["proof"] + "\n", key)
    assert (proven.contact_id, proven.stores, proven.requested_by) == (ada.id, done["stores"], "admin")
    body, _, signature = done["proof"].partition(".")
    proof = json.loads(base64.urlsafe_b64decode(body))
    assert datetime.fromisoformat(proof["done_at"]) - datetime.fromisoformat(proof["requested_at"]) == CACHE_LIFETIME
    proof["stores"]["messages"] = 0
    forged = base64.urlsafe_b64encode(json.dumps(proof).encode()).decode()
    for wrong in (f"{forged}.{signature}", body, "", "é.ü"):
        with pytest.raises(InvalidRequest):
            read_proof(wrong, key)
    with pytest.raises(InvalidRequest):
        read_proof(done["proof"], KeyRing("another key, which is long enough for one"))


async def test_state_is_kept_until_no_process_remembers_the_key(instance: Instance) -> None:
    ada = await meet(instance, "Ada", "v-1")
    conversation = await speak(instance, ada, "v-1")
    erasure = await begin_erasure(instance, ada)
    await ContactErasureService(instance.services).sweep()
    assert await read_log(instance) == [], "the log forgets at once"
    assert (await read(instance, erasure))["state"] == "running"
    assert await instance.services.state.conversations.get(conversation) is not None


async def test_an_erasure_that_was_interrupted_goes_on_in_another_process(instance: Instance) -> None:
    ada = await meet(instance, "Ada", "v-1")
    conversation = await speak(instance, ada, "v-1")
    erasure = await begin_erasure(instance, ada)
    await ContactErasureService(instance.services).sweep()
    instance.clock.tick(CACHE_LIFETIME.total_seconds())
    broken = replace(instance.services, blobs=_BrokenBlobs())  # type: ignore[arg-type]
    with pytest.raises(ConnectionError):
        await ContactErasureService(broken).sweep()
    assert (await read(instance, erasure))["state"] == "running"
    await ContactErasureService(instance.services).sweep()
    assert (await read(instance, erasure))["state"] == "done"
    assert await instance.services.state.transcript.read(conversation) == []


class _BrokenBlobs:
    """A process that dies at its first file."""

    async def delete(self, tenant: str, attachment: str) -> int:
        raise ConnectionError(f"{tenant} {attachment}")


async def test_a_repeat_is_the_same_erasure_until_it_is_done(instance: Instance) -> None:
    ada = await meet(instance, "Ada", "v-1")
    first = await begin_erasure(instance, ada)
    assert await begin_erasure(instance, ada) == first
    await finish(instance)
    answer = await instance.admin("DELETE", f"/contacts/{ada.id}")
    assert (answer.status, answer.code) == (404, "not_found")
    keys = instance.services.contact_keys
    assert keys is not None
    # As the front door does before it looks up who writes; keys have the time of the machine.
    await keys.get_or_create("shop", ada.id, said_at=datetime.now(UTC))
    returned = await meet(instance, "Ada", "v-1")
    assert await begin_erasure(instance, returned) != first


async def test_what_an_earlier_release_left_readable_on_the_log_is_counted(instance: Instance) -> None:
    ada = await meet(instance, "Ada", "v-1")
    conversation = ids.conversation_id("shop", "web", "main", "v-1")
    plain = envelope(
        topics.RECEIPT_RECORDED,
        b"{}",
        id="plain",
        time=instance.clock(),
        source="test",
        tenant="shop",
        channel="web",
        conversation=conversation,
        extra={"content-type": "application/json"},
    )
    state = instance.services.state
    begun = await state.conversations.get(conversation)
    assert begun is not None
    await state.contact_erasure.erase_conversation(conversation)
    await instance.services.bus.append([plain])  # nobody knows whose it is, so it stays plain
    await state.conversations.begin(conversation, begun.origin, [], now=instance.clock())
    erasure = await begin_erasure(instance, ada)
    await finish(instance)
    assert (await read(instance, erasure))["stores"]["log_records_from_before_encryption"] == 1


async def test_erasing_needs_the_scope_admin_and_is_in_the_audit_trail(instance: Instance) -> None:
    ada = await meet(instance, "Ada", "v-1")
    token = await create_token(instance, "read", "reply")
    for method, path in (("DELETE", f"/contacts/{ada.id}"), ("GET", "/erasures/any")):
        refused = await instance.call(method, f"/v1/admin/shop{path}", token=token)
        assert (refused.status, refused.code) == (403, "forbidden")
    await begin_erasure(instance, ada)
    items = (await instance.admin("GET", "/audit?action=contact.erase")).body["items"]
    assert [(item["actor"], item["subject"]) for item in items] == [("admin", f"contact:{ada.id}")]


async def test_an_unknown_contact_or_erasure_is_not_found(instance: Instance) -> None:
    for method, path in (("DELETE", "/contacts/nobody"), ("GET", "/erasures/none")):
        answer = await instance.admin(method, path)
        assert (answer.status, answer.code) == (404, "not_found")
    with pytest.raises(NotFound):
        await ContactErasureService(instance.services).get("other", "none")


async def write_in_room(instance: Instance, contact: Contact, room: str, text: str) -> TranscriptMessage:
    """The contact writes in a conversation that somebody else began, and is answered. Returns the line."""
    services, now, id_ = instance.services, instance.clock(), f"m-{contact.id}"
    said = InboundMessage(id=id_, external_id="x", place="room", contact_id=contact.id, text=text, sent_at=now)
    event = envelope(
        topics.MESSAGE_RECEIVED,
        said,
        id=f"e-{contact.id}",
        time=now,
        source="test",
        tenant="shop",
        channel="web",
        conversation=room,
    )
    await services.bus.append([event])
    file = await services.blobs.put("shop", "leaf.txt", "text/plain", text.encode(), conversation=room)
    author = Author(kind="contact", name=contact.name)
    line = TranscriptMessage(id=id_, author=author, text=text, created_at=now, attachments=[file])
    await services.state.transcript.add(room, line)
    reply = OutboundMessage(
        id=f"r-{contact.id}",
        author=Author(kind="agent", name="Ivy"),
        text=f"about {text}",
        place="room",
        contact_id=contact.id,
        created_at=now,
        expires_at=now + timedelta(days=1),
    )
    turn = Turn(id=f"t-{contact.id}", handled=[id_], route="local", replies=[reply], at=now)
    await services.state.turns.add(room, turn)
    await services.state.transcript.add(room, TranscriptMessage.of_outbound(reply, "sent"))
    record = Record("parley.inbound.web", 0, len(text), room, 0, dict(event.headers()), event.data)
    await services.state.parking.park(topics.worker_group("web"), room, [record], until=now + timedelta(days=1))
    return line


async def test_what_somebody_wrote_in_anothers_conversation_is_emptied_and_the_rest_stays(instance: Instance) -> None:
    ada, adam = await meet(instance, "Ada", "v-1"), await meet(instance, "Adam", "v-2")
    state, room = instance.services.state, ids.conversation_id("shop", "web", "main", "v-2")
    gone, kept = await write_in_room(instance, ada, room, CANARY), await write_in_room(instance, adam, room, "hello")
    erasure = await begin_erasure(instance, ada)
    await finish(instance)
    lines = {line.id: line for line in await state.transcript.read(room)}
    assert [(lines[id_].text, lines[id_].author.name) for id_ in (gone.id, f"r-{ada.id}")] == [("", ""), ("", "Ivy")]
    assert (lines[gone.id].state, lines[gone.id].attachments) == ("deleted", [])
    assert (lines[kept.id].text, lines[f"r-{adam.id}"].text) == ("hello", "about hello")
    assert [turn.id for turn in await state.turns.list_newest(room)] == [f"t-{adam.id}"]
    parked = await state.parking.read(topics.worker_group("web"), room, limit=9)
    assert [adam.id.encode() in (record.value or b"") for record in parked] == [True]
    with pytest.raises(NotFound):
        await instance.services.blobs.get("shop", gone.attachments[0].id)
    stores = (await read(instance, erasure))["stores"]
    assert (stores["redacted_messages"], stores["turns"], stores["files"]) == (2, 1, 1)


async def test_what_a_room_remembers_of_somebodys_actions_goes_too(instance: Instance) -> None:
    ada, adam = await meet(instance, "Ada", "v-1"), await meet(instance, "Adam", "v-2")
    state, room, now = instance.services.state, ids.conversation_id("shop", "web", "main", "v-2"), instance.clock()
    await write_in_room(instance, ada, room, CANARY)
    mentions = [
        EntityMentions(parameter="order", contact_id=each.id, values=[f"of {each.name}"], at=now)
        for each in (ada, adam)
    ]
    known = await state.conversations.get(room)
    assert known is not None
    begun = await state.conversations.begin(room, known.origin, [], now=now)
    await state.conversations.commit(
        room,
        token=begun.token,
        version=begun.conversation.version,
        epoch=begun.conversation.epoch,
        facts=Facts(actions=ActionMemory(mentions=mentions)),
        handled=[],
        outbox=[],
        now=now,
    )
    await begin_erasure(instance, ada)
    await finish(instance)
    after = await state.conversations.get(room)
    assert after is not None
    assert after.facts.actions is not None
    assert [each.contact_id for each in after.facts.actions.mentions] == [adam.id]
