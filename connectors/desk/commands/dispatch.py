"""Dispatch of people's commands at the desk, in order, in the lane of the conversation."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog

from connectors.desk.client import DeskClient
from connectors.desk.commands.decisions import Decisions
from connectors.desk.commands.pending_replies import ENDING_KINDS
from connectors.desk.commands.replies import Replies
from connectors.desk.commands.reply_edits import ReplyEdits
from connectors.desk.commands.reply_files import ReplyFiles
from connectors.desk.commands.undo_window import Meanwhile, UndoWindow
from connectors.desk.ownership import DeskOwnership
from connectors.desk.rules import TenantDeskRules
from schemas.conversation import Conversation
from schemas.desk import DeskCommand
from schemas.ports import Account, Batch, Bus, Clock, FetchFile, State

log = structlog.get_logger("parley.desk")


class DeskCommandDispatcher:
    """Executes commands. ``rules``: by tenant. ``store`` fetches a file from the vendor of an origin and stores it.
    ``meanwhile`` runs when records arrive while a reply is held, for at most ``undo_seconds``. ``revises``: channels on
    which sent messages can be changed."""

    def __init__(
        self,
        *,
        rules: Mapping[str, TenantDeskRules],
        client: DeskClient,
        account_of: Callable[[str, str, str], Account | None],
        store: FetchFile,
        bus: Bus,
        state: State,
        clock: Clock,
        meanwhile: Meanwhile | None = None,
        revises: frozenset[str] = frozenset(),
    ) -> None:
        self._rules = rules
        self._desk = client.desk.name
        self._account_of = account_of
        self._replies = Replies(
            rules=rules,
            client=client,
            undo_window=UndoWindow(client, clock, meanwhile),
            files=ReplyFiles(store, client.desk.title),
            bus=bus,
            state=state,
            clock=clock,
        )
        self._edits = ReplyEdits(self._replies, client, bus=bus, state=state, clock=clock, revises=revises)
        self._ownership = DeskOwnership(client=client, bus=bus, state=state, clock=clock)
        self._decisions = Decisions(rules=rules, client=client, bus=bus, state=state, clock=clock)

    async def perform(self, conversation: Conversation, command: DeskCommand, batch: Batch) -> None:
        """Execute one command. While a reply is held, ``batch.records`` may grow by records that are still to be
        handled. Raises Unavailable (also when the partition moves on), BusUnavailable, StateUnavailable, StateLost;
        repeating it is safe."""
        account = self._account_of(conversation.origin.tenant, self._desk, command.account)
        if account is None or conversation.origin.tenant not in self._rules:
            log.warning("desk_unknown", tenant=conversation.origin.tenant, conversation_id=conversation.id)
            return
        if command.kind == "reply":
            await self._replies.handle_reply(conversation, command, account, batch, command.id)
        elif command.kind == "edit":
            await self._edits.edit(conversation, command, account, batch)
        elif command.kind in ENDING_KINDS:
            await self._ownership.end(conversation, command, account)
        else:
            await self._perform_other(conversation, command, account)

    async def _perform_other(self, conversation: Conversation, command: DeskCommand, account: Account) -> None:
        match command.kind:
            case "delete":
                await self._edits.delete(conversation, command, account)
            case "undo":
                await self._edits.undo(conversation, command, account)
            case "note":
                await self._edits.make_note(conversation, command, account)
            case "draft":
                await self._decisions.request_draft(conversation, command)
            case "send_draft":
                await self._decisions.send_draft(conversation, command, account)
            case "discard_draft":
                await self._decisions.discard_draft(conversation, command, account)
            case "resend":
                await self._decisions.resend_message(conversation, command, account)
            case "approve" | "deny":
                await self._decisions.decide_approval(conversation, command, account)
