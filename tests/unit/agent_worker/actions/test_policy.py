"""The contact and the declaration decide what may happen, whatever a model asks for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent_worker.actions.context import resolve_identity
from agent_worker.voice import DEFAULT_VOICE
from schemas.actions import Proof
from schemas.conversation import Contact, Origin
from schemas.messages import Address, Assurance
from tests.simulators.payments import open_payments
from tests.unit.agent_worker.actions.shop import Shop, note, open_shop, refund, rules
from tests.unit.agent_worker.worker_environment import ACCOUNT, CHANNEL, PLACE, TENANT, world_at


async def known_as(shop: Shop, assurance: Assurance) -> None:
    """Somebody else, of whom less is known, writes at the place."""
    contact = Contact(
        id="contact-1",
        tenant=TENANT,
        addresses=[Address(channel=CHANNEL, value=PLACE, assurance=assurance)],
        created_at=shop.world.clock(),
    )
    every = frozenset(range(256))
    await shop.world.state.rebuild.prepare(every)
    await shop.world.state.rebuild.restore_contact(contact)
    await shop.world.state.rebuild.finish(every)


@pytest.mark.parametrize("assurance", ["anonymous", "channel"])
async def test_an_unverified_contact_reads_and_changes_nothing_private(shop: Shop, assurance: Assurance) -> None:
    await known_as(shop, assurance)
    await shop.say("m1", 'refund {"order": "A-1001", "amount": "5"}\nstatus {"order": "A-1001"}')
    assert await shop.last() == "\n".join([DEFAULT_VOICE.needs_identity] * 2)
    assert [result.reason for result in shop.model.results] == ["needs_identity"] * 2
    assert (await shop.memory()).confirmation is None
    assert shop.payments.asked == {}


async def test_an_action_that_needs_less_assurance_is_done_for_a_less_known_contact(shop: Shop) -> None:
    await known_as(shop, "channel")
    await shop.say("m1", 'note {"order": "A-1001"}')
    assert shop.payments.effects() == {"A-1001 note": 1}


@pytest.mark.parametrize(
    "arguments",
    [
        '{"order": "A-2002", "amount": "5"}',
        '{"order": "A-2002", "amount": "5", "contact": "someone.else@example.com", "contact_id": "contact-2"}',
    ],
)
async def test_the_order_of_another_customer_is_not_found_whoever_the_model_says_it_is_for(
    shop: Shop, arguments: str
) -> None:
    await shop.say("m1", f"refund {arguments}")
    await shop.hear(shop.yes(await shop.pending()))
    assert await shop.last() == f"{DEFAULT_VOICE.action_refused} I cannot find this order among yours."
    await shop.say("m2", 'status {"order": "A-2002"}')
    assert "cannot find this order" in await shop.last()
    assert shop.payments.done == []
    assert await shop.outcomes() == ["refund refused", "status refused"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ('{"order": "A-1001"}', "invalid_arguments"),
        ('{"order": 7, "amount": "5"}', "invalid_arguments"),
        ('{"order": "A-1001", "amount": "-5"}', "invalid_arguments"),
        ('{"order": "A-1001", "amount": "0"}', "invalid_arguments"),
        ('{"order": "A-1001", "amount": "NaN"}', "invalid_arguments"),
        ('{"order": "A-1001", "amount": "1e999"}', "invalid_arguments"),
        ('{"order": "A-1001", "amount": "12.505"}', "invalid_arguments"),
        ('{"order": "A-1001", "amount": ["5"]}', "invalid_arguments"),
        ('{"order": "A-1001; DROP TABLE", "amount": "5"}', "invalid_arguments"),
        ("{}", "invalid_arguments"),
        ('{"order": "A-1001", "amount": "5", "currency": "' + "x" * 20_000 + '"}', "invalid_arguments"),
    ],
)
async def test_arguments_of_a_wrong_type_or_range_are_a_typed_refusal(shop: Shop, arguments: str, reason: str) -> None:
    await shop.say("m1", f"refund {arguments}")
    (result,) = shop.model.results
    assert (result.outcome, result.reason) == ("refused", reason)
    assert result.facts["problems"]
    assert (await shop.memory()).confirmation is None


async def test_a_limit_a_day_counts_what_was_begun_and_starts_again_the_next_day(shop: Shop) -> None:
    for n in range(4):
        await shop.say(f"m{n}", f'note {{"order": "A-100{n}"}}')
    assert len(shop.payments.done) == 2
    assert [result.reason for result in shop.model.results] == ["", "", "limit_reached", "limit_reached"]
    assert "as often as I may today" in await shop.last()
    shop.world.clock.advance(days=1)
    await shop.say("tomorrow", 'note {"order": "A-1009"}')
    assert len(shop.payments.done) == 3


async def test_a_model_that_calls_on_and_on_comes_to_an_end(shop: Shop) -> None:
    await shop.say("m1", "\n".join(['status {"order": "A-1001"}'] * 30))
    assert [result.reason for result in shop.model.results].count("too_many_calls") == 18


async def test_records_show_masked_arguments(tmp_path: Path) -> None:
    async with open_shop(tmp_path, actions=[replace(refund, sensitive=["order"])]) as shop:
        pending = await shop.ask()
        await shop.hear(shop.yes(pending))
        (record,) = await shop.records()
        assert record.arguments == {"order": "•••", "amount": "12.50", "currency": "EUR"}


async def test_several_people_who_write_at_once_each_act_in_their_own_name(shop: Shop) -> None:
    """Their messages are never one turn: the second may not see what is the first one's."""
    one = shop.world.said("m1", 'status {"order": "A-1001"}')
    two = shop.world.said("m2", 'status {"order": "A-1001"}')
    two.data = (two.data or b"").replace(b"contact-1", b"contact-2")
    await shop.hear(one, two)
    assert [result.outcome for result in shop.model.results] == ["succeeded", "refused"]


