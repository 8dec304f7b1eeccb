"""Contacts: one person behind all their addresses, one conversation at one place."""

from __future__ import annotations

import asyncio

from schemas import ids
from schemas.conversation import Contact
from schemas.messages import Address, Assurance
from schemas.ports import ContactUpdate, State
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
    change: ContactUpdate | None = None,
) -> tuple[Contact, str]:
    return await state.contacts.resolve(tenant, channel, account, place, addresses, now=later(at), change=change)


def moved(at: float, *left: Address) -> ContactUpdate:
    return ContactUpdate(at=later(at), moved=True, left=left)


async def test_an_address_seen_first_makes_a_contact_and_its_place_a_conversation(state: State) -> None:
    contact, conversation = await resolve(state, "49170", phone())
    assert contact.id == ids.contact_id("plantstore", "whatsapp", "49170")
    assert (contact.tenant, contact.addresses, contact.created_at) == ("plantstore", [phone()], NOW)
    assert conversation == ids.conversation_id("plantstore", "whatsapp", "meta", "49170")
    assert await state.contacts.get("plantstore", contact.id) == contact
    assert await resolve(state, "49170", phone(), at=60) == (contact, conversation)


async def test_a_preview_answers_what_the_first_message_will_make_and_writes_nothing(state: State) -> None:
    asked = ("plantstore", "whatsapp", "meta", "49170", [phone()])
    contact, conversation = await state.contacts.preview(*asked, now=NOW)
    assert await state.contacts.get("plantstore", contact.id) is None
    assert await resolve(state, "49170", phone()) == (contact, conversation)
    both, same = await resolve(state, SCOPED.value, SCOPED, phone(), at=60)
    seen = await state.contacts.preview("plantstore", "whatsapp", "meta", SCOPED.value, [SCOPED], now=later(120))
    assert seen == (both, same)


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
    await resolve(state, "493", addresses[3], addresses[2], at=10)
    await resolve(state, "493", addresses[3], addresses[1], at=11)
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


OTHER = Address(channel="whatsapp", value="DE.scoped-2", assurance="channel")


async def test_an_alias_that_leads_to_somebody_known_otherwise_too_has_changed_hands(state: State) -> None:
    first, conversation = await resolve(state, SCOPED.value, SCOPED, phone())
    other, elsewhere = await resolve(state, OTHER.value, OTHER, phone(), at=60)
    assert (other.id != first.id, elsewhere != conversation) == (True, True)
    assert (await resolve(state, "49170", phone(), at=70))[1] == elsewhere
    kept, same = await resolve(state, SCOPED.value, SCOPED, at=80)
    assert (kept.id, same) == (first.id, conversation)
    assert [address.value for address in kept.addresses] == [SCOPED.value]


async def test_a_contact_who_moves_keeps_the_conversation_and_the_old_number_leads_nowhere(state: State) -> None:
    first, conversation = await resolve(state, "49170", phone())
    change = moved(60, phone())
    after, same = await resolve(state, "49170", phone(), phone("49171"), at=61, change=change)
    assert (after.id, same) == (first.id, conversation)
    assert [address.value for address in after.addresses] == ["49171"]
    assert await resolve(state, "49171", phone("49171"), at=62) == (after, conversation)
    stranger, elsewhere = await resolve(state, "49170", phone(), at=90)
    assert stranger.id != first.id
    assert elsewhere != conversation
    assert await resolve(state, "49170", phone(), at=91) == (stranger, elsewhere)
    twilio = await resolve(state, "49170", phone(), account="twilio", at=92)
    assert twilio[1] != ids.conversation_id("plantstore", "whatsapp", "twilio", "49170")


async def test_a_move_that_is_told_again_changes_nothing_and_gives_no_number_back(state: State) -> None:
    await resolve(state, "49170", phone())
    change = moved(60, phone())
    after, conversation = await resolve(state, "49170", phone(), phone("49171"), at=61, change=change)
    stranger, elsewhere = await resolve(state, "49170", phone(), at=90)
    again = await resolve(state, "49170", phone(), phone("49171"), at=100, change=change)
    assert again == (after, conversation)
    assert await resolve(state, "49170", phone(), at=110) == (stranger, elsewhere)
    assert await resolve(state, "49171", phone("49171"), at=111) == (after, conversation)


async def test_a_move_to_a_number_that_somebody_had_before_does_not_join_the_two(state: State) -> None:
    earlier, theirs = await resolve(state, "49171", phone("49171"))
    mover, mine = await resolve(state, "49170", phone(), at=1)
    after, same = await resolve(state, "49170", phone(), phone("49171"), at=61, change=moved(60, phone()))
    assert (after.id, same) == (mover.id, mine)
    kept = await state.contacts.get("plantstore", earlier.id)
    assert kept is not None
    assert (kept.addresses, [address.value for address in kept.left]) == ([], ["49171"])
    assert (await resolve(state, "49171", phone("49171"), at=70))[1] == mine != theirs


async def test_a_number_that_wrote_after_the_move_and_before_the_news_is_the_mover(state: State) -> None:
    mover, mine = await resolve(state, "49170", phone())
    early, _ = await resolve(state, "49171", phone("49171"), at=65)
    after, same = await resolve(state, "49170", phone(), phone("49171"), at=70, change=moved(60, phone()))
    assert (after.id, same) == (mover.id, mine)
    assert await state.contacts.get("plantstore", early.id) == after


