"""Keys of contacts in the state store and on the log: one for each contact, the same in all processes, gone for good
once erased."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.bus.partitioner import shard_of
from infra.state.rebuild import rebuild
from schemas import topics
from schemas.errors import BusUnavailable, StateLost, Unavailable
from schemas.ports import Bus, State
from schemas.privacy import key_service
from schemas.privacy.contact_keys import ContactKey
from schemas.privacy.key_service import CACHE_LIFETIME, RETIRED_FOR, ContactKeyService, UnwrappedKey
from tests.contracts.state.engines import ALL_SHARDS
from tests.contracts.state.recorded_history import CHANNELS, open_log
from tests.contracts.state.samples import NOW, later, new_id

TENANT = "plantstore"
FIRST, SECOND = b"1" * 32, b"2" * 32


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def key(contact: str, tenant: str = TENANT, **more: Any) -> ContactKey:
    fields = {"tenant": tenant, "contact_id": contact, "wrapped": new_id(), "created_at": NOW}
    return ContactKey.model_validate(fields | more)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def process(state: State, bus: Bus, clock: Clock, secrets: Sequence[bytes] = (FIRST,)) -> ContactKeyService:
    """The key service of one process: no two share their memory."""
    return ContactKeyService(bus=bus, keys=state.contact_keys, derive_secrets=lambda: secrets, clock=clock)


def seal(key: UnwrappedKey) -> bytes:
    assert key.cipher is not None
    return key.cipher.encrypt(b"0" * 12, b"the text", None)


async def records(bus: Bus) -> list[ContactKey]:
    """Those before a tombstone are left out."""
    found: dict[int, ContactKey | None] = {}
    async for record in await bus.read(topics.KEYS):
        if record.value is None:
            found = {at: each for at, each in found.items() if each is None or each.contact_id != record.key}
        else:
            found[record.offset] = ContactKey.model_validate_json(record.value)
    return [each for each in found.values() if each is not None]


async def test_a_key_is_found_under_its_tenant_alone(state: State) -> None:
    kept = key(new_id())
    assert await state.contact_keys.get(TENANT, kept.contact_id) is None
    assert await state.contact_keys.put(kept) == kept
    assert await state.contact_keys.get(TENANT, kept.contact_id) == kept
    assert await state.contact_keys.get("other", kept.contact_id) is None


async def test_many_keys_are_read_at_once_in_the_order_in_which_they_are_asked_for(state: State) -> None:
    kept = [key(new_id()) for _ in range(120)]
    await asyncio.gather(*(state.contact_keys.put(each) for each in kept))
    owners = [(TENANT, each.contact_id) for each in kept]
    assert await state.contact_keys.get_each(owners) == kept
    assert await state.contact_keys.get_each([]) == []
    mixed = [owners[1], ("other", kept[0].contact_id), (TENANT, new_id()), owners[0]]
    assert await state.contact_keys.get_each(mixed) == [kept[1], None, None, kept[0]]


async def test_a_process_reads_many_keys_as_it_reads_one(state: State, bus: Bus, clock: Clock) -> None:
    writer, reader = process(state, bus, clock), process(state, bus, clock)
    kept, erased, made, following, absent = [(TENANT, new_id()) for _ in range(5)]
    for owner in (kept, erased, following):
        await writer.get_or_create(*owner)
    await writer.erase(*erased)
    await state.contact_keys.put(writer.make_key(*made))
    known = await reader.get(*following)
    await writer.erase(*following)
    await writer.get_or_create(*following, said_at=later(1))
    assert known is not None
    wanted = dict.fromkeys((kept, erased, made, absent), 1) | {following: known.generation + 1}
    found = await reader.get_each(wanted)
    assert found.keys() == wanted.keys()
    for owner, each in found.items():
        one = await process(state, bus, clock).get(*owner)
        assert (None if each is None else each.generation) == (None if one is None else one.generation)
    assert found[made] is found[absent] is None
    assert (each := found[erased]) is not None
    assert each.is_erased
    assert (each := found[kept]) is not None
    assert seal(each) == seal(await writer.get_or_create(*kept))
    assert (each := found[following]) is not None
    assert each.generation == known.generation + 1


async def test_of_many_keys_those_that_the_store_has_lost_come_from_the_log(
    state: State, bus: Bus, clock: Clock
) -> None:
    writer = process(state, bus, clock)
    owners = [(TENANT, new_id()) for _ in range(40)]
    for owner in owners:
        await writer.get_or_create(*owner)
    await state.rebuild.prepare(frozenset({shard_of(owners[0][1])}))
    with pytest.raises(StateLost):
        await state.contact_keys.get_each(owners)
    found = await process(state, bus, clock).get_each(dict.fromkeys(owners, 1))
    assert all(each is not None for each in found.values())


async def test_of_keys_of_the_same_rank_the_first_one_stays(state: State) -> None:
    contact = new_id()
    answers = await asyncio.gather(*(state.contact_keys.put(key(contact)) for _ in range(20)))
    assert await state.contact_keys.get(TENANT, contact) == answers[0]
    assert len({each.wrapped for each in answers}) == 1


async def test_only_a_later_generation_replaces_an_erased_key(state: State) -> None:
    made = key(new_id(), stage="made")
    kept = made.model_copy(update={"stage": "kept"})
    erased = kept.erase(later(1))
    for each, stored in ((made, made), (kept, kept), (made, kept), (erased, erased), (kept, erased)):
        assert await state.contact_keys.put(each) == stored
    rewrapped = kept.model_copy(update={"revision": 7})
    assert await state.contact_keys.put(rewrapped) == erased
    following = key(made.contact_id, generation=2, stage="made")
    assert await state.contact_keys.put(following) == following
    assert await state.contact_keys.put(erased) == following


async def test_a_rebuild_empties_the_keys_and_restores_those_of_the_log(state: State) -> None:
    valid, erased, lost = key(new_id()), key(new_id()), key(new_id())
    for each in (valid, erased, lost):
        await state.contact_keys.put(each)
    await state.rebuild.prepare(ALL_SHARDS)
    for each in (valid, erased, erased.erase(later(1)), erased):
        await state.rebuild.restore_contact_key(each)
    await state.rebuild.finish(ALL_SHARDS)
    assert await state.contact_keys.get(TENANT, valid.contact_id) == valid
    assert await state.contact_keys.get(TENANT, erased.contact_id) == erased.erase(later(1))
    assert await state.contact_keys.get(TENANT, lost.contact_id) is None


async def test_a_key_is_removed_unless_it_has_changed(state: State) -> None:
    stored, contact = key(new_id()), new_id()
    await state.contact_keys.put(stored)
    changed = await state.contact_keys.put(stored.retire(NOW))
    assert not await state.contact_keys.remove(stored)
    assert await state.contact_keys.get(TENANT, stored.contact_id) == changed
    assert await state.contact_keys.remove(changed)
    assert await state.contact_keys.remove(changed), "it may be repeated"
    assert await state.contact_keys.get(TENANT, stored.contact_id) is None
    assert await state.contact_keys.remove(key(contact))


async def test_an_unused_key_is_removed_in_two_steps(state: State, bus: Bus, clock: Clock) -> None:
    contact, service = new_id(), process(state, bus, clock)
    before = await service.get_or_create(TENANT, contact)
    assert not await service.retire(TENANT, contact, is_used=False)
    clock.now += RETIRED_FOR - timedelta(seconds=1)
    assert not await service.retire(TENANT, contact, is_used=False)
    clock.now += timedelta(seconds=1)
    assert await service.retire(TENANT, contact, is_used=False)
    assert await state.contact_keys.get(TENANT, contact) is None
    assert await records(bus) == []
    after = await service.get_or_create(TENANT, contact)
    assert after.generation > before.generation
    assert seal(after) != seal(before)


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_key_that_is_used_again_stays(state: State, bus: Bus, clock: Clock, is_known: bool) -> None:
    contact, service, other = new_id(), process(state, bus, clock), process(state, bus, clock)
    before = await service.get_or_create(TENANT, contact)
    clock.now += CACHE_LIFETIME
    await service.retire(TENANT, contact, is_used=False)
    assert await other.get(TENANT, contact) is not None
    assert other.get_cached(TENANT, contact) is None, "nothing may be sealed with it as long as it may go"
    if not is_known:
        assert seal(await other.get_or_create(TENANT, contact)) == seal(before)
    clock.now += RETIRED_FOR
    assert await service.retire(TENANT, contact, is_used=is_known) is is_known
    assert await records(bus) != []
    assert seal(await other.get_or_create(TENANT, contact)) == seal(before)


async def test_a_key_that_is_made_while_the_earlier_one_is_removed_stays_on_the_log(
    state: State, bus: Bus, clock: Clock
) -> None:
    contact, other = new_id(), process(state, bus, clock)
    await other.get_or_create(TENANT, contact)

    class DelayedBus:
        """Another process makes a key before the tombstone is on the log."""

        is_first = True

        async def append(self, events: Any) -> Any:
            if self.is_first:
                self.is_first = False
                await other.get_or_create(TENANT, contact)
            return await bus.append(events)

    delayed: Any = DelayedBus()
    service = process(state, delayed, clock)
    await service.retire(TENANT, contact, is_used=False)
    clock.now += RETIRED_FOR
    assert await service.retire(TENANT, contact, is_used=False)
    kept = await state.contact_keys.get(TENANT, contact)
    assert [each.generation for each in await records(bus)] == [kept.generation if kept else None]


async def test_an_erased_key_stays_when_its_contact_is_removed(state: State, bus: Bus, clock: Clock) -> None:
    contact, service = new_id(), process(state, bus, clock)
    await service.get_or_create(TENANT, contact)
    await service.retire(TENANT, contact, is_used=False)
    await service.erase(TENANT, contact)
    assert await service.retire(TENANT, contact, is_used=False)
    assert (await service.get_or_create(TENANT, contact)).is_erased


async def test_a_rebuild_does_not_bring_back_a_removed_key(state: State, bus: Bus, clock: Clock) -> None:
    contact, service = new_id(), process(state, bus, clock)
    await service.get_or_create(TENANT, contact)
    await service.retire(TENANT, contact, is_used=False)
    clock.now += RETIRED_FOR
    await service.retire(TENANT, contact, is_used=False)
    await rebuild(bus, state.rebuild, ALL_SHARDS, channels=CHANNELS, grace=0, now=NOW)
    assert await process(state, bus, clock).get(TENANT, contact) is None


async def test_processes_that_need_a_key_at_once_use_the_same_one(state: State, bus: Bus, clock: Clock) -> None:
    contact = new_id()
    services = [process(state, bus, clock) for _ in range(10)]
    keys = await asyncio.gather(*(each.get_or_create(TENANT, contact) for each in services))
    assert len({seal(each) for each in keys}) == 1
    other = await services[0].get_or_create(TENANT, new_id())
    assert seal(other) != seal(keys[0])


async def test_a_key_is_on_the_log_before_its_first_use_and_survives_the_store(
    state: State, bus: Bus, clock: Clock
) -> None:
    contact = new_id()
    before = await process(state, bus, clock).get_or_create(TENANT, contact)
    await rebuild(bus, state.rebuild, ALL_SHARDS, channels=CHANNELS, grace=0, now=NOW)
    after = await process(state, bus, clock).get(TENANT, contact)
    assert after is not None
    assert seal(after) == seal(before)


async def test_a_key_that_its_process_could_not_publish_is_published_by_the_next_one(
    state: State, bus: Bus, clock: Clock, tmp_path: Path
) -> None:
    contact, second = new_id(), process(state, bus, clock)
    async with open_log(tmp_path / "closed.db", clock) as closed:
        first = process(state, closed, clock)
    with pytest.raises(BusUnavailable):
        await first.get_or_create(TENANT, contact)
    assert await second.get(TENANT, contact) is None, "nothing may be sealed with it yet"
    assert await records(bus) == []
    await second.get_or_create(TENANT, contact)
    assert [each.stage for each in await records(bus)] == ["kept"]


async def test_an_erased_key_is_gone_in_every_process_and_after_a_rebuild(state: State, bus: Bus, clock: Clock) -> None:
    contact, services = new_id(), [process(state, bus, clock) for _ in range(2)]
    for each in services:
        await each.get_or_create(TENANT, contact)
    for _ in range(2):
        await services[0].erase(TENANT, contact)
    clock.now += CACHE_LIFETIME
    for each in services:
        assert (await each.get_or_create(TENANT, contact)).is_erased
    await rebuild(bus, state.rebuild, ALL_SHARDS, channels=CHANNELS, grace=0, now=NOW)
    assert (await process(state, bus, clock).get_or_create(TENANT, contact)).is_erased
    assert (await records(bus))[-1].wrapped == ""


async def test_only_what_is_said_after_an_erasure_begins_another_generation(
    state: State, bus: Bus, clock: Clock
) -> None:
    contact, service = new_id(), process(state, bus, clock)
    before = await service.get_or_create(TENANT, contact)
    clock.now += timedelta(minutes=1)
    await service.erase(TENANT, contact)
    redelivered = await service.get_or_create(TENANT, contact, said_at=NOW)
    assert redelivered.is_erased
    after = await service.get_or_create(TENANT, contact, said_at=clock.now + timedelta(seconds=1))
    assert after.generation > before.generation
    assert seal(after) != seal(before)


async def test_a_contact_without_a_key_may_be_erased(state: State, bus: Bus, clock: Clock) -> None:
    contact, service = new_id(), process(state, bus, clock)
    await service.erase(TENANT, contact)
    assert (await service.get_or_create(TENANT, contact)).is_erased


async def test_keys_are_wrapped_by_the_current_secret_and_opened_by_all(state: State, bus: Bus, clock: Clock) -> None:
    contact = new_id()
    before = await process(state, bus, clock).get_or_create(TENANT, contact)
    rotated = await process(state, bus, clock, (SECOND, FIRST)).get(TENANT, contact)
    assert rotated is not None
    assert seal(rotated) == seal(before)
    with pytest.raises(Unavailable, match="cannot be opened"):
        await process(state, bus, clock, (SECOND,)).get(TENANT, contact)
    assert await process(state, bus, clock, (SECOND, FIRST)).rewrap_all() == 1
    assert await process(state, bus, clock, (SECOND, FIRST)).rewrap_all() == 0
    rewrapped = await process(state, bus, clock, (SECOND,)).get(TENANT, contact)
    assert rewrapped is not None
    assert seal(rewrapped) == seal(before)


async def test_a_rotation_wraps_all_keys_anew_once(state: State, bus: Bus, clock: Clock) -> None:
    contact, secrets = new_id(), [FIRST]
    service = ContactKeyService(bus=bus, keys=state.contact_keys, derive_secrets=lambda: secrets, clock=clock)
    await service.get_or_create(TENANT, contact)
    for ring in ([FIRST], [FIRST, SECOND], [SECOND, FIRST], [SECOND, FIRST], [SECOND]):
        secrets[:] = ring
        await service.follow_rotation()
    assert [each.revision for each in await records(bus)] == [0, 1]
    assert await process(state, bus, clock, (SECOND,)).get(TENANT, contact) is not None


async def test_keys_come_from_the_log_while_the_store_is_rebuilt(state: State, bus: Bus, clock: Clock) -> None:
    contact, erased = new_id(), new_id()
    before = await process(state, bus, clock).get_or_create(TENANT, contact)
    await process(state, bus, clock).get_or_create(TENANT, erased)
    await process(state, bus, clock).erase(TENANT, erased)
    await state.rebuild.prepare(ALL_SHARDS)
    service = process(state, bus, clock)
    during = await service.get_or_create(TENANT, contact)
    assert seal(during) == seal(before)
    assert (await service.get_or_create(TENANT, erased)).is_erased
    with pytest.raises(StateLost):
        await service.get_or_create(TENANT, new_id())


async def test_a_key_made_between_two_losses_is_found_in_the_second(state: State, bus: Bus, clock: Clock) -> None:
    """Else what it seals would look damaged, and a record be given up."""
    contact, service = new_id(), process(state, bus, clock)
    await state.rebuild.prepare(ALL_SHARDS)
    assert await service.get(TENANT, contact) is None
    await state.rebuild.finish(ALL_SHARDS)
    clock.now += timedelta(seconds=2)
    made = await process(state, bus, clock).get_or_create(TENANT, contact)
    await state.rebuild.prepare(ALL_SHARDS)
    clock.now += timedelta(milliseconds=1)
    in_use = await service.get(TENANT, contact, made_at=clock.now)
    assert in_use is not None
    assert seal(in_use) == seal(made)


async def test_the_log_is_read_once_for_records_that_are_older_than_what_was_read(
    state: State, bus: Bus, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rebuild meets many keys that are gone."""
    service, readings = process(state, bus, clock), 0
    read = bus.read

    async def count(topic: str) -> Any:
        nonlocal readings
        readings += 1
        return await read(topic)

    monkeypatch.setattr(bus, "read", count)
    await state.rebuild.prepare(ALL_SHARDS)
    for _ in range(20):
        clock.now += timedelta(seconds=2)
        assert await service.get(TENANT, new_id(), made_at=NOW - timedelta(minutes=1)) is None
    assert readings == 1


