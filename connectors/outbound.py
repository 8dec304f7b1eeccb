"""The way out, the same for every channel: policy, pace, intent, send, record.

Strictly in order inside a conversation: a lane handles one batch at a time, and no message is begun before the one
ahead of it has an outcome. A message of several pieces is one after the other too, and stops at the first that fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from connectors.accounts import Accounts
from connectors.deliveries import Ledger, Outcome
from connectors.policy import Ruling, policies, ruling
from connectors.sending import Piece, Sender
from schemas import ids, spans, topics
from schemas.conversation import Contact
from schemas.envelope import Envelope
from schemas.errors import SendRefused, UnknownEventType
from schemas.messages import OutboundMessage
from schemas.ports import Account, Batch, Bus, Call, Channel, Clock, Metrics, Sending, State

LOOKED_BACK = 200
"""Lines of the transcript among which the contact's last message is looked for."""


class Outbound:
    """Sends what is on ``parley.outbound.<channel>``. ``account_of``: ``(tenant, channel, name) → Account | None``."""

    def __init__(
        self,
        channel: Channel,
        *,
        bus: Bus,
        state: State,
        metrics: Metrics,
        clock: Clock,
        account_of: Callable[[str, str, str], Account | None],
    ) -> None:
        self._channel = channel
        self._policy_of = policies(channel)
        self._bus = bus
        self._state = state
        self._metrics = metrics
        self._clock = clock
        self._account_of = account_of
        self.accounts = Accounts(channel, clock)
        self._sender = Sender(channel, self.accounts, state=state, metrics=metrics, clock=clock)

    async def close(self) -> None:
        """Close the connections; to be called when nothing is handled any more."""
        await self.accounts.close()

    async def handle(self, batch: Batch) -> None:
        """Lane handler of the group ``parley.sender.<channel>``. Raises RecordError (a record for ``give_up``), Parked,
        Unavailable; repeating it is safe, because what was sent is known."""
        ledger = Ledger(bus=self._bus, state=self._state, metrics=self._metrics, clock=self._clock)
        try:
            for record in batch.records:
                event = Envelope.from_wire(record.headers, record.value)
                if event.type != topics.MESSAGE_SEND:
                    raise UnknownEventType(f"{event.type} on an outbound topic")
                await self._traced(event, event.payload(OutboundMessage), ledger, batch.hurry)
        finally:
            # Whatever was decided is told, also when a later message has to wait.
            await ledger.flush()

    async def _traced(self, event: Envelope, message: OutboundMessage, ledger: Ledger, hurry: asyncio.Event) -> None:
        about = {
            "parley.channel": event.channel,
            "parley.conversation_id": event.conversation,
            "parley.correlation_id": event.correlation_id,
            "parley.message_id": message.id,
        }
        with spans.span("send", parent=event.traceparent, kind="consumer", attributes=about):
            await self._deliver(event, message, ledger, hurry)

    async def _deliver(self, event: Envelope, message: OutboundMessage, ledger: Ledger, hurry: asyncio.Event) -> None:
        account = self._account_of(event.tenant, event.channel, event.account)
        if account is None:
            return await ledger.settle(event, message.id, "failed", reason="account_unknown")
        try:
            calls = self._channel.render(message, await self._sending(event, message, account))
        except SendRefused as error:
            return await ledger.settle(event, message.id, "failed", reason=error.message)
        for piece in self._pieces(calls, event, message, account, ledger, hurry):
            outcome = await self._sender.send(piece)
            if outcome != "sent":
                return await self._stop_at(piece, outcome)
        return None

    def _pieces(
        self,
        calls: list[Call],
        event: Envelope,
        message: OutboundMessage,
        account: Account,
        ledger: Ledger,
        hurry: asyncio.Event,
    ) -> list[Piece]:
        count = len(calls)
        return [
            Piece(ids.part_id(message.id, index, count), call, message, event, account, ledger, hurry)
            for index, call in enumerate(calls)
        ]

    async def _stop_at(self, piece: Piece, outcome: Outcome) -> None:
        """The rest of the message would make no sense without this piece: the whole shares its fate."""
        if piece.marker != piece.whole.id:
            await piece.ledger.settle(piece.envelope, piece.whole.id, outcome, reason="part_not_sent")

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
