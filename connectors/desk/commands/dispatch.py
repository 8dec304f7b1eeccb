"""Acts of people at the desk, carried out in the order in which they were done, in the lane of the conversation."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog

from connectors.desk.client import DeskClient
from connectors.desk.commands.decisions import Decisions
from connectors.desk.commands.pending_replies import ENDS
from connectors.desk.commands.replies import Replies
from connectors.desk.commands.reply_edits import ReplyEdits
from connectors.desk.commands.reply_files import ReplyFiles
from connectors.desk.commands.undo_window import Meanwhile, UndoWindow
from connectors.desk.ownership import DeskOwnership
from connectors.desk.rules import DeskRules
from schemas.conversation import Conversation
from schemas.desk import DeskCommand
from schemas.ports import Account, Batch, Bus, Clock, FetchFile, State

log = structlog.get_logger("parley.desk")


class DeskCommands:
    """``rules``: by tenant. ``store`` fetches a file from the vendor of an origin and keeps it. ``meanwhile`` runs
    when something arrives while a reply is held, for at most ``undo_seconds``; what it brought in line stays so.
    ``revises``: channels on which what was sent can be changed."""

    def __init__(
        self,
        *,
        rules: Mapping[str, DeskRules],
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
        self._decisions = Decisions(client=client, bus=bus, state=state, clock=clock)

    async def do(self, conversation: Conversation, acted: DeskCommand, batch: Batch) -> None:
        """Carry out one act. While a reply is held ``batch.records`` may grow: what came in that time is among them and
        is yet to be done. Raises Unavailable (also when the partition moves on), BusUnavailable, StateUnavailable,
        StateLost; repeating it is safe."""
        account = self._account_of(conversation.origin.tenant, self._desk, acted.account)
        if account is None or conversation.origin.tenant not in self._rules:
            log.warning("desk_unknown", tenant=conversation.origin.tenant, conversation_id=conversation.id)
            return
        if acted.kind == "reply":
            await self._replies.reply(conversation, acted, account, batch, acted.id)
        elif acted.kind == "edit":
            await self._edits.edit(conversation, acted, account, batch)
        elif acted.kind in ENDS:
            await self._ownership.end(conversation, acted, account)
        else:
            await self._other(conversation, acted, account)

    async def _other(self, found: Conversation, acted: DeskCommand, account: Account) -> None:
        match acted.kind:
            case "delete":
                await self._edits.delete(found, acted, account)
            case "undo":
                await self._edits.undo(found, acted, account)
            case "note":
                await self._edits.note(found, acted, account)
            case "draft":
                await self._decisions.ask(found, acted)
            case "send_draft":
                await self._decisions.send(found, acted, account)
            case "discard_draft":
                await self._decisions.discard(found, acted, account)
            case "resend":
                await self._decisions.resend(found, acted, account)
            case "approve" | "deny":
                await self._decisions.decide(found, acted, account)
