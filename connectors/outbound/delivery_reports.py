"""The vendor's reports on what we sent, as evidence about a send whose answer was lost.

A vendor that reports every message it took gives our marker back within seconds. Silence about one message means
something only while other news of the same account comes through: then the vendor took no such message. News counts if
by the vendor's clock it happened after the send, and was read by this process. Before silence counts, whatever of the
conversation is on the log and not applied yet is looked through.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from schemas import topics
from schemas.envelope import Envelope
from schemas.errors import RecordError
from schemas.messages import InboundMessage, Receipt
from schemas.ports import Account, Bus, Record, State

MOST = 10_000
"""Sends watched at once; the oldest are forgotten, and their doubt then goes to people."""
PARKED = 1_000


@dataclass(slots=True)
class _Watch:
    account: tuple[str, str, str]
    since: datetime
    heard: bool = False


class DeliveryReports:
    """For the senders and the receipts of one process."""

    def __init__(self, bus: Bus, state: State) -> None:
        self._bus = bus
        self._state = state
        self._watches: dict[str, _Watch] = {}

    def watch(self, account: Account, marker: str, since: datetime) -> None:
        """Collect news of this account from now on. ``since``: when the send ended; the first call counts."""
        if marker not in self._watches:
            while len(self._watches) >= MOST:
                self._watches.pop(next(iter(self._watches)))
            self._watches[marker] = _Watch((account.tenant, account.channel, account.name), since)

    def forget(self, marker: str) -> None:
        self._watches.pop(marker, None)

    def note(self, record: Record) -> None:
        """A record of an inbound topic, which may be news that somebody watches for."""
        if not self._watches:
            return
        headers = record.headers
        account = (headers.get("ce_tenant", ""), headers.get("ce_channel", ""), headers.get("ce_account", ""))
        watches = [each for each in self._watches.values() if each.account == account and not each.heard]
        if watches and (at := _happened(record)) is not None:
            for each in watches:
                each.heard = at >= each.since

    def were_heard(self, marker: str) -> bool:
        """Whether anything else has come of the account since this send."""
        watch = self._watches.get(marker)
        return watch is not None and watch.heard

    async def is_waiting(self, conversation: str, channel: str, marker: str) -> bool:
        """Whether a report on this send is on the log, and not applied yet. Raises Unavailable."""
        group, topic = topics.receipts_group(channel), topics.inbound(channel)
        parked = await self._state.parking.parked(group, conversation, limit=PARKED)
        if any(_marker(record) == marker for record in parked):
            return True
        since = await self._bus.committed(group, topic)
        async for record in await self._bus.read(topic, since=since, keys=lambda key: key == conversation):
            if _marker(record) == marker:
                return True
        return False


def _happened(record: Record) -> datetime | None:
    """When the vendor says that it happened; None for what is no news of the vendor's."""
    try:
        event = Envelope.from_wire(record.headers, record.value)
        if event.type == topics.RECEIPT_RECORDED:
            return event.payload(Receipt).at
        if event.type == topics.MESSAGE_RECEIVED:
            message = event.payload(InboundMessage)
            return message.sent_at if message.author.kind == "contact" and not message.backfilled else None
    except RecordError:
        return None
    return None


def _marker(record: Record) -> str:
    if record.headers.get("ce_type") != topics.RECEIPT_RECORDED:
        return ""
    try:
        return Envelope.from_wire(record.headers, record.value).payload(Receipt).marker
    except RecordError:
        return ""