async def test_a_wrapped_key_is_of_no_use_under_another_contact(state: State, bus: Bus, clock: Clock) -> None:
    victim, thief = new_id(), new_id()
    await process(state, bus, clock).get_or_create(TENANT, victim)
    stolen = await state.contact_keys.get(TENANT, victim)
    assert stolen is not None
    await state.contact_keys.put(stolen.model_copy(update={"contact_id": thief}))
    with pytest.raises(Unavailable, match="cannot be opened"):
        await process(state, bus, clock).get(TENANT, thief)


async def test_the_memory_of_a_process_is_bounded(
    state: State, bus: Bus, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_service, "MAX_CACHED", 3)
    contacts, service = [new_id() for _ in range(5)], process(state, bus, clock)
    for contact in contacts:
        await service.get_or_create(TENANT, contact)
    cached = [service.get_cached(TENANT, contact) is not None for contact in contacts]
    assert cached == [False, False, True, True, True]


async def test_keys_that_are_not_used_any_more_leave_the_memory(state: State, bus: Bus, clock: Clock) -> None:
    """A key takes 3 KB, and thousands of contacts write each hour."""
    service = process(state, bus, clock)
    before = count_keys()
    for _ in range(5):
        await service.get_or_create(TENANT, new_id())
    clock.now += key_service.CACHE_LIFETIME
    await service.get_or_create(TENANT, new_id())
    assert count_keys() == before + 1


def count_keys() -> int:
    gc.collect()
    return sum(isinstance(each, UnwrappedKey) for each in gc.get_objects())
