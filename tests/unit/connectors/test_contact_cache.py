"""Contacts resolved a moment ago, over the real store."""

from __future__ import annotations

import gc
import weakref
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.inbound.caches import ENTRY_TTL, ContactCache
from infra.database import Database
from infra.state.sqlite.engine import open_sqlite_state
from schemas.conversation import Contact
from schemas.messages import Address
from schemas.ports import Contacts

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def contacts(tmp_path: Path) -> AsyncIterator[Contacts]:
    database = Database.open(tmp_path / "parley.db")
    state = open_sqlite_state(database)
    yield state.contacts
    await state.close()
    await database.close()


def address(value: str) -> Address:
    return Address(channel="whatsapp", value=value, assurance="channel")


async def resolve(who: ContactCache | Contacts, *values: str, now: datetime = NOW) -> tuple[Contact, str]:
    return await who.resolve("plants", "whatsapp", "main", values[0], [address(v) for v in values], now=now)


async def test_a_cached_contact_equals_the_stored_one(contacts: Contacts) -> None:
    """Asked again, within the minute or after it, contact and conversation are the same."""
    known = ContactCache(contacts)
    first = await resolve(known, "111")
    assert await resolve(known, "111") == first
    assert await resolve(known, "111", now=NOW + ENTRY_TTL) == first
    assert await resolve(contacts, "111") == first


async def test_two_contacts_that_turn_out_to_be_one_are_one_at_once(contacts: Contacts) -> None:
    """An event that names both addresses makes this process forget what it thought of either."""
    known = ContactCache(contacts)
    one, _ = await resolve(known, "111")
    other, _ = await resolve(known, "222")
    assert one.id != other.id
    both, _ = await resolve(known, "111", "222")
    assert {(await resolve(known, value))[0].id for value in ("111", "222")} == {both.id}


async def test_news_of_another_process_is_heard_within_the_minute(contacts: Contacts) -> None:
    """What somebody else has merged holds here once what is remembered is a minute old."""
    known = ContactCache(contacts)
    await resolve(known, "111", now=NOW - timedelta(hours=1))  # the oldest stays
    other, _ = await resolve(known, "222")
    both, _ = await resolve(contacts, "111", "222")
    assert other.id != both.id
    assert (await resolve(known, "222"))[0].id == other.id
    assert (await resolve(known, "222", now=NOW + ENTRY_TTL + timedelta(seconds=1)))[0].id == both.id


async def test_contacts_that_have_expired_leave_the_memory(contacts: Contacts) -> None:
    known = ContactCache(contacts)
    first = weakref.ref((await resolve(known, "111"))[0])
    await resolve(known, "222", now=NOW + ENTRY_TTL / 2)
    assert first() is not None
    await resolve(known, "333", now=NOW + ENTRY_TTL)
    gc.collect()
    assert first() is None
