"""Names and addresses of contacts are unreadable in the state store, and everybody is found all the same: after an
upgrade, after a rotation of the secret key, and not after an erasure; the same on SQLite and Redis."""

from __future__ import annotations

from uuid import uuid4

import pytest

from schemas.conversation import Contact, Origin
from schemas.messages import Address
from schemas.ports import ContactUpdate
from tests.contracts.state.samples import NOW, conversation_of, later, new_id
from tests.contracts.state.test_sealed_state import Store, store

__all__ = ["store"]

FIRST, SECOND = b"1" * 32, b"2" * 32


class Visitor:
    """Somebody with a name and addresses that are nowhere else."""

    def __init__(self) -> None:
        self.name = f"Canary{uuid4().hex[:10]} Smith"
        self.phone = Address(channel="whatsapp", value=f"49{uuid4().int % 10**12:012}", assurance="channel")
        self.scoped = Address(channel="whatsapp", value=f"DE.{uuid4().hex}", assurance="channel")
        self.mail = Address(channel="web", value=f"id:{uuid4().hex[:12]}@example.com", assurance="verified")

    @property
    def words(self) -> list[str]:
        """What stands for them in what a store has written."""
        name = self.name.split()[0]
        return [name, name.lower(), self.phone.value, self.scoped.value, self.mail.value.removeprefix("id:")]

    async def write(self, store: Store, address: Address, *more: Address, at: float = 0, name: str = "") -> Contact:
        change = ContactUpdate(at=later(at), name=name) if name else None
        contact, _ = await store.state.contacts.resolve(
            "shop", address.channel, "main", address.value, [address, *more], now=later(at), change=change
        )
        return contact

    async def arrive(self, store: Store) -> Contact:
        """From two channels, which turn out to be those of one person."""
        await self.write(store, self.mail, name=self.name)
        await self.write(store, self.phone, at=1)
        return await self.write(store, self.mail, self.phone, at=2)

    async def find(self, store: Store) -> list[str]:
        """The contacts that each of these queries finds, and those that have the addresses."""
        name = self.name.lower().split()[0]
        found: list[str] = []
        for query in (
            name,
            name[:9],
            f"{name[:12]} smi",
            self.phone.value,
            f"+{self.phone.value[:8]}",
            self.mail.value,
        ):
            found += [each.id for each in (await store.state.contact_search.search("shop", query)).items]
        for address in (self.phone, self.mail):
            contact, _ = await store.state.contacts.preview(
                "shop", address.channel, "main", address.value, [address], now=NOW
            )
            found += [contact.id] if contact.name == self.name else []
        return found


async def count_all(store: Store) -> int:
    return len((await store.state.contact_search.search("shop", "")).items)


async def test_no_name_or_address_is_readable_and_everybody_is_found(store: Store) -> None:
    people = [Visitor(), Visitor()]
    contacts = [await each.arrive(store) for each in people]
    stored = await store.read_all()
    for person, contact in zip(people, contacts, strict=True):
        assert contact.id.encode() in stored, "the search finds what is there: ids are not encrypted"
        assert [word for word in person.words if word.encode() in stored] == []
        assert await person.find(store) == [contact.id] * 8
        assert await store.state.contacts.get("shop", contact.id) == contact
    assert [each.id for each in (await store.state.contact_search.search("shop", contacts[0].id)).items] == [
        contacts[0].id
    ]


async def test_somebody_erased_is_absent_and_every_row_of_theirs_can_be_removed(store: Store) -> None:
    gone, kept = Visitor(), Visitor()
    erased, stays = await gone.arrive(store), await kept.arrive(store)
    ids = await store.state.contact_search.list_ids("shop", erased.id)
    for id_ in ids:
        await store.keys.erase("shop", id_)
    assert await store.state.contacts.get("shop", erased.id) is None
    assert await gone.find(store) == []
    assert await store.state.contact_erasure.erase_contact("shop", erased.id) == {"contacts": 2, "addresses": 2}
    await store.state.contact_erasure.remove_copies()
    left = await store.read_all()
    # What is left are their keys, erased: in the two columns of the key and in its record, or in a hash of keys.
    assert all(left.count(id_.encode()) <= 3 for id_ in ids)
    assert await kept.find(store) == [stays.id] * 8
    # What a worker still writes of them is not readable either.
    await gone.write(store, gone.phone, at=3, name=gone.name)
    assert [word for word in gone.words if word.encode() in await store.read_all()] == []


