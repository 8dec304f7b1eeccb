"""Words of contacts are in no byte that an installation has written, and an erased contact is gone while the others
stay; on both engines."""

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
        words = " ".join([self.canary] * 5)
        said = await self.contact.say(f"Do you add a heat pack in winter? {words}", attachments=[await self.upload()])
        await self.contact.answered(said.message_id)

    async def upload(self) -> str:
        form = aiohttp.FormData()
        form.add_field("file", f"{self.canary} in a file".encode(), filename=f"{self.canary}.txt")
        url, token = f"{self.contact.chat}/attachments", {"Authorization": f"Bearer {self.contact.token}"}
        async with self.contact.http.post(url, data=form, headers=token) as answer:
            assert answer.status == 201, await answer.text()
            return str((await answer.json())["attachment_id"])


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


async def find_places(parley: Installation, texts: list[str]) -> dict[str, set[str]]:
    """By text, the places in which it can be read."""
    places: dict[str, set[str]] = {text: set() for text in texts}
    async for where, what in read_stored_data(parley):
        for text, found in places.items():
            if text.encode() in what:
                found.add(where)
    return places


async def test_erased_people_are_in_no_byte_and_the_others_are_all_there(
    parley: Installation, http: aiohttp.ClientSession
) -> None:
    people = [Person(Contact(parley.base, http, f"person-{n}")) for n in range(PEOPLE)]
    await asyncio.gather(*(person.speak() for person in people))
    await find_contacts(parley, people)
    canaries = [person.canary for person in people]
    readable = await find_places(parley, [*canaries, *(person.id for person in people)])
    assert {canary: readable[canary] for canary in canaries} == {canary: set() for canary in canaries}
    assert all(readable[person.id] for person in people), "the search finds what is there: ids are not encrypted"
    gone, kept = people[::2], people[1::2]
    done = await asyncio.gather(*(erase(parley, person) for person in gone))
    for one in done:
        assert one["stores"]["log_records_from_before_encryption"] == 0
        assert one["stores"]["messages"] >= 2
        assert one["stores"]["files"] == 1
        assert one["proof"]
    found = await find_places(parley, canaries)
    assert found == {canary: set() for canary in canaries}
    for person in kept:
        about = await parley.admin("GET", f"conversations/{person.contact.conversation}")
        assert any(person.canary in line["text"] for line in about["transcript"])
    for person in gone:
        assert (await parley.admin("GET", f"contacts/{person.id}", ok=False))["error"]["code"] == "not_found"
