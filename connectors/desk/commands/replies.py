"""What people write in a thread: whether the contact gets it is decided here, and once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import structlog

from connectors.desk.commands.held_replies import Fate, fate, following, is_note, is_public
from connectors.desk.commands.reply_files import Enclosures
from connectors.desk.commands.undo_window import Held, Holding, woken
from connectors.desk.events import recorded, wrapped
from connectors.desk.rules import DeskRules
from connectors.slack.desk.web_api import WebApi
from schemas import ids, topics
from schemas.conversation import Conversation, Delivered
from schemas.desk import DeskActed
from schemas.handoff.rules import PEOPLE, holder_name, is_held_by
from schemas.messages import Author, InboundMessage
from schemas.ports import Account, Batch, Bus, Clock, State

log = structlog.get_logger("parley.desk")
AccountOf = Callable[[str, str, str], Account | None]
LATE = 10.0
"""Seconds for which the words that a reply had when it was decided are waited for, after a crash."""


def line_id(reply: str) -> str:
    """The line of the transcript that a person's reply becomes."""
    return ids.derived_id(reply, "outbound")


class Replies:
    """The outcome under a reply's id says what was decided: ``sent`` to the contact, ``expired`` where it was undone,
    deleted or made a note before, ``stale_owner`` where its author did not hold the conversation, ``failed`` where
    there was nothing left to send. It is on record before anything is appended, so redelivery decides nothing anew."""

    def __init__(
        self,
        *,
        rules: Mapping[str, DeskRules],
        slack: WebApi,
        holding: Holding,
        enclosures: Enclosures,
        bus: Bus,
        state: State,
        clock: Clock,
    ) -> None:
        self._rules = rules
        self._slack = slack
        self._holding = holding
        self._enclosures = enclosures
        self._bus = bus
        self._conversations = state.conversations
        self._deliveries = state.deliveries
        self._clock = clock

    async def reply(self, found: Conversation, acted: DeskActed, account: Account, batch: Batch, record: str) -> None:
        """``record``: the id of the event that told of it. Raises Unavailable, and what the ports raise; repeating it
        is safe."""
        told = await self._deliveries.outcome(found.id, acted.id)
        if told is None:
            told = await self._decided(found, acted, account, batch, record)
        if told.state == "sent" and await self._deliveries.outcome(found.id, _released(acted)) is None:
            epoch, revision = (int(part) for part in told.reason.split(":"))
            text = await self._words(acted, revision, batch, record)
            await self._release(found, acted.model_copy(update={"text": text}), told, epoch)

    async def _decided(
        self, found: Conversation, acted: DeskActed, account: Account, batch: Batch, record: str
    ) -> Delivered:
        now = await self._now(found)
        if not is_public(now, acted):
            return await self._internal(now, acted, account)
        seconds = self._rules[found.origin.tenant].undo_seconds
        held = Held(now, acted, record, account, seconds)
        fate = await self._holding.wait(held, batch)
        if fate.kept:
            return await self._record(now, acted, "expired", fate.kept)
        now = await self._now(found)
        if not is_public(now, acted):
            return await self._internal(now, acted, account)
        return await self._public(now, acted, account, fate)

    async def _public(self, now: Conversation, acted: DeskActed, account: Account, fate: Fate) -> Delivered:
        if acted.files or acted.fields.get("missing"):
            stored, problems = await self._enclosures.of(now, acted)
            for problem in problems:
                await self._slack.whisper(account, acted.place, acted.by, problem)
            if not stored and not fate.text.strip():
                return await self._record(now, acted, "failed", "no_file")
        return await self._record(now, acted, "sent", f"{now.epoch}:{fate.revision}")

    async def _internal(self, now: Conversation, acted: DeskActed, account: Account) -> Delivered:
        """Told once a person and change of owner: people may talk among themselves as much as they like."""
        told = await self._record(now, acted, "stale_owner", "internal")
        if is_note(acted.text) or now.owner not in PEOPLE:
            return told
        once = ids.derived_id(now.id, f"desk-told:{acted.by}", now.epoch)
        if await self._deliveries.outcome(now.id, once) is None:
            await self._deliveries.record(now.id, replace_id(told, once))
            await self._slack.whisper(account, acted.place, acted.by, _stays(now, acted))
        return told

    # ── on its way ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def _words(self, acted: DeskActed, revision: int, batch: Batch, record: str) -> str:
        """As they were when it was decided."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + LATE
        while True:
            if batch.arrived.is_set():
                batch.take_more()
            until_then = [act for act in following(record, batch.records) if act.revision <= revision]
            known = fate(acted, until_then)
            if known.revision >= revision or loop.time() >= ends:
                return known.text
            await woken(batch, ends - loop.time())

    async def _release(self, found: Conversation, acted: DeskActed, told: Delivered, epoch: int) -> None:
        stored, _ = await self._enclosures.of(found, acted) if acted.files else ([], [])
        now, origin = self._clock(), found.origin
        shown = Delivered(
            message_id=ids.derived_id(line_id(acted.id), "desk"),
            state="sent",
            external_id=acted.external_id,
            at=told.at,
        )
        # First: the line is never to be shown in the thread where it was written.
        where = (origin.tenant, topics.DESK, acted.account, acted.external_id)
        await self._deliveries.record(found.id, shown)
        await self._deliveries.bind(*where, found.id, shown.message_id)
        said = InboundMessage(
            id=acted.id,
            external_id=acted.external_id,
            place=origin.place,
            contact_id=origin.contact_id,
            author=Author(kind="person", name=acted.name),
            text=acted.text,
            attachments=stored,
            epoch=epoch,
            sent_at=acted.at,
        )
        events = [recorded(found, acted, each) for each in (told, shown)]
        await self._bus.append([*events, wrapped(found, topics.MESSAGE_RECEIVED, said, acted.id, now, acted.id)])
        await self._deliveries.record(found.id, replace_id(told, _released(acted)))
        log.info("desk_reply_released", conversation_id=found.id, reply=acted.id)

    async def _now(self, found: Conversation) -> Conversation:
        return await self._conversations.get(found.id) or found

    async def _record(self, found: Conversation, acted: DeskActed, state: str, reason: str) -> Delivered:
        told = Delivered.model_validate({"message_id": acted.id, "state": state, "reason": reason, "at": self._clock()})
        await self._deliveries.record(found.id, told)
        return told


def _released(reply: DeskActed) -> str:
    """The record that a reply is on the log: it need not be put there again."""
    return ids.derived_id(reply.id, "released")


def replace_id(told: Delivered, message_id: str) -> Delivered:
    return told.model_copy(update={"message_id": message_id})


def _stays(found: Conversation, acted: DeskActed) -> str:
    if found.owner == "queue":
        return "Nobody holds this conversation, so what is written here stays here. Claim it to answer the customer."
    if is_held_by(found, acted.by):
        return "You wrote this before the conversation was yours, so it stays here."
    return f"{holder_name(found)} holds this conversation: what you write here stays here."
