"""Vendors' reports as evidence about a send whose answer was lost.

A vendor that reports every accepted message returns our marker within seconds. Silence about one message means that it
was not accepted, but only while other news of the same account comes in: news that happened after the send by the
vendor's clock, and that this process read. Before silence counts, the unprocessed records of the conversation are
searched.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from schemas import topics
from schemas.envelope import Envelope
from schemas.errors import RecordError
from schemas.messages import InboundMessage, Receipt
from schemas.ports import Account, Bus, Record, State

MAX_WATCHED = 10_000
"""Sends watched at once. The oldest are dropped, and people resolve their doubt."""
MAX_PARKED = 1_000


@dataclass(slots=True)
class _Watch:
    account: tuple[str, str, str]
    since: datetime
    heard: bool = False


class DeliveryReports:
    """Shared by the sender and the receipt handler of one process."""

    def __init__(self, bus: Bus, state: State) -> None:
        self._bus = bus
        self._state = state
        self._watches: dict[str, _Watch] = {}

    def watch(self, account: Account, marker: str, since: datetime) -> None:
        """Watch for news of this account from now on. ``since``: when the send ended; the first call counts."""
        if marker not in self._watches:
            while len(self._watches) >= MAX_WATCHED:
                self._watches.pop(next(iter(self._watches)))
            self._watches[marker] = _Watch((account.tenant, account.channel, account.name), since)

    def forget(self, marker: str) -> None:
        self._watches.pop(marker, None)

    def observe(self, record: Record) -> None:
        """Take note of a record of an inbound topic, which may be news for a watched send."""
        if not self._watches:
            return
        headers = record.headers
        account = (headers.get("ce_tenant", ""), headers.get("ce_channel", ""), headers.get("ce_account", ""))
        watches = [each for each in self._watches.values() if each.account == account and not each.heard]
        if watches and (at := _read_time(record)) is not None:
            for each in watches:
                each.heard = at >= each.since

    def has_other_news(self, marker: str) -> bool:
        """Return whether other news of the account came in since this send."""
        watch = self._watches.get(marker)
        return watch is not None and watch.heard

    async def has_pending_report(self, conversation: str, channel: str, marker: str) -> bool:
        """Return whether a report on this send is on the log but not applied yet. Raises Unavailable."""
        group, topic = topics.receipts_group(channel), topics.inbound(channel)
        parked = await self._state.parking.read(group, conversation, limit=MAX_PARKED)
        if any(_read_marker(record) == marker for record in parked):
            return True
        since = await self._bus.committed_offsets(group, topic)
        async for record in await self._bus.read(topic, since=since, keys=lambda key: key == conversation):
            if _read_marker(record) == marker:
                return True
        return False


def _read_time(record: Record) -> datetime | None:
    """Return the time at which the vendor says it happened; None where the record is no news from the vendor."""
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


def _read_marker(record: Record) -> str:
    if record.headers.get("ce_type") != topics.RECEIPT_RECORDED:
        return ""
    try:
        return Envelope.from_wire(record.headers, record.value).payload(Receipt).marker
    except RecordError:
        return ""