async def test_the_last_word_on_being_written_to_holds_and_an_older_one_comes_too_late(state: State) -> None:
    async def says(opted_out: bool, at: float) -> bool:
        change = ContactUpdate(at=later(at), opted_out=opted_out)
        contact, _ = await resolve(state, "49170", phone(), at=at, change=change)
        assert await state.contacts.get("plantstore", contact.id) == contact
        return contact.opted_out

    assert await says(True, 10) is True
    assert await says(False, 20) is False
    assert await says(True, 15) is False
    assert await says(True, 30) is True
    contact, _ = await resolve(state, "49170", phone(), at=40)
    assert contact.opted_out


async def test_a_wish_about_marketing_is_kept_apart_from_whether_one_may_be_written_to(state: State) -> None:
    async def says(stops: bool, at: float) -> Contact:
        change = ContactUpdate(at=later(at), marketing_opted_out=stops)
        contact, _ = await resolve(state, "49170", phone(), at=at, change=change)
        assert await state.contacts.get("plantstore", contact.id) == contact
        return contact

    wished = await says(True, 20)
    assert (wished.marketing_opted_out, wished.opted_out) == (True, False)
    assert (await says(False, 10)).marketing_opted_out
    assert not (await says(False, 30)).marketing_opted_out


async def test_a_number_that_changed_hands_is_told_apart_after_a_rebuild_too(state: State) -> None:
    old, conversation = await resolve(state, SCOPED.value, SCOPED, phone())
    new, elsewhere = await resolve(state, OTHER.value, OTHER, phone(), at=60)
    shards = frozenset(range(256))
    for order in ((old, new), (new, old)):
        await state.rebuild.prepare(shards)
        for contact in order:
            await state.rebuild.restore_contact(contact)
        await state.rebuild.finish(shards)
        assert (await resolve(state, SCOPED.value, SCOPED, at=70))[1] == conversation
        assert (await resolve(state, OTHER.value, OTHER, at=70))[1] == elsewhere
        assert (await resolve(state, "49170", phone(), at=70))[1] == elsewhere


async def test_a_number_that_was_left_is_a_strangers_after_a_rebuild_too(state: State) -> None:
    await resolve(state, "49170", phone())
    after, conversation = await resolve(state, "49170", phone(), phone("49171"), at=61, change=moved(60, phone()))
    shards = frozenset(range(256))
    await state.rebuild.prepare(shards)
    await state.rebuild.restore_contact(after)
    await state.rebuild.finish(shards)
    stranger, elsewhere = await resolve(state, "49170", phone(), at=90)
    assert (stranger.id != after.id, elsewhere != conversation) == (True, True)


def build_rename(name: str, at: float, locale: str = "") -> ContactUpdate:
    return ContactUpdate(at=later(at), name=name, locale=locale)


async def test_a_newer_name_takes_the_place_of_an_older_and_an_older_one_changes_nothing(state: State) -> None:
    for at, name, locale, known in (
        (10, "Ann", "en-US", ("Ann", "en-US")),
        (30, "Ann Bloom", "", ("Ann Bloom", "en-US")),
        (20, "Ann", "de", ("Ann Bloom", "en-US")),
        (40, "", "de", ("Ann Bloom", "en-US")),
    ):
        contact, _ = await resolve(state, "49170", phone(), at=at, change=build_rename(name, at, locale))
        assert (contact.name, contact.locale) == known
        assert await state.contacts.get("plantstore", contact.id) == contact


async def test_a_name_that_is_said_with_every_message_is_written_down_twice_a_day(state: State) -> None:
    hours = (0, 1, 11, 12, 13, 25)
    dated = [
        (await resolve(state, "49170", phone(), at=3600 * hour, change=build_rename("Ann", 3600 * hour)))[0].named_at
        for hour in hours
    ]
    assert dated == [later(3600 * hour) for hour in (0, 0, 0, 12, 12, 25)]


async def test_two_contacts_of_one_name_are_two_whatever_else_they_say(state: State) -> None:
    one, here = await resolve(state, "49170", phone(), change=build_rename("Ann Bloom", 1, "de"))
    other, there = await resolve(state, "49171", phone("49171"), change=build_rename("Ann Bloom", 2, "de"))
    assert (one.id, here) != (other.id, there)
    for contact, place in ((one, "49170"), (other, "49171")):
        assert await state.contacts.get("plantstore", contact.id) == contact
        assert await resolve(state, place, phone(place), at=60, change=build_rename("Ann Bloom", 60, "de")) == (
            contact,
            here if place == "49170" else there,
        )


async def test_of_two_contacts_that_become_one_the_latest_name_holds(state: State) -> None:
    await resolve(state, "49170", phone(), change=build_rename("Ann", 5))
    await resolve(state, SCOPED.value, SCOPED, at=1, change=build_rename("Ann Bloom", 6, "de"))
    both, _ = await resolve(state, "49170", phone(), SCOPED, at=60)
    assert (both.name, both.locale, both.named_at) == ("Ann Bloom", "de", later(6))
    back, _ = await resolve(state, "49170", phone(), at=70, change=build_rename("Ann", 5))
    assert back == both
