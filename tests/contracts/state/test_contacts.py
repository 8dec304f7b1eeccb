"""Contacts: one person behind all their addresses, one conversation at one place."""

from __future__ import annotations

import asyncio

from schemas import ids
from schemas.conversation import Contact
from schemas.messages import Address, Assurance
from schemas.ports import State
from tests.contracts.state.samples import NOW, later


def phone(value: str = "49170", assurance: Assurance = "channel") -> Address:
    return Address(channel="whatsapp", value=value, assurance=assurance)


SCOPED = Address(channel="whatsapp", value="DE.scoped-1", assurance="channel")


async def resolve(
    state: State,
    place: str,
    *addresses: Address,
    tenant: str = "plantstore",
    channel: str = "whatsapp",
    account: str = "meta",
    at: float = 0,
) -> tuple[Contact, str]:
    return await state.contacts.resolve(tenant, channel, account, place, addresses, now=later(at))


async def test_an_address_seen_first_makes_a_contact_and_its_place_a_conversation(state: State) -> None:
    contact, conversation = await resolve(state, "49170", phone())
    assert contact.id == ids.contact_id("plantstore", "whatsapp", "49170")
    assert (contact.tenant, contact.addresses, contact.created_at) == ("plantstore", [phone()], NOW)
    assert conversation == ids.conversation_id("plantstore", "whatsapp", "meta", "49170")
    assert await state.contacts.get("plantstore", contact.id) == contact
    assert await resolve(state, "49170", phone(), at=60) == (contact, conversation)


async def test_a_new_alias_joins_the_contact_and_leads_to_the_same_conversation(state: State) -> None:
    contact, conversation = await resolve(state, "49170", phone())
    both, same = await resolve(state, SCOPED.value, SCOPED, phone(), at=60)
    assert (both.id, same) == (contact.id, conversation)
    assert {address.value for address in both.addresses} == {"49170", SCOPED.value}
    assert await resolve(state, SCOPED.value, SCOPED, at=120) == (both, conversation)
    assert await resolve(state, "49170", phone(), at=120) == (both, conversation)


async def test_two_contacts_seen_together_become_the_older_one_with_its_conversation(state: State) -> None:
    younger, elsewhere = await resolve(state, SCOPED.value, SCOPED, at=60)
    older, conversation = await resolve(state, "49170", phone(), at=0)
    assert (younger.id, elsewhere) != (older.id, conversation)
    both, same = await resolve(state, SCOPED.value, SCOPED, phone(), at=120)
    assert (both.id, both.created_at, same) == (older.id, NOW, conversation)
    for place, address in (("49170", phone()), (SCOPED.value, SCOPED)):
        assert await resolve(state, place, address, at=180) == (both, conversation)
    assert await state.contacts.get("plantstore", younger.id) == both
    assert await state.contacts.get("plantstore", older.id) == both


async def test_a_chain_of_merges_ends_at_the_oldest(state: State) -> None:
    addresses = [phone(f"49{n}") for n in range(4)]
    made = [await resolve(state, address.value, address, at=n) for n, address in enumerate(addresses)]
    await resolve(state, "492", addresses[2], addresses[3], at=10)
    await resolve(state, "491", addresses[1], addresses[2], at=11)
    last, conversation = await resolve(state, "493", addresses[3], addresses[0], at=12)
    assert (last.id, conversation) == (made[0][0].id, made[0][1])
    for contact, _ in made:
        assert await state.contacts.get("plantstore", contact.id) == last
    for address in addresses:
        assert await resolve(state, address.value, address, at=13) == (last, conversation)


async def test_concurrent_resolutions_agree_on_one_contact_and_one_conversation(state: State) -> None:
    calls = [((SCOPED, phone()), SCOPED.value), ((phone(), SCOPED), "49170"), ((SCOPED, phone()), "49170")]
    results = await asyncio.gather(
        *(resolve(state, place, *addresses) for _ in range(12) for addresses, place in calls)
    )
    assert len({contact.id for contact, _ in results}) == 1
    assert len({conversation for _, conversation in results}) == 1


async def test_each_account_has_a_conversation_of_its_own_with_the_contact(state: State) -> None:
    contact, meta = await resolve(state, "49170", phone())
    same, twilio = await resolve(state, "49170", phone(), account="twilio")
    assert same.id == contact.id
    assert twilio == ids.conversation_id("plantstore", "whatsapp", "twilio", "49170")
    assert twilio != meta


async def test_rooms_are_conversations_of_their_own_whoever_writes_there(state: State) -> None:
    user = Address(channel="slack", value="T1:U1", assurance="channel")
    one = await resolve(state, "T1:C1:171.1", user, channel="slack", account="main")
    two = await resolve(state, "T1:C1:172.2", user, channel="slack", account="main")
    assert one[0] == two[0]
    assert one[1] == ids.conversation_id("plantstore", "slack", "main", "T1:C1:171.1")
    assert two[1] == ids.conversation_id("plantstore", "slack", "main", "T1:C1:172.2")


async def test_assurance_only_rises(state: State) -> None:
    for given, wanted in (("anonymous", "anonymous"), ("verified", "verified"), ("channel", "verified")):
        address = Address(channel="whatsapp", value="49170", assurance=given)  # type: ignore[arg-type]
        contact, _ = await resolve(state, "49170", address)
        assert [found.assurance for found in contact.addresses] == [wanted]
        assert await state.contacts.get("plantstore", contact.id) == contact


async def test_a_place_without_addresses_is_its_own_address(state: State) -> None:
    contact, conversation = await resolve(state, "visitor-1", channel="web", account="main")
    assert [address.value for address in contact.addresses] == ["visitor-1"]
    assert await resolve(state, "visitor-1", channel="web", account="main", at=9) == (contact, conversation)


async def test_tenants_never_share_a_contact_or_a_conversation(state: State) -> None:
    ours, our_conversation = await resolve(state, "49170", phone())
    theirs, their_conversation = await resolve(state, "49170", phone(), tenant="other")
    assert ours.id != theirs.id
    assert our_conversation != their_conversation
    assert await state.contacts.get("other", ours.id) is None
    assert await state.contacts.get("plantstore", "unknown") is None


async def test_one_value_on_two_channels_is_two_addresses(state: State) -> None:
    one, _ = await resolve(state, "1", Address(channel="whatsapp", value="1"))
    two, _ = await resolve(state, "1", Address(channel="instagram", value="1"), channel="instagram")
    assert one.id != two.id
