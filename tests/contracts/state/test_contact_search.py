"""Search of contacts: by name, address and phone number, page by page, on both engines."""

from __future__ import annotations

import asyncio

import pytest

from schemas import ids
from schemas.conversation import Contact, Origin
from schemas.errors import InvalidRequest
from schemas.messages import Address
from schemas.ports import ContactUpdate, State
from tests.contracts.state.engines import ALL_SHARDS
from tests.contracts.state.samples import later
from tests.contracts.state.test_contacts import SCOPED, phone, resolve

TENANT = "plantstore"


async def add(state: State, name: str, *addresses: Address, at: float = 0, tenant: str = TENANT) -> Contact:
    """A contact of this name; the first address is also the place that it writes from."""
    channel, place = addresses[0].channel, addresses[0].value
    change = ContactUpdate(at=later(at), name=name) if name else None
    contact, conversation = await resolve(
        state, place, *addresses, tenant=tenant, channel=channel, account="main", at=at, change=change
    )
    origin = Origin(tenant=tenant, channel=channel, account="main", place=place, contact_id=contact.id)
    await state.conversations.open(conversation, origin, now=later(at))
    return contact


def web(value: str) -> Address:
    return Address(channel="web", value=value)


async def find(state: State, query: str, *, channel: str = "", tenant: str = TENANT) -> list[str]:
    page = await state.contact_search.search(tenant, query, channel=channel)
    assert page.next == ""
    return [contact.name for contact in page.items]


async def test_a_word_of_the_name_or_its_beginning_finds_the_contact(state: State) -> None:
    await add(state, "Zoë Müller-Lüdenscheidt", phone("4917011"))
    await add(state, "Ada Lovelace", phone("4917022"))
    await add(state, "Adam Ries", phone("4917033"))
    for query in ("zoë", "ZOE", "mull", "zoe müller", "MÜLLER zoë"):
        assert await find(state, query) == ["Zoë Müller-Lüdenscheidt"], query
    assert await find(state, "ada") == ["Ada Lovelace", "Adam Ries"]
    assert await find(state, "ada love") == ["Ada Lovelace"]
    for query in ("lace", "ada muller", "!?", "zz"):
        assert await find(state, query) == [], query


async def test_addresses_phone_numbers_and_ids_find_the_contact(state: State) -> None:
    ada = await add(state, "Ada", phone("4917012345"))
    await add(state, "Eve", web("id:Eve.Adams@example.com"))
    await add(state, "Max", Address(channel="slack", value="T01:U0MAX"))
    for query in ("4917012345", "+49 170 123", "0049 (170) 12345", "49", ada.id, ada.id[:9].upper()):
        assert await find(state, query) == ["Ada"], query
    for query in ("eve.adams@example.com", "EVE.ADAMS@", "id:eve"):
        assert await find(state, query) == ["Eve"], query
    for query in ("u0max", "t01:u0"):
        assert await find(state, query) == ["Max"], query
    assert await find(state, "12345") == [], "the middle of a number"


async def test_the_list_of_all_is_by_name_and_may_be_limited_to_a_channel(state: State) -> None:
    await add(state, "", web("v-1"))
    await add(state, "max", web("v-2"))
    await add(state, "Ada", phone("49170"), web("v-3"))
    await add(state, "Zoë", phone("49171"))
    assert await find(state, "") == ["Ada", "max", "Zoë", ""]
    assert await find(state, " ", channel="web") == ["Ada", "max", ""]
    assert await find(state, "", channel="whatsapp") == ["Ada", "Zoë"]
    assert await find(state, "zoe", channel="web") == []
    assert await find(state, "", channel="discord") == []


async def test_pages_hold_every_contact_once_and_go_on_after_the_last_one(state: State) -> None:
    names = [f"Ada Adams {number:02}" for number in range(25)]
    await asyncio.gather(*(add(state, name, phone(f"49{number}")) for number, name in enumerate(names)))
    for query in ("", "ada", "a", "adams ada"):
        found: list[str] = []
        after = ""
        while True:
            page = await state.contact_search.search(TENANT, query, after=after, limit=10)
            found += [contact.name for contact in page.items]
            after = page.next
            if not after:
                break
            assert len(page.items) == 10
        assert sorted(found) == names, query
    for cursor in ("nonsense", "e30", "WzEsMl0", "WyJcdWQ4MDAiLCJ4Il0"):
        with pytest.raises(InvalidRequest):
            await state.contact_search.search(TENANT, "", after=cursor)


