"""Rebuild lost shards from the log: the log is the source of truth, the state store only what follows from
it.

The shards are emptied, which stops every process. After a grace period, in which processes append what they were
working on, the log is read: keys of contacts, snapshots and contacts, then the ids of all messages, then events and
dead letters, and then, once every message has its number, the messages themselves. Records that a lane had parked are
parked again. Where a checkpoint tells what the shards lack, they keep their rows, and only the log behind it is read.

Memory: only ids are kept between the two readings of the messages. When there are more than ``limit``, half of the
shards are left to another reading of the log."""

from __future__ import annotations

import asyncio
import gc
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import structlog
from pydantic import BaseModel, ValidationError

from infra.bus.partitioner import SHARDS, shard_of
from infra.state import rules
from infra.state.parallel_writes import ParallelWrites
from infra.state.replay_events import PROPOSED, decode
from infra.state.replay_filter import ExpiredMessages, HandledRecords, LogSummary
from infra.state.transcript_replay import TranscriptReplay, transcript_line
from schemas import topics
from schemas.access import AccessToken
from schemas.actions import ActionIntended, ActionSettled
from schemas.conversation import Contact, DeadLetter, DeadLetterDiscarded, DeliveryOutcome, Snapshot
from schemas.conversation_activity import MessageDeleted, MessageEdited, SessionEnded
from schemas.messages import InboundMessage, OutboundMessage, TranscriptMessage
from schemas.ports import Bus, Checkpoints, Record, RetentionPeriods
from schemas.ports import Rebuild as RebuildPort
from schemas.privacy.contact_keys import ContactKey

LIMIT = 800_000
"""Messages whose ids are kept at once: about 300 MB."""
PROGRESS_EVERY = 1_000
NO_PERIODS: Mapping[str, RetentionPeriods] = {}
_BY_TENANT = ("contact:", "token:")
"""How the keys of contacts and tokens begin. Their shard is that of their tenant."""
_log = structlog.get_logger(__name__)

Progress = Callable[[str, int], None]
"""``(what, count so far)``."""
Counted = Literal["conversations", "contacts", "messages", "deliveries", "parked", "undecodable"]


@dataclass(slots=True)
class RebuildReport:
    """Counts of the restored rows. ``is_partial``: only the end of the log was read. ``parked`` records wait for their
    handlers again; ``undecodable`` ones were left out; ``rounds`` counts the readings of the log."""

    shards: int
    is_partial: bool = False
    conversations: int = 0
    contacts: int = 0
    messages: int = 0
    deliveries: int = 0
    parked: int = 0
    undecodable: int = 0
    rounds: int = 0


@dataclass(frozen=True, slots=True)
class _RebuildJob:
    bus: Bus
    port: RebuildPort
    channels: tuple[str, ...]
    now: datetime
    limit: int
    progress: Progress
    periods: Mapping[str, RetentionPeriods]
    summary: LogSummary
    report: RebuildReport
    kept: Checkpoints | None
    """Finds the lines that were kept; None when the shards were emptied."""

    def count(self, counter: Counted) -> None:
        total = getattr(self.report, counter) + 1
        setattr(self.report, counter, total)
        if total % PROGRESS_EVERY == 0:
            self.progress(counter, total)


async def rebuild(
    bus: Bus,
    rebuild_port: RebuildPort,
    shards: frozenset[int],
    *,
    channels: Iterable[str],
    grace: float,
    now: datetime,
    progress: Progress = lambda _what, _count: None,
    limit: int = LIMIT,
    periods: Mapping[str, RetentionPeriods] = NO_PERIODS,
    checkpoints: Checkpoints | None = None,
) -> RebuildReport:
    """Empty ``shards``, wait ``grace`` seconds, fill them from the log, and release them. ``periods``: the retention
    by tenant; messages that are older stay away, unless somebody waits for something in their conversation.
    ``checkpoints``: if they tell what the shards lack, the rows stay, and only the end of the log is read.

    May be repeated, and may be broken off at any point: then the shards stay lost. Raises BusUnavailable,
    StateUnavailable, SchemaMismatch when a newer release has written snapshots, and StateLost when another rebuild has
    begun meanwhile."""
    report = RebuildReport(shards=len(shards))
    summary, kept = await _begin(bus, rebuild_port, checkpoints, shards, grace)
    report.is_partial = kept is not None
    job = _RebuildJob(bus, rebuild_port, tuple(channels), now, limit, progress, periods, summary, report, kept)
    left = shards
    with _rare_collections():
        while left:
            report.rounds += 1
            round_ = _LogReading(job, left, first=left == shards)
            await round_.run()
            left -= round_.active
    await rebuild_port.finish(shards)
    return report


