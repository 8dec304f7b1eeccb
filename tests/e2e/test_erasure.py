"""Erased contacts are gone from every byte that an installation has written, and the others stay; on both engines."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.e2e.stored_data import read_stored_data
from tests.harness.chat_client import Contact
from tests.harness.contract_client import wait_for
from tests.harness.installation import Installation

PEOPLE = 8


@dataclass
class Person:
    """Somebody whose words contain a text that is nowhere else."""

    contact: Contact
    canary: str = field(default_factory=lambda: f"canary{uuid.uuid4().hex[:10]}")
    id: str = ""

    async def speak(self) -> None:
        await self.contact.open()
        # Several times, because SQLite divides long rows, perhaps in the middle of a word.
        said = await self.contact.say(f"Do you add a heat pack in winter? {' '.join([self.canary] * 5)}")
        await self.contact.answered(said.message_id)


async def find_contacts(parley: Installation, people: list[Person]) -> None:
    """Fill in under which ids the installation knows these people."""
    by_conversation = {person.contact.conversation: person for person in people}
    for item in (await parley.admin("GET", "contacts?limit=100"))["items"]:
        about = await parley.admin("GET", f"contacts/{item['id']}")
        for conversation in about["conversations"]:
            if conversation["id"] in by_conversation:
                by_conversation[conversation["id"]].id = item["id"]
    assert all(person.id for person in people)


async def erase(parley: Installation, person: Person) -> dict[str, Any]:
    begun = await parley.admin("DELETE", f"contacts/{person.id}")

    async def look() -> dict[str, Any] | None:
        found: dict[str, Any] = await parley.admin("GET", f"erasures/{begun['erasure_id']}")
        return found if found["state"] == "done" else None

    return await wait_for(look, deadline=120)


async def find_canaries(parley: Installation, people: list[Person]) -> dict[str, set[str]]:
    """By canary, the places in which it can be read."""
    places: dict[str, set[str]] = {person.canary: set() for person in people}
    async for where, what in read_stored_data(parley):
        for canary, found in places.items():
            if canary.encode() in what:
                found.add(where)
    return places


async def test_erased_people_are_in_no_byte_and_the_others_are_all_there(
    parley: Installation, http: aiohttp.ClientSession
) -> None:
    people = [Person(Contact(parley.base, http, f"person-{n}")) for n in range(PEOPLE)]
    await asyncio.gather(*(person.speak() for person in people))
    await find_contacts(parley, people)
    gone, kept = people[::2], people[1::2]
    done = await asyncio.gather(*(erase(parley, person) for person in gone))
    for one in done:
        assert one["stores"]["log_records_from_before_encryption"] == 0
        assert one["stores"]["messages"] >= 2
        assert one["proof"]
    found = await find_canaries(parley, people)
    assert {person.canary: found[person.canary] for person in gone} == {person.canary: set() for person in gone}
    for person in kept:
        assert found[person.canary], "the search finds what is there: state is not sealed"
        assert not any("parley.inbound" in place or "parley.events" in place for place in found[person.canary])
        about = await parley.admin("GET", f"conversations/{person.contact.conversation}")
        assert any(person.canary in line["text"] for line in about["transcript"])
    for person in gone:
        assert (await parley.admin("GET", f"contacts/{person.id}", ok=False))["error"]["code"] == "not_found"
