"""Customers who edit or delete what they have said. Played with all others: tests.scenarios.channel_scenarios."""

from __future__ import annotations

from tests.scenarios.customer_conversation import FACTS, HEAT, RETURN, WATER, CustomerConversation


async def edit(talk: CustomerConversation) -> None:
    """An edit of a message that waits replaces it."""
    message = await talk.say(HEAT)
    await talk.vendor.edit(talk.person, message, RETURN)
    await talk.accepted()
    await talk.sees(FACTS[RETURN])
    await talk.ask(WATER)
    await talk.sees(FACTS[RETURN], FACTS[WATER])
    await talk.whole([RETURN, WATER])


async def edits_overtaken(talk: CustomerConversation) -> None:
    """Of two edits of an answered message that are told in the other order, the later one is answered, and stays."""
    message = await talk.say(HEAT)
    await talk.sees(FACTS[HEAT])
    async with talk.customers.backwards():
        await talk.vendor.edit(talk.person, message, WATER)
        await talk.next_second()
        await talk.vendor.edit(talk.person, message, RETURN)
    await talk.accepted()
    await talk.sees(FACTS[HEAT], FACTS[RETURN])
    await talk.ask(WATER)
    await talk.sees(FACTS[HEAT], FACTS[RETURN], FACTS[WATER])
    found = await talk.record(lambda one: len(one["turns"]) == 3, "three turns")
    assert [line["text"] for line in found["transcript"] if line["author"]["kind"] == "contact"] == [RETURN, WATER]


async def deletion(talk: CustomerConversation) -> None:
    """A message that is taken back while it waits is not answered, and its words are gone."""
    message = await talk.say(HEAT)
    await talk.vendor.delete(talk.person, message)
    await talk.accepted()
    await talk.ask(WATER)
    await talk.sees(FACTS[WATER])
    found = await talk.record(lambda one: len(one["transcript"]) >= 2, "the record")
    assert HEAT not in [line["text"] for line in found["transcript"]]