async def test_plain_contacts_are_found_and_sealed_step_by_step(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.state.sqlite.contacts.READ_AT_ONCE", 3)
    monkeypatch.setattr("infra.state.sqlite.contacts.WRITTEN_AT_ONCE", 2)
    store.seal(is_sealing=False)
    people = [Visitor() for _ in range(8)]
    contacts = [await each.arrive(store) for each in people]
    plain = await store.read_all()
    assert all(word.encode() in plain for each in people for word in each.words[:1])
    assert await people[0].find(store) == [contacts[0].id] * 8
    store.seal()
    assert await people[1].find(store) == [contacts[1].id] * 8, "the first search indexes them"
    await store.seal_contacts()
    stored = await store.read_stored()
    assert [word for each in people for word in each.words if word.encode() in stored] == []
    for person, contact in zip(people, contacts, strict=True):
        assert await person.find(store) == [contact.id] * 8
    assert await count_all(store) == len(people)


async def test_places_of_an_earlier_release_are_sealed_too(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.state.sqlite.contacts.WRITTEN_AT_ONCE", 2)
    store.seal(is_sealing=False)
    origins = [
        Origin(tenant="shop", channel="web", account="main", place=f"place-{uuid4().hex}", contact_id=new_id())
        for _ in range(5)
    ]
    for each in origins:
        await store.state.conversations.open(conversation_of(each), each, now=NOW)
    plain = await store.read_all()
    assert all(each.place.encode() in plain for each in origins)
    store.seal()
    await store.seal_contacts()
    stored = await store.read_stored()
    assert [each.place for each in origins if each.place.encode() in stored] == []
    found = [await store.state.conversations.get(conversation_of(each)) for each in origins]
    assert [each and each.origin for each in found] == origins


async def test_somebody_who_is_back_early_is_answered_at_the_right_place(store: Store) -> None:
    origin = Origin(tenant="shop", channel="web", account="main", place="v-1", contact_id=new_id())
    await store.state.conversations.open(conversation_of(origin), origin, now=NOW)
    await store.keys.erase("shop", origin.contact_id)
    erased = await store.state.conversations.get(conversation_of(origin))
    assert erased is not None
    assert erased.origin.place == ""
    begun = await store.state.conversations.begin(conversation_of(origin), origin, [], now=NOW)
    assert begun.conversation.origin == origin


async def test_what_was_written_plain_in_between_is_found_and_sealed(store: Store) -> None:
    first, second = Visitor(), Visitor()
    contact = await first.arrive(store)
    await store.seal_contacts()
    assert await first.find(store) == [contact.id] * 8
    store.seal(is_sealing=False)
    assert await first.find(store) == [contact.id] * 8
    later_contact = await second.arrive(store)
    assert await second.find(store) == [later_contact.id] * 8
    store.seal()
    assert await second.find(store) == [later_contact.id] * 8
    await store.seal_contacts()
    stored = await store.read_stored()
    assert [word for each in (first, second) for word in each.words if word.encode() in stored] == []
    assert await second.find(store) == [later_contact.id] * 8


async def test_after_a_rotation_everybody_is_found_without_the_previous_key(store: Store) -> None:
    people = [Visitor() for _ in range(5)]
    contacts = [await each.arrive(store) for each in people]
    moved = people[0]
    # A number that its owner has left, but that nobody else has, still leads to them.
    await store.state.contacts.resolve(
        "shop",
        "whatsapp",
        "main",
        moved.scoped.value,
        [moved.scoped, moved.phone],
        now=later(5),
        change=ContactUpdate(at=later(5), moved=True, left=[moved.mail]),
    )
    await store.seal_contacts()
    before = {each.id: await store.state.contacts.get("shop", each.id) for each in contacts}
    store.secrets[:] = [SECOND, FIRST]
    for person, contact in zip(people[1:], contacts[1:], strict=True):
        assert await person.find(store) == [contact.id] * 8, "while both keys are there"
    newcomer = Visitor()
    new = await newcomer.arrive(store)
    await store.seal_contacts()
    await store.keys.rewrap_all()
    store.secrets[:] = [SECOND]
    for person, contact in [*zip(people[1:], contacts[1:], strict=True), (newcomer, new)]:
        assert await person.find(store) == [contact.id] * 8
        assert (await person.write(store, person.phone, at=9)).created_at == contact.created_at
    assert {id_: await store.state.contacts.get("shop", id_) for id_ in before} == before
    again = await moved.write(store, moved.phone, moved.scoped, at=10)
    assert (again.id, again.created_at) == (contacts[0].id, contacts[0].created_at)
    owner, _ = await store.state.contacts.preview("shop", "web", "main", moved.mail.value, [moved.mail], now=NOW)
    assert owner.id != contacts[0].id, "the address that they left leads to another contact, as before the rotation"
    assert await count_all(store) == len(people) + 1
    store.secrets[:] = [SECOND, b"3" * 32]
    await store.seal_contacts()
    assert await people[1].find(store) == [contacts[1].id] * 8


async def test_contacts_of_an_earlier_backup_are_found_without_the_key_of_their_rows(store: Store) -> None:
    person, other = Visitor(), Visitor()
    contacts = [await each.arrive(store) for each in (person, other)]
    await store.seal_contacts()
    store.secrets[:] = [SECOND, FIRST]
    await store.keys.rewrap_all()  # as a later keys file has them
    store.secrets[:] = [SECOND]
    await store.seal_contacts()
    for each, contact in zip((person, other), contacts, strict=True):
        assert await each.find(store) == [contact.id] * 8
        assert (await each.write(store, each.phone, at=9)).created_at == contact.created_at


async def test_an_address_that_looks_like_a_hash_leads_to_nobody_else(store: Store) -> None:
    person = Visitor()
    contact = await person.arrive(store)
    lookup = store.keys.lookups.get("shop")
    forged = Address(channel="whatsapp", value=lookup.list_addresses("whatsapp", person.phone.value)[0])
    for is_sealing in (True, False):
        store.seal(is_sealing=is_sealing)
        found, _ = await store.state.contacts.preview("shop", "whatsapp", "main", forged.value, [forged], now=NOW)
        assert found.id != contact.id
        assert found.name == ""