async def test_an_action_that_a_tenant_does_not_have_is_not_offered(tmp_path: Path) -> None:
    async with open_payments() as payments, world_at(tmp_path, prepare=False) as world:
        assert rules(payments).actions
        await world.handle(world.said("m1", 'refund {"order": "A-1001", "amount": "5"}'))
        assert world.model.asked[-1].offers == ()


NOW_ORIGIN = Origin(tenant=TENANT, channel=CHANNEL, account=ACCOUNT, place=PLACE, contact_id="c")


@pytest.mark.parametrize(
    ("addresses", "proofs", "level"),
    [
        ([], [], "anonymous"),
        ([(CHANNEL, PLACE, "anonymous")], [], "anonymous"),
        ([(CHANNEL, PLACE, "anonymous"), ("whatsapp", "49151", "channel")], [], "anonymous"),
        ([(CHANNEL, PLACE, "anonymous"), (CHANNEL, "other", "verified")], [], "anonymous"),
        ([(CHANNEL, "alias", "channel")], [], "channel"),
        ([(CHANNEL, PLACE, "verified")], [], "verified"),
        ([(CHANNEL, PLACE, "anonymous")], [("c", 1)], "verified"),
        ([(CHANNEL, PLACE, "anonymous")], [("c", -1)], "anonymous"),
        ([(CHANNEL, PLACE, "anonymous")], [("d", 1)], "anonymous"),
    ],
)
async def test_only_the_address_they_write_from_and_what_was_proven_here_make_a_contact_sure(
    shop: Shop, addresses: list[Any], proofs: list[Any], level: str
) -> None:
    now = shop.world.clock()
    contact = Contact(
        id="c",
        tenant=TENANT,
        addresses=[Address(channel=c, value=v, assurance=a) for c, v, a in addresses],
        created_at=now,
    )
    mail = Address(channel="email", value="rosa@example.com", assurance="verified")
    proven = [Proof(contact_id=who, address=mail, until=now + timedelta(minutes=until)) for who, until in proofs]
    found = resolve_identity(contact, "c", NOW_ORIGIN, proven, now)
    assert found.assurance == level
    assert found.has("email", "Rosa@Example.com") == (level == "verified" and bool(proven))


def test_a_write_that_is_not_told_otherwise_is_confirmed() -> None:
    assert refund.confirm is True
    assert note.confirm is False


@pytest.mark.parametrize(("channel", "done"), [("email", 1), ("phone", 0), ("whatsapp", 0), ("web", 0)])
async def test_a_value_that_was_proven_on_another_channel_authorizes_nothing(
    shop: Shop, channel: str, done: int
) -> None:
    """Whoever proves that a place or a number is theirs, whatever it is called, has proven no e-mail address."""
    contact = Contact(
        id="contact-1",
        tenant=TENANT,
        addresses=[
            Address(channel=CHANNEL, value=PLACE, assurance="verified"),
            Address(channel=channel, value="Rosa@Example.com", assurance="verified"),
        ],
        created_at=shop.world.clock(),
    )
    every = frozenset(range(256))
    await shop.world.state.rebuild.prepare(every)
    await shop.world.state.rebuild.restore_contact(contact)
    await shop.world.state.rebuild.finish(every)
    await shop.hear(shop.yes(await shop.ask()))
    assert len(shop.payments.done) == done
    if not done:
        assert await shop.last() == f"{DEFAULT_VOICE.action_refused} I cannot find this order among yours."
