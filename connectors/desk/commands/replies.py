"""Replies that people write in a thread: whether the contact gets one is decided here, and once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog

from connectors.desk.client import DeskClient
from connectors.desk.commands.pending_replies import PendingReply, is_note, is_public, judge_reply, list_acts_after
from connectors.desk.commands.reply_files import ReplyFiles
from connectors.desk.commands.undo_window import UndoWindow, WaitingReply, wait_for_more
from connectors.desk.events import desk_event, outcome_event
from connectors.desk.rules import DeskRules
from schemas import ids, topics
from schemas.conversation import Conversation, DeliveryOutcome
from schemas.desk import DeskCommand
from schemas.handoff.rules import PEOPLE, holder_name, is_held_by
from schemas.messages import Author, InboundMessage
from schemas.ports import Account, Batch, Bus, Clock, State

log = structlog.get_logger("parley.desk")
LATE = 10.0
"""Seconds for which the words that a reply had when it was decided are waited for, after a crash."""


def line_id(reply: str) -> str:
    """Name the line of the transcript that a person's reply becomes."""
    return ids.derived_id(reply, "outbound")


class Replies:
    """The outcome under a reply's id says what was decided: ``sent`` to the contact, ``expired`` where it was undone,
    deleted or made a note before, ``stale_owner`` where its author did not hold the conversation, ``failed`` where
    there was nothing left to send. It is on record before anything is appended, so redelivery decides nothing anew."""

    def __init__(
        self,
        *,
        rules: Mapping[str, DeskRules],
        client: DeskClient,
        undo_window: UndoWindow,
        files: ReplyFiles,
        bus: Bus,
        state: State,
        clock: Clock,
    ) -> None:
        self._rules = rules
        self._client = client
        self._undo_window = undo_window
        self._files = files
        self._bus = bus
        self._conversations = state.conversations
        self._deliveries = state.deliveries
        self._clock = clock

    async def reply(self, found: Conversation, acted: DeskCommand, account: Account, batch: Batch, record: str) -> None:
        """``record``: the id of the event that told of it. Raises Unavailable, and what the ports raise; repeating it
        is safe."""
        outcome = await self._deliveries.outcome(found.id, acted.id)
        if outcome is None:
            outcome = await self._decide(found, acted, account, batch, record)
        if outcome.state == "sent" and await self._deliveries.outcome(found.id, _release_id(acted)) is None:
            epoch, revision = (int(part) for part in outcome.reason.split(":"))
            text = await self._decided_text(acted, revision, batch, record)
            await self._release(found, acted.model_copy(update={"text": text}), outcome, epoch)

    async def _decide(
        self, found: Conversation, acted: DeskCommand, account: Account, batch: Batch, record: str
    ) -> DeliveryOutcome:
        now = await self._reload(found)
        if not is_public(now, acted):
            return await self._keep_inside(now, acted, account)
        seconds = self._rules[found.origin.tenant].undo_seconds
        held = await self._undo_window.wait(WaitingReply(now, acted, record, account, seconds), batch)
        if held.withheld:
            return await self._record(now, acted, "expired", held.withheld)
        now = await self._reload(found)
        if not is_public(now, acted):
            return await self._keep_inside(now, acted, account)
        return await self._accept(now, acted, account, held)

    async def _accept(
        self, now: Conversation, acted: DeskCommand, account: Account, held: PendingReply
    ) -> DeliveryOutcome:
        if acted.files or acted.fields.get("missing"):
            stored, problems = await self._files.fetch(now, acted)
            for problem in problems:
                await self._client.whisper(account, acted.place, acted.by, problem)
            if not stored and not held.text.strip():
                return await self._record(now, acted, "failed", "no_file")
        return await self._record(now, acted, "sent", f"{now.epoch}:{held.revision}")

    async def _keep_inside(self, now: Conversation, acted: DeskCommand, account: Account) -> DeliveryOutcome:
        """Its author is told once per change of owner: people may talk among themselves as much as they like."""
        outcome = await self._record(now, acted, "stale_owner", "internal")
        if is_note(acted.text) or now.owner not in PEOPLE:
            return outcome
        once = ids.derived_id(now.id, f"desk-told:{acted.by}", now.epoch)
        if await self._deliveries.outcome(now.id, once) is None:
            await self._deliveries.record(now.id, _with_id(outcome, once))
            await self._client.whisper(account, acted.place, acted.by, _why_inside(now, acted))
        return outcome

    # ── on its way ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def _decided_text(self, acted: DeskCommand, revision: int, batch: Batch, record: str) -> str:
        """Its words as they were when it was decided."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + LATE
        while True:
            if batch.arrived.is_set():
                batch.take_more()
            until_then = [act for act in list_acts_after(record, batch.records) if act.revision <= revision]
            known = judge_reply(acted, until_then)
            if known.revision >= revision or loop.time() >= ends:
                return known.text
            await wait_for_more(batch, ends - loop.time())

    async def _release(self, found: Conversation, acted: DeskCommand, outcome: DeliveryOutcome, epoch: int) -> None:
        stored, _ = await self._files.fetch(found, acted) if acted.files else ([], [])
        now, origin = self._clock(), found.origin
        shown = DeliveryOutcome(
            message_id=ids.derived_id(line_id(acted.id), "desk"),
            state="sent",
            external_id=acted.external_id,
            at=outcome.at,
        )
        # First: the line is never to be shown in the thread where it was written.
        where = (origin.tenant, acted.desk, acted.account, acted.external_id)
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
        events = [outcome_event(found, acted, each) for each in (outcome, shown)]
        await self._bus.append([*events, desk_event(found, topics.MESSAGE_RECEIVED, said, acted.id, now, acted)])
        await self._deliveries.record(found.id, _with_id(outcome, _release_id(acted)))
        log.info("desk_reply_released", conversation_id=found.id, reply=acted.id)

    async def _reload(self, found: Conversation) -> Conversation:
        return await self._conversations.get(found.id) or found

    async def _record(self, found: Conversation, acted: DeskCommand, state: str, reason: str) -> DeliveryOutcome:
        outcome = {"message_id": acted.id, "state": state, "reason": reason, "at": self._clock()}
        delivered = DeliveryOutcome.model_validate(outcome)
        await self._deliveries.record(found.id, delivered)
        return delivered


def _release_id(reply: DeskCommand) -> str:
    """Name the record that a reply is on the log: it need not be put there again."""
    return ids.derived_id(reply.id, "released")


def _with_id(outcome: DeliveryOutcome, message_id: str) -> DeliveryOutcome:
    return outcome.model_copy(update={"message_id": message_id})


def _why_inside(found: Conversation, acted: DeskCommand) -> str:
    if found.owner == "queue":
        return "Nobody holds this conversation, so what is written here stays here. Claim it to answer the customer."
    if is_held_by(found, acted.by):
        return "You wrote this before the conversation was yours, so it stays here."
    return f"{holder_name(found)} holds this conversation: what you write here stays here."