async def _begin(
    bus: Bus, rebuild_port: RebuildPort, checkpoints: Checkpoints | None, shards: frozenset[int], grace: float
) -> tuple[LogSummary, Checkpoints | None]:
    """Stop all work on the shards, wait, and empty them unless the end of the log completes them. Returns what there is
    to read, and who finds the lines that were kept."""
    starts = None if checkpoints is None else await checkpoints.load(shards)
    if checkpoints is not None and starts is not None:
        await checkpoints.keep(shards)
        await asyncio.sleep(grace)
        summary = await LogSummary.read(bus, starts)
        # Else rows of somebody who was erased may be back, or another replica, which lacks more, has taken over.
        if not summary.has_erasures and await checkpoints.load(shards) == starts:
            return summary, checkpoints
        grace = 0.0
    await rebuild_port.prepare(shards)
    await asyncio.sleep(grace)
    return await LogSummary.read(bus, {}), None


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Collect garbage rarely: millions of objects are kept for a while and few are garbage, so looking for it takes
    half of the time."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


class _LogReading:
    """One reading of the log, for the shards that are still ``active`` when all ids are known."""

    def __init__(self, job: _RebuildJob, shards: frozenset[int], *, first: bool) -> None:
        self._job = job
        self._first = first
        self.active = shards
        self._tails: dict[int, defaultdict[str, TranscriptReplay]] = {
            shard: defaultdict(TranscriptReplay) for shard in shards
        }
        self._settled = HandledRecords(shards, job.now)
        self._expired = ExpiredMessages(job.periods, job.now)
        self._kept = 0
        self._restored = set[str]()

    async def run(self) -> None:
        await self._restore_contact_keys()
        conversations = await self._restore_snapshots()
        for channel in self._job.channels:
            await self._read_ids(topics.inbound(channel))
            await self._read_ids(topics.outbound(channel))
        await self._restore_events()
        await self._restore_dead_letters()
        self._job.report.conversations += sum(shard_of(id_) in self.active for id_ in conversations)
        for tails in self._tails.values():
            for tail in tails.values():
                tail.assign_numbers(among_kept=self._job.kept is not None)
        for channel in self._job.channels:
            await self._restore_messages(topics.inbound(channel), topics.worker_group(channel))
            await self._restore_messages(topics.outbound(channel), topics.sender_group(channel))
            await self._restore_desk(topics.outbound(channel), topics.desk_group(channel))
        await self._restore_unpublished()
        if self._job.kept is not None:
            await self._update_lines(self._job.kept)

    async def _restore_contact_keys(self) -> None:
        async with ParallelWrites() as writes:
            async for record, payload in self._read(topics.KEYS):
                if isinstance(payload, ContactKey) and not self._job.summary.was_removed(record):
                    await writes.add(record.key, self._job.port.restore_contact_key(payload))

    async def _restore_snapshots(self) -> set[str]:
        """Restore snapshots, and in the first round contacts and API tokens. Returns the conversations."""
        conversations, port = set[str](), self._job.port
        async with ParallelWrites() as writes:
            async for record in self._last_snapshots():
                payload = self._decode(record)
                if isinstance(payload, Contact):
                    self._job.count("contacts")
                    await writes.add(record.key, port.restore_contact(payload))
                elif isinstance(payload, AccessToken):
                    await writes.add(record.key, port.restore_access_token(payload))
                elif isinstance(payload, Snapshot):
                    conversations.add(record.key)
                    self._expired.note(payload)
                    self._observe(record, payload)
                    await writes.add(record.key, port.restore(payload))
        return conversations

    async def _last_snapshots(self) -> AsyncIterator[Record]:
        """The last ones of each conversation and, in the first round, of each contact and token."""
        is_among_last = self._job.summary.count_down()
        async for record in self._records(topics.STATE, by_tenant=self._first):
            if is_among_last(record) and not self._job.summary.was_removed(record):
                yield record

    async def _read_ids(self, topic: str) -> None:
        async for record, payload in self._read(topic):
            if not self._expired.has_expired(record):
                self._observe(record, payload)

    async def _restore_events(self) -> None:
        """Restore outcomes of sends, and actions. The vendors' ids, and the counts against a contact's limits, may lead
        from lost shards to conversations that are not lost."""
        job = self._job
        since = (job.now - rules.DELIVERY_HORIZON).timestamp() * 1000
        async with ParallelWrites() as writes:
            async for record, payload in self._read(topics.EVENTS, living=self._first):
                if shard_of(record.key) in self.active and not isinstance(payload, SessionEnded):
                    self._observe(record, payload)
                if isinstance(payload, SessionEnded):
                    if shard_of(record.key) in self.active and payload.until > job.now:
                        ended = job.port.restore_session_ended(record.key, payload, now=job.now)
                        await writes.add(payload.session, ended)
                    continue
                if record.timestamp_ms < since:
                    continue
                if isinstance(payload, DeliveryOutcome):
                    if shard_of(record.key) in self.active:
                        job.count("deliveries")
                    where = {name: record.headers.get(f"ce_{name}", "") for name in ("channel", "account")}
                    await writes.add(payload.message_id, job.port.restore_delivery(record.key, payload, **where))
                elif isinstance(payload, ActionIntended):
                    tenant = record.headers.get("ce_tenant", "")
                    await writes.add(payload.key, job.port.restore_intended(tenant, record.key, payload))
                elif isinstance(payload, ActionSettled):
                    await writes.add(payload.key, job.port.restore_settled(record.key, payload))

    async def _restore_dead_letters(self) -> None:
        """Take note of what was given up on. In the first round, restore the letters that nobody has discarded."""
        discarded = set[str]()
        async for record, payload in self._read(topics.DEADLETTER, living=self._first):
            if isinstance(payload, DeadLetterDiscarded):
                discarded.add(payload.letter_id)
            elif shard_of(record.key) in self.active:
                self._settled.observe(record, payload)
                self._limit_memory()
        if self._first:
            async with ParallelWrites() as writes:
                async for record, payload in self._read(topics.DEADLETTER, living=True):
                    is_gone = (topics.STATE, record.key) in self._job.summary.tombstones
                    if isinstance(payload, DeadLetter) and payload.id not in discarded and not is_gone:
                        await writes.add(payload.id, self._job.port.restore_dead_letter(payload))

    async def _restore_messages(self, topic: str, group: str) -> None:
        """Restore the transcript lines, and the records that ``group`` had parked. Its offsets are looked up only now,
        so that records parked before the loss and committed after it count too."""
        committed = await self._job.bus.committed_offsets(group, topic)
        async with ParallelWrites() as writes:
            async for record in self._records(topic):
                payload = self._decode(record)
                if record.offset < committed.get(record.partition, 0) and self._settled.needs_handling(record, payload):
                    await self._park(writes, group, record)
                if isinstance(payload, InboundMessage | OutboundMessage):
                    await self._restore(writes, record.key, payload)

    async def _restore_desk(self, topic: str, group: str) -> None:
        """Restore the records that a desk's consumer had parked."""
        committed = await self._job.bus.committed_offsets(group, topic)
        if not committed:
            return  # people do not work in this channel
        async with ParallelWrites() as writes:
            async for record in self._records(topic):
                was_read = record.offset < committed.get(record.partition, 0)
                if was_read and self._settled.needs_desk_handling(record, self._decode(record)):
                    await self._park(writes, group, record)

    async def _park(self, writes: ParallelWrites, group: str, record: Record) -> None:
        self._job.count("parked")
        parking = self._job.port.restore_parked(group, record.key, record, until=self._job.now)
        await writes.add(("parked", record.key), parking)

    async def _restore(
        self, writes: ParallelWrites, conversation: str, payload: InboundMessage | OutboundMessage
    ) -> None:
        tail = self._tails[shard_of(conversation)][conversation]
        if tail.has_number(payload.id):
            self._job.count("messages")
            await self._write_line(writes, conversation, tail, transcript_line(payload))

    async def _restore_unpublished(self) -> None:
        async with ParallelWrites() as writes:
            for tails in self._tails.values():
                for conversation, tail in tails.items():
                    for line in tail.list_unpublished():
                        await self._write_line(writes, conversation, tail, line)

    async def _write_line(
        self, writes: ParallelWrites, conversation: str, tail: TranscriptReplay, line: TranscriptMessage
    ) -> None:
        """A line that was kept gets what was seen of it later."""
        port, kept = self._job.port, self._job.kept
        if kept is None:
            await writes.add(line.id, port.restore_message(conversation, tail.restore(line)))
            return

        async def update(kept: Checkpoints) -> None:
            known = await kept.find_line(conversation, line.id)
            await port.restore_message(conversation, tail.restore(known or line))

        self._restored.add(line.id)
        # Lines without a number get the next ones, in the order of the log.
        await writes.add(conversation, update(kept))

    async def _update_lines(self, kept: Checkpoints) -> None:
        """Update the lines of which something was seen, but not the message itself."""

        async def update(conversation: str, tail: TranscriptReplay, message_id: str) -> None:
            known = await kept.find_line(conversation, message_id)
            if known is not None:
                await self._job.port.restore_message(conversation, tail.restore(known))

        async with ParallelWrites() as writes:
            for tails in self._tails.values():
                for conversation, tail in tails.items():
                    for id_ in tail.list_changed() - self._restored:
                        await writes.add(id_, update(conversation, tail, id_))

    async def _read(self, topic: str, *, living: bool = False) -> AsyncIterator[tuple[Record, BaseModel]]:
        """The decoded records of a topic."""
        async for record in self._records(topic, living=living):
            payload = self._decode(record)
            if payload is not None:
                yield record, payload

    async def _records(self, topic: str, *, by_tenant: bool = False, living: bool = False) -> AsyncIterator[Record]:
        """The records of a topic; ``by_tenant`` and ``living`` widen it beyond the active shards."""

        def is_wanted(key: str) -> bool:
            if key.startswith(_BY_TENANT):
                return by_tenant
            return living or len(self.active) == SHARDS or shard_of(key) in self.active

        async for record in self._job.summary.read_topic(self._job.bus, topic, is_wanted):
            # The active shards may have become fewer since the record was requested.
            if record.value is not None and is_wanted(record.key):
                yield record

    def _decode(self, record: Record) -> BaseModel | None:
        try:
            return decode(record)
        except ValidationError:
            # Consumers dead-letter it; here there is nothing to restore from it.
            _log.warning("rebuild_skipped", topic=record.topic, partition=record.partition, offset=record.offset)
            self._job.count("undecodable")
            return None

    def _observe(self, record: Record, payload: BaseModel) -> None:
        tails = self._tails[shard_of(record.key)]
        before = tails[record.key].size if record.key in tails else 0
        tail = tails[record.key]
        if record.headers.get("ce_type") in PROPOSED and isinstance(payload, MessageEdited | MessageDeleted):
            tail.add_proposal(record.headers.get("ce_id", ""), payload)
        else:
            tail.observe(payload, record.timestamp_ms)
        self._kept += tail.size - before
        self._settled.observe(record, payload)
        self._limit_memory()

    def _limit_memory(self) -> None:
        if self._kept + self._settled.size > self._job.limit and len(self.active) > 1:
            self._drop_half()

    def _drop_half(self) -> None:
        staying = sorted(self.active)[: len(self.active) // 2]
        self.active = frozenset(staying)
        self._tails = {shard: self._tails[shard] for shard in staying}
        self._settled.keep(staying)
        self._kept = sum(tail.size for tails in self._tails.values() for tail in tails.values())
