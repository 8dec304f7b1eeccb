"""Conversations as the worker and the connectors leave them, with everything that can stand in one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from schemas.actions import ActionMemory, PendingApproval
from schemas.conversation import ActionRecord, CitedPassage, Conversation, Facts, Origin, Turn
from schemas.desk import Handoff
from schemas.messages import Address, Attachment, Author, Choice, Citation, TranscriptMessage
from schemas.ports import ContactUpdate
from tests.unit.gateway.conftest import Instance

QUESTION, ANSWER = "Do you add a heat pack in winter?", "Yes, in winter we add one for **4.50 euro** [1]."


async def begin_conversation(
    instance: Instance, place: str, *, name: str = "", facts: Facts | None = None
) -> Conversation:
    state, now = instance.services.state, instance.clock()
    addresses = [Address(channel="web", value=place)]
    contact, id_ = await state.contacts.resolve("shop", "web", "main", place, addresses, now=now)
    if name:
        change = ContactUpdate(at=now, name=name)
        await state.contacts.resolve("shop", "web", "main", place, addresses, now=now, change=change)
    origin = Origin(tenant="shop", channel="web", account="main", place=place, contact_id=contact.id)
    started = await state.conversations.begin(id_, origin, [f"event-{place}"], now=now)
    if facts is not None:
        found = started.conversation
        await state.conversations.commit(
            id_,
            token=started.token,
            version=found.version,
            epoch=found.epoch,
            facts=facts,
            handled=[],
            outbox=[],
            now=now,
        )
    fresh = await state.conversations.get(id_)
    assert fresh is not None
    return fresh


async def add_message(
    instance: Instance, conversation: str, id_: str, text: str, kind: str = "contact", **more: Any
) -> None:
    author = Author.model_validate({"kind": kind, "name": more.pop("name", "")})
    line = TranscriptMessage(id=id_, author=author, text=text, created_at=instance.clock(), **more)
    await instance.services.state.transcript.add(conversation, line)


async def queue_conversation(instance: Instance, conversation: str, epoch: int = 0) -> None:
    await instance.services.state.conversations.own(
        conversation,
        "queue",
        expected_epoch=epoch,
        request_id=f"queue-{conversation}-{epoch}",
        by="agent",
        reason="the contact asked for a person",
        now=instance.clock(),
    )


async def fill_conversation(
    instance: Instance,
    place: str = "visitor-1",
    *,
    name: str = "Ann",
    hostile: str = "",
    approval: Mapping[str, Any] = MappingProxyType({}),
) -> Conversation:
    """All that may stand in one; ``hostile`` stands wherever anybody outside can write. ``approval``: more fields of
    the action that waits."""
    now = instance.clock()
    waiting = PendingApproval(
        id="approval-1",
        action="refund_order",
        arguments={"order": f"NP-1 {hostile}"},
        contact_id="contact-1",
        digest="digest-1",
        requested_at=now,
        expires_at=now + timedelta(hours=1),
        reason=f"above the limit {hostile}",
        **approval,
    )
    handoff = Handoff(
        number=1,
        reason=f"asked for a person {hostile}",
        summary=[f"Wants a heat pack {hostile}"],
        promised=[f"A refund {hostile}"],
        opened_at=now,
    )
    facts = Facts(locale="en", heard_at=now, handoff=handoff, actions=ActionMemory(approvals=[waiting]))
    found = await begin_conversation(instance, place, name=name, facts=facts)
    stored = await instance.services.blobs.put("shop", f"order {hostile}.txt", "text/plain", b"an order")
    gone = Attachment(id="", name=f"voice {hostile}", type="audio/ogg", size=9, missing="too large")
    cut = Attachment(id="", name="message.txt", type="text/plain", size=9, missing="gone", full_text=True)
    await add_message(
        instance, found.id, "in-1", f"{QUESTION} {hostile}", attachments=[stored, gone, cut], state="answered"
    )
    cited = Citation(
        n=1,
        document=f"shipping {hostile}",
        title=f"Shipping {hostile}",
        heading=f"Winter {hostile}",
        url=f"javascript:x {hostile}" if hostile else "https://shop.example/shipping",
        version=3,
        quote=f"In winter we add a heat pack. {hostile}",
    )
    await add_message(
        instance,
        found.id,
        "out-1",
        f"{ANSWER} {hostile}",
        "agent",
        name=f"Pitcher {hostile}",
        citations=[cited],
        choices=[Choice(id="yes", label=f"Yes please {hostile}")],
        turn_id="turn-1",
        state="delivered",
    )
    await add_message(
        instance, found.id, "out-2", f"A colleague here. {hostile}", "person", name=hostile, state="failed"
    )
    await add_message(instance, found.id, "out-3", "A colleague will take over.", "system", state="dropped")
    turn = Turn(
        id="turn-1",
        handled=["in-1"],
        route="strong",
        outcome="answer",
        intent=f"delivery {hostile}",
        scores={"hard": 0.7},
        reasons=[f"two questions at once {hostile}"],
        confidence=0.83,
        model="remote",
        tokens=412,
        cost=0.0123,
        stages={"retrieve": 3.5},
        passages=[CitedPassage(document=f"shipping {hostile}", heading="Winter", score=0.91, cited=True)],
        actions=[
            ActionRecord(
                name="look_up_order",
                arguments={"order": f"NP-1 {hostile}"},
                outcome="failed",
                reason=f"no such order {hostile}",
                key="key-1",
            )
        ],
        at=now,
    )
    await instance.services.state.turns.add(found.id, turn)
    await queue_conversation(instance, found.id)
    fresh = await instance.services.state.conversations.get(found.id)
    assert fresh is not None
    return fresh
