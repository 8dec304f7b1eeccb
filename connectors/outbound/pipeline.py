"""The way out, the same for every channel: policy, pace, intent, send, record.

Strictly in order inside a conversation: a lane handles one batch at a time, and no message is begun before the one
ahead of it has an outcome. A message of several pieces is one after the other too, and stops at the first that fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from connectors.live_replies import LiveReply, Means, Opener, live_reply
from connectors.outbound.connections import Accounts
from connectors.outbound.delivery_log import Ledger, Outcome, Piece
from connectors.outbound.delivery_reports import DeliveryReports
from connectors.outbound.edits import REVISIONS, Revisions
from connectors.outbound.policy import Ruling, policies, ruling
from connectors.outbound.rendering import texts_of, within_deadline
from connectors.outbound.sender import Sender
from schemas import ids, topics, tracing
from schemas.conversation import Contact
from schemas.envelope import Envelope
from schemas.errors import SendRefused, UnknownEventType
from schemas.messages import OutboundMessage, ReplyBegun
from schemas.ports import Account, Batch, Bus, Call, Channel, Clock, LiveReplies, Metrics, Sending, State

LOOKED_BACK = 200
"""Lines of the transcript among which the contact's last message is looked for."""


class Outbound:
    """Sends what is on ``parley.outbound.<channel>``. ``account_of``: ``(tenant, channel, name) → Account | None``.
    ``watched``: tenants that have a desk. ``reports``: the same as those of the channel's Receipts."""

    def __init__(
        self,
        channel: Channel,
        *,
        bus: Bus,
        state: State,
        metrics: Metrics,
        clock: Clock,
        account_of: Callable[[str, str, str], Account | None],
        watched: frozenset[str] = frozenset(),
        reports: DeliveryReports | None = None,
    ) -> None:
        self._watched = watched
        self._channel = channel
        self._policy_of = policies(channel)
        self._bus = bus
        self._state = state
        self._metrics = metrics
        self._clock = clock
        self._account_of = account_of
        self.accounts = Accounts(channel, clock)
        reports = reports or DeliveryReports(bus, state)
        self._sender = Sender(channel, self.accounts, state=state, metrics=metrics, clock=clock, reports=reports)
        self._means = self._live_means()
        self._revisions = Revisions(channel, self._sender, state=state, clock=clock, sending_of=self._sending)

    async def close(self) -> None:
        """Close the connections; to be called when nothing is handled any more."""
        await self.accounts.close()

    async def handle(self, batch: Batch) -> None:
        """Lane handler of the group ``parley.sender.<channel>``. Raises RecordError (a record for ``give_up``), Parked,
        Unavailable; repeating it is safe, because what was sent is known."""
        ledger = Ledger(
            bus=self._bus, state=self._state, metrics=self._metrics, clock=self._clock, watched=self._watched
        )
        try:
            await self._all(batch, ledger)
        finally:
            # Whatever was decided is told, also when a later message has to wait.
            await ledger.flush()

    async def _all(self, batch: Batch, ledger: Ledger) -> None:
        shown: LiveReply | None = None
        done = 0
        while done < len(batch.records):
            record = batch.records[done]
            done += 1
            event = Envelope.from_wire(record.headers, record.value)
            if event.type == topics.REPLY_BEGUN:
                shown = await self._begin(event, shown, ledger, batch)
                if shown is not None and done < len(batch.records):
                    await shown.recall()
                elif shown is not None:
                    await shown.follow(batch)
                    batch.take_more()
            elif event.type == topics.MESSAGE_SEND:
                message = event.payload(OutboundMessage)
                if shown is not None and shown.begun.id != message.id:
                    await shown.remove()
                    shown = None
                await self._traced(event, message, ledger, batch.hurry, shown)
                shown = None
            elif event.type in REVISIONS:
                account = self._account_of(event.tenant, event.channel, event.account)
                await self._revisions.make(event, account, ledger, batch.hurry)
            elif event.type not in topics.DESK_TYPES:
                raise UnknownEventType(f"{event.type} on an outbound topic")
        if shown is not None:
            await shown.remove()

    async def _begin(self, event: Envelope, before: LiveReply | None, ledger: Ledger, batch: Batch) -> LiveReply | None:
        """None where nothing is shown while it is written. Raises Parked."""
        if before is not None:
            if before.begun.id == event.payload(ReplyBegun).id:
                before.begin_again()
                return before
            await before.remove()
        account = self._account_of(event.tenant, event.channel, event.account)
        if self._means is None or account is None:
            return None
        return live_reply(event, account, ledger, batch.hurry, self._means)

    async def _traced(
        self,
        event: Envelope,
        message: OutboundMessage,
        ledger: Ledger,
        hurry: asyncio.Event,
        shown: LiveReply | None,
    ) -> None:
        about = {
            "parley.channel": event.channel,
            "parley.conversation_id": event.conversation,
            "parley.correlation_id": event.correlation_id,
            "parley.message_id": message.id,
        }
        with tracing.span("send", parent=event.traceparent, kind="consumer", attributes=about):
            is_sent = await self._deliver(event, message, ledger, hurry, shown)
        if shown is not None and not is_sent:
            await shown.remove()

    async def _deliver(
        self,
        event: Envelope,
        message: OutboundMessage,
        ledger: Ledger,
        hurry: asyncio.Event,
        shown: LiveReply | None,
    ) -> bool:
        """Whether the contact has it now."""
        account = self._account_of(event.tenant, event.channel, event.account)
        if account is None:
            await ledger.settle(event, message.id, "failed", reason="account_unknown")
            return False
        try:
            sending = await self._sending(event, message, account)
            calls = await within_deadline(
                lambda: self._channel.render(message, sending), texts_of(message), surface=event.channel
            )
        except SendRefused as error:
            await ledger.settle(event, message.id, "failed", reason=error.message)
            return False
        pieces = self._pieces(calls, event, message, account, ledger, hurry)
        if shown is not None:
            pieces[0] = await _completing(pieces[0], shown)
        for piece in pieces:
            outcome = await self._sender.send(piece)
            if outcome != "sent":
                await self._stop_at(piece, outcome)
                return False
        return True

    def _pieces(
        self,
        calls: list[Call],
        event: Envelope,
        message: OutboundMessage,
        account: Account,
        ledger: Ledger,
        hurry: asyncio.Event,
    ) -> list[Piece]:
        markers = [ids.part_id(message.id, index, len(calls)) for index in range(len(calls))]
        every = {ids.stream_part_id(message.id), *markers}
        return [
            Piece(marker, call, message, event, account, ledger, hurry, tuple(every - {marker}))
            for marker, call in zip(markers, calls, strict=True)
        ]

    async def _stop_at(self, piece: Piece, outcome: Outcome) -> None:
        """The rest of the message would make no sense without this piece: the whole shares its fate."""
        if piece.marker != piece.whole.id:
            await piece.ledger.settle(piece.envelope, piece.whole.id, outcome, reason="part_not_sent")

    def _live_means(self) -> Means | None:
        """What replies are shown with while they are written, where the channel can do that."""
        if not isinstance(self._channel, LiveReplies):
            return None
        opener = Opener(self._channel, self.accounts, self._sender, state=self._state, clock=self._clock)
        return Means(
            self._channel, self._channel, self.accounts, self._sender, opener, state=self._state, clock=self._clock
        )

    # ── policy ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _sending(self, event: Envelope, message: OutboundMessage, account: Account) -> Sending:
        """Raises SendRefused with the reason."""
        policy = self._policy_of(account)
        is_asked = policy.shows_contact or policy.window is not None or message.purpose == "notice"
        contact = await self._state.contacts.get(event.tenant, message.contact_id) if is_asked else None
        rule = ruling(
            policy,
            message,
            contact,
            wrote_at=await self._wrote_at(event.conversation) if policy.window is not None else None,
            now=self._clock(),
            reopens=bool(getattr(account.settings, "template", None)),
        )
        if rule.refused:
            raise SendRefused(rule.refused)
        return _sending(event, message, account, contact, rule)

    async def _wrote_at(self, conversation: str) -> datetime | None:
        """When the contact wrote last, as far as one looks back."""
        lines = await self._state.transcript.recent(conversation, limit=LOOKED_BACK)
        return max((line.created_at for line in lines if line.author.kind == "contact"), default=None)


async def _completing(piece: Piece, shown: LiveReply) -> Piece:
    """The first piece takes the place of what is shown already. Raises Parked."""
    whole = shown.whole(piece.call)
    if whole is None:
        await shown.remove()
        return piece
    return replace(piece, call=whole, instead=piece.call)


def _sending(
    event: Envelope, message: OutboundMessage, account: Account, contact: Contact | None, rule: Ruling
) -> Sending:
    return Sending(
        conversation=event.conversation,
        account=account,
        contact=contact,
        answers=message.answers,
        window_open=rule.window_open,
        as_person=rule.as_person,
    )
