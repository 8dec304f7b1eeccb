"""The audit trail over a log and a store: one chain for each tenant, whoever writes, whatever fails."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.access.audit_log import AuditLog
from schemas import topics
from schemas.audit.records import INSTALLATION, AuditRecord, verify_records
from schemas.audit.trail import AuditTrail, head_key, read_records, wrap_record
from schemas.errors import BusUnavailable, InvalidRequest, StateUnavailable
from schemas.ports import Bus, State
from tests.contracts.bus.engines import open_kafka
from tests.contracts.state.engines import server_state
from tests.contracts.state.recorded_history import CHANNELS, open_log
from tests.contracts.state.samples import NOW, later

TENANT = "plantstore"
KEEP = timedelta(days=400)


class Clock:
    """Each look is a second later."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def trail(bus: Bus, state: State, clock: Clock | None = None) -> AuditTrail:
    """As another process has it."""
    return AuditTrail(bus=bus, state=state, clock=clock or Clock())


async def record(trail: AuditTrail, subject: str, *, tenant: str = TENANT, **more: Any) -> None:
    fields = {"actor": "console:anna", "surface": "console", "action": "conversation.read"} | more
    await trail.record(tenant, fields.pop("action"), subject=subject, **fields)


async def read(bus: Bus, tenant: str = TENANT) -> list[AuditRecord]:
    return [each async for each in read_records(bus, tenant, {})]


async def problems(bus: Bus, state: State, *, now: datetime = NOW) -> list[str]:
    return (await AuditLog(bus, state.heads).verify(TENANT, keep=KEEP, now=now)).problems


async def test_what_was_recorded_is_on_the_log_in_one_chain_by_tenant(bus: Bus, state: State) -> None:
    writer = trail(bus, state)
    for number in range(3):
        await record(writer, f"conversation:{number}")
        await record(writer, "elsewhere", tenant="other")
    records = await read(bus)
    assert [(each.number, each.subject) for each in records] == [(n + 1, f"conversation:{n}") for n in range(3)]
    assert [each.previous for each in records] == ["", records[0].hash, records[1].hash]
    assert len(await read(bus, "other")) == 3
    assert await problems(bus, state) == []


async def test_a_process_that_starts_continues_the_chain(bus: Bus, state: State) -> None:
    for number in range(5):
        await record(trail(bus, state), f"conversation:{number}")
    assert [each.number for each in await read(bus)] == [1, 2, 3, 4, 5]
    assert await problems(bus, state) == []


async def test_processes_that_begin_at_once_make_one_chain(bus: Bus, state: State) -> None:
    writers = [trail(bus, state) for _ in range(4)]
    await asyncio.gather(*(record(writer, f"{w}-{n}") for n in range(5) for w, writer in enumerate(writers)))
    records = await read(bus)
    assert len(records) == 20
    assert [each.subject for each in records if not each.previous] == [records[0].subject]
    assert await problems(bus, state) == []


async def test_records_of_one_process_at_once_are_in_one_chain(bus: Bus, state: State) -> None:
    writer = trail(bus, state)
    await asyncio.gather(*(record(writer, str(number)) for number in range(50)))
    assert [each.number for each in await read(bus)] == list(range(1, 51))


