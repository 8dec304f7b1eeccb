"""Replies that people write in a thread: the decision, made once, whether the contact gets a reply."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog

from connectors.desk.client import DeskClient
from connectors.desk.commands.pending_replies import PendingReply, is_note, is_public, judge_reply, list_later_commands
from connectors.desk.commands.reply_files import ReplyFiles
from connectors.desk.commands.undo_window import UndoWindow, WaitingReply, wait_for_more
from connectors.desk.events import build_outcome_event, build_reply_event
from connectors.desk.rules import TenantDeskRules
from schemas import ids
from schemas.conversation import Conversation, DeliveryOutcome
from schemas.desk import DeskCommand
from schemas.handoff.rules import PEOPLE, holder_name, is_held_by
from schemas.ports import Account, Batch, Bus, Clock, State

log = structlog.get_logger("parley.desk")
EDIT_TIMEOUT = 10.0
"""Seconds to wait, after a crash, for the edit whose text was decided to be sent."""


def line_id(reply: str) -> str:
    """Return the id of the transcript line of a person's reply."""
    return ids.derived_id(reply, "outbound")


class Replies:
    """Handles replies. The outcome recorded under a reply's id is the decision: ``sent`` to the contact, ``expired`` if
    it was undone, deleted or made a note, ``stale_owner`` if its author did not hold the conversation, ``failed`` if
    nothing was left to send. It is recorded before anything is appended, so that a redelivery repeats the same
    decision."""

    def __init__(
        self,
        *,
        rules: Mapping[str, TenantDeskRules],
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

    async def handle_reply(
        self, conversation: Conversation, command: DeskCommand, account: Account, batch: Batch, record: str
    ) -> None:
        """Decide a reply, and send it. ``record``: the id of the event that brought it. Raises Unavailable, and the
        errors of the ports; repeating it is safe."""
        outcome = await self._deliveries.outcome(conversation.id, command.id)
        if outcome is None:
            outcome = await self._decide(conversation, command, account, batch, record)
        if outcome.state == "sent" and await self._deliveries.outcome(conversation.id, _release_id(command)) is None:
            epoch, revision = (int(part) for part in outcome.reason.split(":"))
            text = await self._decided_text(command, revision, batch, record)
            await self._release(conversation, command.model_copy(update={"text": text}), outcome, epoch)

    async def _decide(
        self, conversation: Conversation, command: DeskCommand, account: Account, batch: Batch, record: str
    ) -> DeliveryOutcome:
        current = await self._reload(conversation)
        if not is_public(current, command):
            return await self._keep_internal(current, command, account)
        seconds = self._rules[conversation.origin.tenant].undo_seconds
        pending = await self._undo_window.wait(WaitingReply(current, command, record, account, seconds), batch)
        if pending.withheld_reason:
            return await self._record(current, command, "expired", pending.withheld_reason)
        current = await self._reload(conversation)
        if not is_public(current, command):
            return await self._keep_internal(current, command, account)
        return await self._accept(current, command, account, pending)

    async def _accept(
        self, conversation: Conversation, command: DeskCommand, account: Account, pending: PendingReply
    ) -> DeliveryOutcome:
        if command.files or command.fields.get("missing"):
            stored, problems = await self._files.fetch(conversation, command)
            for problem in problems:
                await self._client.whisper(account, command.place, command.by, problem)
            if not stored and not pending.text.strip():
                return await self._record(conversation, command, "failed", "no_file")
        return await self._record(conversation, command, "sent", f"{conversation.epoch}:{pending.revision}")

    async def _keep_internal(
        self, conversation: Conversation, command: DeskCommand, account: Account
    ) -> DeliveryOutcome:
        """Record that the reply stays at the desk. Its author is informed once per change of owner, because people may
        also just talk among themselves."""
        outcome = await self._record(conversation, command, "stale_owner", "internal")
        if is_note(command.text) or conversation.owner not in PEOPLE:
            return outcome
        notice_id = ids.derived_id(conversation.id, f"desk-told:{command.by}", conversation.epoch)
        if await self._deliveries.outcome(conversation.id, notice_id) is None:
            await self._deliveries.record(conversation.id, _with_id(outcome, notice_id))
            await self._client.whisper(account, command.place, command.by, _explain_internal(conversation, command))
        return outcome

    # ── sending ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _decided_text(self, command: DeskCommand, revision: int, batch: Batch, record: str) -> str:
        """Return the text of the revision that was decided to be sent."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + EDIT_TIMEOUT
        while True:
            if batch.arrived.is_set():
                batch.take_more()
            earlier = [act for act in list_later_commands(record, batch.records) if act.revision <= revision]
            pending = judge_reply(command, earlier)
            if pending.revision >= revision or loop.time() >= deadline:
                return pending.text
            await wait_for_more(batch, deadline - loop.time())

    async def _release(
        self, conversation: Conversation, command: DeskCommand, outcome: DeliveryOutcome, epoch: int
    ) -> None:
        stored, _ = await self._files.fetch(conversation, command) if command.files else ([], [])
        now, origin = self._clock(), conversation.origin
        posted = DeliveryOutcome(
            message_id=ids.derived_id(line_id(command.id), "desk"),
            state="sent",
            external_id=command.external_id,
            at=outcome.at,
        )
        # Recorded first, so that the line is never posted again in the thread where it was written.
        message_ref = (origin.tenant, command.desk, command.account, command.external_id)
        await self._deliveries.record(conversation.id, posted)
        await self._deliveries.bind(*message_ref, conversation.id, posted.message_id)
        events = [build_outcome_event(conversation, command, each) for each in (outcome, posted)]
        await self._bus.append([*events, build_reply_event(conversation, command, epoch, stored, now)])
        await self._deliveries.record(conversation.id, _with_id(outcome, _release_id(command)))
        log.info("desk_reply_released", conversation_id=conversation.id, reply=command.id)

    async def _reload(self, conversation: Conversation) -> Conversation:
        return await self._conversations.get(conversation.id) or conversation

    async def _record(
        self, conversation: Conversation, command: DeskCommand, state: str, reason: str
    ) -> DeliveryOutcome:
        outcome = {"message_id": command.id, "state": state, "reason": reason, "at": self._clock()}
        delivered = DeliveryOutcome.model_validate(outcome)
        await self._deliveries.record(conversation.id, delivered)
        return delivered


def _release_id(reply: DeskCommand) -> str:
    """Return the id of the record that the reply was appended to the log."""
    return ids.derived_id(reply.id, "released")


def _with_id(outcome: DeliveryOutcome, message_id: str) -> DeliveryOutcome:
    return outcome.model_copy(update={"message_id": message_id})


def _explain_internal(conversation: Conversation, command: DeskCommand) -> str:
    if conversation.owner == "queue":
        return "Nobody holds this conversation, so this message stays internal. Claim it to answer the customer."
    if is_held_by(conversation, command.by):
        return "You wrote this before you held the conversation, so it stays internal."
    return f"{holder_name(conversation)} holds this conversation, so what you write here stays internal."
