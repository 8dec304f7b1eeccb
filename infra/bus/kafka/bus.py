"""The Bus over a Kafka cluster: writer, readers, subscriptions and catalog behind one class."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from weakref import WeakSet

from infra.bus.kafka.access import KafkaAccess
from infra.bus.kafka.access_errors import explain_refusal
from infra.bus.kafka.catalog import Catalog
from infra.bus.kafka.profile import PRODUCTION, KafkaProfile
from infra.bus.kafka.reader import KafkaFollower, Reader, read_once
from infra.bus.kafka.subscription import KafkaSubscription
from infra.bus.kafka.writer import Writer
from schemas.envelope import Envelope
from schemas.errors import BusUnavailable, TopicMismatch
from schemas.ports import Follower, Position, RebalanceListener, Record, Subscription
from schemas.topics import CONTACT_SNAPSHOT, NO_DESKS, STATE, TopicSpec


class KafkaBus:
    """See ``schemas.ports.Bus``. ``bootstrap`` is ``host:port[,host:port…]``. ``prefix`` stands before every topic and
    group on the broker, so that installations can share a cluster; callers never see it.

    Every method raises BusUnavailable within its deadline in ``profile`` when no broker answers, and works again when
    one does; ``start`` may be repeated."""

    atomic = False

    def __init__(
        self,
        bootstrap: str,
        *,
        prefix: str = "",
        desks: Mapping[str, str] = NO_DESKS,
        access: KafkaAccess | None = None,
        profile: KafkaProfile = PRODUCTION,
    ) -> None:
        """``access`` replaces the profile's when given. Raises ConfigInvalid for unreadable certificates."""
        profile = profile if access is None else replace(profile, access=access)
        profile.access.client()
        self._bootstrap = bootstrap
        self._profile = profile
        self._catalog = Catalog(bootstrap, prefix, profile)
        self._writer = Writer(bootstrap, self._catalog, profile, desks)
        self._open: WeakSet[KafkaSubscription | KafkaFollower] = WeakSet()

    @property
    def pending_records(self) -> int:
        """Records whose append has no outcome yet, including those whose callers gave up."""
        return self._writer.pending

    async def start(self) -> None:
        throttle_client_logs()
        try:
            await self._writer.start()
        except BusUnavailable as error:
            message, fix = await explain_refusal(self._bootstrap, self._profile.access.client())
            raise BusUnavailable(message, fix=fix) if message else error from None
        await self._catalog.describe()

    async def close(self) -> None:
        await asyncio.gather(*(one.close() for one in list(self._open)))
        await self._writer.close()
        await self._catalog.close()

    async def check_ready(self) -> None:
        await self._catalog.check_ready()
        self._writer.check()
        try:
            async with asyncio.timeout(self._profile.append_deadline):
                await self._writer.append([_probe()], STATE)
        except TopicMismatch:
            return  # no topic to write to yet; a serving process has checked its topics
        except TimeoutError as error:
            raise BusUnavailable("Kafka accepts no records") from error

    def append(
        self, envelopes: Sequence[Envelope], *, topic: str | None = None
    ) -> Coroutine[object, object, list[Position]]:
        """Raises BusUnavailable (unknown: a record may still appear later), TooLarge, TopicMismatch. Records of one
        call are not one transaction: after a failure some may have been written."""
        return self._writer.append(envelopes, topic)

    async def subscribe(
        self, topics: Sequence[str], group: str, listener: RebalanceListener, *, member: str = ""
    ) -> Subscription:
        """``member`` must be unique in the group: two members with one name disturb each other."""
        await self._catalog.sources(topics)
        subscription = KafkaSubscription(self._bootstrap, self._catalog, self._profile, topics, group, listener, member)
        await subscription.open()
        self._open.add(subscription)
        return subscription

    async def follow(self, topic: str) -> Follower:
        follower = KafkaFollower(await self._reader(topic, None, live=True))
        self._open.add(follower)
        return follower

    async def read(
        self, topic: str, *, since: Mapping[int, int] | None = None, keys: Callable[[str], bool] | None = None
    ) -> AsyncIterator[Record]:
        return read_once(await self._reader(topic, since, live=False), keys, self._profile.read_stall)

    async def lag(self, group: str, topics: Sequence[str]) -> dict[str, int]:
        return await self._catalog.lag(group, topics)

    async def committed_offsets(self, group: str, topic: str) -> dict[int, int]:
        return await self._catalog.committed_offsets(group, topic)

    async def end_offsets(self, topics: Sequence[str]) -> dict[str, dict[int, int]]:
        return await self._catalog.end_offsets(topics)

    async def create_topics(self, specs: Sequence[TopicSpec]) -> list[str]:
        return await self._catalog.create(specs)

    async def expand_topics(self, partitions: Mapping[str, int]) -> None:
        """Give topics more partitions. Only while nothing writes to them or reads them: see expansion.py."""
        await self._catalog.expand(partitions)

    async def has_members(self, group: str) -> bool:
        """Whether a process belongs to the consumer group."""
        return await self._catalog.has_members(group)

    async def describe_topics(self) -> dict[str, int]:
        return await self._catalog.describe()

    async def _reader(self, topic: str, since: Mapping[int, int] | None, *, live: bool) -> Reader:
        reader = Reader(self._bootstrap, self._catalog, self._profile, topic)
        await reader.open(since, live=live)
        return reader


def _probe() -> Envelope:
    """A tombstone of a contact that does not exist: every reader skips it, and compaction keeps only one."""
    return Envelope(
        id="probe",
        type=CONTACT_SNAPSHOT,
        source="parley/probe",
        tenant="",
        time=datetime.now(UTC),
        subject="contact:probe",
        data=None,
    )


# Throttle aiokafka's logs: it writes two or three lines per failed attempt, ten times a second, so that a broker that
# is down would fill a disk.
_WINDOW = 30.0
_KINDS = 256


class LogThrottle(logging.Filter):
    """Lets one line of a kind through per ``window`` seconds, and reports with the next one how many were left out.

    Debug lines never pass: the client writes keys and values of records into them."""

    def __init__(self, *, window: float = _WINDOW, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._window = window
        self._clock = clock
        self._seen: dict[tuple[str, int, str], tuple[float, int]] = {}
        self.left_out = 0

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.INFO:
            return False
        kind = (record.name, record.levelno, str(record.msg))
        now = self._clock()
        since, left_out = self._seen.get(kind, (-self._window, 0))
        if now - since < self._window:
            self._seen[kind] = (since, left_out + 1)
            self.left_out += 1
            return False
        if len(self._seen) >= _KINDS:
            self._seen.clear()
        self._seen[kind] = (now, 0)
        if left_out:
            record.msg = f"{record.msg} [{left_out} like it left out]"
        return True


_limit = LogThrottle()


def throttle_client_logs() -> LogThrottle:
    """Throttle all loggers of the client; the limit is shared in a process. Safe to repeat."""
    # A logger's filter does not see what its children pass up, so each child gets it.
    names = [name for name in logging.root.manager.loggerDict if name == "aiokafka" or name.startswith("aiokafka.")]
    for name in ("aiokafka", *names):
        logging.getLogger(name).addFilter(_limit)
    return _limit