async def test_a_page_reads_no_more_of_the_index_than_it_may(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.state.contact_terms.BATCH", 3)
    monkeypatch.setattr("infra.state.contact_terms.MOST_ROWS", 6)
    await asyncio.gather(*(add(state, f"Common {number:02}", phone(f"49{number}")) for number in range(20)))
    await add(state, "Common Rarity", phone("481"))
    found: list[str] = []
    after, pages = "", 0
    while True:
        page = await state.contact_search.search(TENANT, "common r", after=after)
        found += [contact.name for contact in page.items]
        pages, after = pages + 1, page.next
        if not after:
            break
    assert (found, pages) == (["Common Rarity"], 4)


async def test_a_new_name_replaces_the_earlier_one(state: State) -> None:
    await add(state, "Ada Byron", phone("4917011"))
    await add(state, "Ada Lovelace", phone("4917011"), at=100_000)
    assert await find(state, "byron") == []
    assert await find(state, "lovelace") == ["Ada Lovelace"]


async def test_an_address_that_changed_hands_finds_the_contact_who_has_it_now(state: State) -> None:
    await add(state, "Ada", SCOPED, phone("4917011"))
    await add(state, "Eve", Address(channel="whatsapp", value="DE.scoped-2"), phone("4917011"), at=60)
    assert await find(state, "4917011") == ["Eve"]
    assert await find(state, "de.scoped") == ["Ada", "Eve"]


async def test_merged_contacts_are_found_as_the_one_that_stays(state: State) -> None:
    younger = await add(state, "Ada", SCOPED, at=60)
    older = await add(state, "", phone("49170"), at=0)
    await add(state, "", SCOPED, phone("49170"), at=120)
    for query in ("ada", "49170", SCOPED.value):
        assert await find(state, query) == ["Ada"], query
        (found,) = (await state.contact_search.search(TENANT, query)).items
        assert found.id == older.id
    assert set(await state.contact_search.list_ids(TENANT, older.id)) == {older.id, younger.id}
    assert await state.contact_search.list_ids(TENANT, younger.id) == [younger.id]


async def test_a_chain_of_merges_lists_every_id_and_every_conversation(state: State) -> None:
    numbers = [phone(f"49{number}") for number in range(3)]
    made = [await add(state, "", number, at=at) for at, number in enumerate(numbers)]
    await add(state, "", numbers[2], numbers[1], at=10)
    await add(state, "", numbers[1], numbers[0], at=11)
    assert set(await state.contact_search.list_ids(TENANT, made[0].id)) == {contact.id for contact in made}
    found = await state.contact_search.list_conversations(TENANT, [made[0].id])
    expected = [ids.conversation_id(TENANT, "whatsapp", "main", number.value) for number in numbers]
    assert {each.id for each in found[made[0].id]} == set(expected)


async def test_conversations_of_several_contacts_come_newest_first(state: State) -> None:
    ada, eve = await add(state, "Ada", phone("49170")), await add(state, "Eve", web("v-1"), at=5)
    room = ids.conversation_id(TENANT, "slack", "main", "T1:C1:1.0")
    origin = Origin(tenant=TENANT, channel="slack", account="main", place="T1:C1:1.0", contact_id=ada.id)
    await state.conversations.begin(room, origin, [], now=later(50))
    found = await state.contact_search.list_conversations(TENANT, [ada.id, eve.id, "nobody"])
    direct = ids.conversation_id(TENANT, "whatsapp", "main", "49170")
    assert [(each.id, each.updated_at) for each in found[ada.id]] == [(room, later(50)), (direct, later(0))]
    assert len(found[eve.id]) == 1
    assert "nobody" not in found
    assert await state.contact_search.list_conversations("other", [ada.id]) == {}
    assert await state.contact_search.list_conversations(TENANT, []) == {}


async def test_tenants_do_not_find_each_others_contacts(state: State) -> None:
    await add(state, "Ada", phone("49170"))
    await add(state, "Eve", phone("49170"), tenant="plant:store")
    assert await find(state, "49170") == ["Ada"]
    assert await find(state, "49170", tenant="plant:store") == ["Eve"]
    assert await find(state, "", tenant="plant") == []


async def test_contacts_are_found_again_after_a_rebuild(state: State) -> None:
    ada = await add(state, "Ada", phone("49170"))
    assert await find(state, "ada") == ["Ada"]
    (conversation,) = (await state.contact_search.list_conversations(TENANT, [ada.id]))[ada.id]
    snapshot = await state.conversations.snapshot(conversation.id)
    assert snapshot is not None
    await state.rebuild.prepare(ALL_SHARDS)
    await state.rebuild.restore_contact(ada)
    await state.rebuild.restore(snapshot)
    await state.rebuild.finish(ALL_SHARDS)
    assert await find(state, "ada") == ["Ada"]
    assert (await state.contact_search.list_conversations(TENANT, [ada.id]))[ada.id] == [conversation]