async def test_acts_during_a_write_are_written_together(
    bus: Bus, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, append, sizes = trail(bus, state), bus.append, list[int]()

    async def count(events: Any) -> Any:
        sizes.append(len(events))
        return await append(events)

    monkeypatch.setattr(bus, "append", count)
    first = asyncio.create_task(record(writer, "first"))
    await asyncio.sleep(0)
    await asyncio.gather(first, *(record(writer, str(number)) for number in range(50)))
    assert sizes == [1, 50]
    assert await problems(bus, state) == []


async def test_whoever_goes_away_does_not_keep_the_others_waiting(bus: Bus, state: State) -> None:
    writer = trail(bus, state)
    gone = asyncio.create_task(record(writer, "gone"))
    await asyncio.sleep(0)
    others = [asyncio.create_task(record(writer, str(number))) for number in range(3)]
    gone.cancel()
    await asyncio.gather(*others)
    assert [each.subject for each in await read(bus)][-3:] == ["0", "1", "2"]
    assert await problems(bus, state) == []


class NoHeads:
    """Of a store that was lost."""

    async def advance(self, tenant: str, partition: int, offset: int) -> None: ...

    async def of(self, tenant: str) -> dict[int, int]:
        return {}


class FailingBus:
    """Fails after the append: nobody knows whether the record is on the log. Or before it."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.fails_before = self.fails_after = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    async def append(self, *arguments: Any, **more: Any) -> Any:
        if self.fails_before:
            raise BusUnavailable("no broker answers")
        positions = await self._bus.append(*arguments, **more)
        if self.fails_after:
            raise BusUnavailable("the answer is lost")
        return positions


@pytest.mark.parametrize("when", ["fails_before", "fails_after"])
async def test_an_append_that_fails_is_told_and_the_chain_goes_on(bus: Bus, state: State, when: str) -> None:
    failing: Any = FailingBus(bus)
    writer = trail(failing, state)
    await record(writer, "before")
    setattr(failing, when, True)
    with pytest.raises(BusUnavailable):
        await record(writer, "lost")
    setattr(failing, when, False)
    await record(writer, "after")
    assert [each.subject for each in await read(bus)] == [
        "before",
        *(["lost"] if when == "fails_after" else []),
        "after",
    ]
    assert await problems(bus, state) == []


async def test_a_store_that_fails_is_told_and_the_chain_goes_on(bus: Bus, state: State) -> None:
    class FailingHeads:
        is_away = False

        async def advance(self, tenant: str, partition: int, offset: int) -> None:
            if self.is_away:
                raise StateUnavailable("no server answers")
            await state.heads.advance(tenant, partition, offset)

        async def of(self, tenant: str) -> dict[int, int]:
            return await state.heads.of(tenant)

    heads = FailingHeads()
    writer = trail(bus, replace(state, heads=heads))
    await record(writer, "before")
    heads.is_away = True
    with pytest.raises(StateUnavailable):
        await record(writer, "durable")
    heads.is_away = False
    await record(writer, "after")
    assert [each.subject for each in await read(bus)] == ["before", "durable", "after"]
    assert await problems(bus, state) == []


async def test_an_end_that_was_cut_off_is_noticed(bus: Bus, state: State) -> None:
    writer = trail(bus, state)
    await record(writer, "kept")
    (at,) = (await state.heads.of(head_key(TENANT))).items()
    await state.heads.advance(head_key(TENANT), at[0], at[1] + 5)
    assert await problems(bus, state) == ["the newest records are missing"]


async def test_a_beginning_that_is_missing_too_early_is_noticed(bus: Bus, state: State, tmp_path: Path) -> None:
    writer = trail(bus, state)
    for number in range(3):
        await record(writer, str(number))
    first, *kept = await read(bus)
    async with open_log(tmp_path / "cut.db", Clock()) as cut:
        await cut.append([wrap_record(each) for each in kept])
        log = AuditLog(cut, NoHeads())
        early = await log.verify(TENANT, keep=KEEP, now=later(days=300))
        assert early.problems == [f"records of {first.at.isoformat()} and before were removed too early"]
        assert (await log.verify(TENANT, keep=KEEP, now=later(days=401))).problems == []


async def test_pages_go_back_in_time_with_what_concerns_the_installation(bus: Bus, state: State) -> None:
    writer = trail(bus, state)
    for number in range(7):
        await record(writer, str(number), tenant=INSTALLATION if number % 3 == 2 else TENANT)
        await record(writer, "not ours", tenant="other")
    log, seen, after = AuditLog(bus, state.heads), list[str](), ""
    while True:
        page = await log.read_page(TENANT, after=after, limit=2)
        seen += [each.subject for each in page.items]
        after = page.next
        if not after:
            break
    assert seen == ["6", "5", "4", "3", "2", "1", "0"]
    assert sorted([each.subject async for each in log.read_all(TENANT)]) == sorted(seen)


async def test_pages_are_filtered_by_actor_and_action(bus: Bus, state: State) -> None:
    writer, log = trail(bus, state), AuditLog(bus, state.heads)
    await record(writer, "1", actor="console:ben")
    await record(writer, "2", action="token.create")
    await record(writer, "3", action="token.revoke", actor="console:ben")
    await record(writer, "4", action="tokens.other")

    async def subjects(*, actor: str = "", action: str = "") -> list[str]:
        return [each.subject for each in (await log.read_page(TENANT, actor=actor, action=action)).items]

    assert await subjects(actor="console:ben") == ["3", "1"]
    assert await subjects(action="token") == ["3", "2"]
    assert await subjects(action="token.create") == ["2"]
    assert await subjects(action="token", actor="console:ben") == ["3"]
    assert await subjects(actor="console") == []


@pytest.mark.parametrize("after", ["x", "1", "1.1.", ".1.a", "-1.1.a", "1.a", "9" * 30 + ".1.a"])
async def test_another_cursor_is_refused(bus: Bus, state: State, after: str) -> None:
    with pytest.raises(InvalidRequest):
        await AuditLog(bus, state.heads).read_page(TENANT, after=after)


async def test_a_page_far_back_is_found_among_many_records(
    bus: Bus, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.access.audit_log.FIRST_WINDOW", 2)
    writer, log = trail(bus, state), AuditLog(bus, state.heads)
    await record(writer, "long ago", action="token.create")
    for number in range(40):
        await record(writer, str(number))
    assert [each.subject for each in (await log.read_page(TENANT, action="token")).items] == ["long ago"]
    assert [each.subject for each in (await log.read_page(TENANT, limit=3)).items] == ["39", "38", "37"]


@pytest.mark.scaled
async def test_kafka_and_redis_hold_one_chain_of_several_processes(
    redis_url: str, kafka_bootstrap: str, topic_prefix: str
) -> None:
    async with open_kafka(kafka_bootstrap, topic_prefix)() as bus, server_state(redis_url) as state:
        await bus.create_topics(topics.topic_specs(CHANNELS, partitions=3, small=3))
        clock = Clock()
        writers = [trail(bus, state, clock) for _ in range(3)]
        await asyncio.gather(*(record(writer, f"{w}-{n}") for n in range(5) for w, writer in enumerate(writers)))
        await record(trail(bus, state, clock), "a process later")
        records = await read(bus)
        assert len(records) == 16
        assert verify_records(records).problems == []
        assert await problems(bus, state) == []
        page = await AuditLog(bus, state.heads).read_page(TENANT, limit=1)
        assert [each.subject for each in page.items] == ["a process later"]
