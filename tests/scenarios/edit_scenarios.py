"""Customers who edit or delete what they have said. Played with all others: tests.scenarios.channel_scenarios."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from tests.scenarios.customer_conversation import FACTS, HEAT, RETURN, WATER, CustomerConversation

TRIES = 20


async def change_while_it_waits(
    talk: CustomerConversation, change: Callable[[str], Awaitable[None]], answered: str
) -> list[str]:
    """Say something and change it while it waits, so that only ``answered`` is answered. On a busy machine the answer
    may be committed before the change is on the log. It is seen then, and stays, and all is said again. Return what the
    answers say."""
    seen: list[str] = []
    for _ in range(TRIES):
        await change(await talk.say(HEAT))
        await talk.until(partial(_is_answered, talk, len(seen), answered), f"an answer to {answered!r}")
        seen += [FACTS[HEAT], FACTS[answered]][len(seen) - len(talk.screen) :]
        await talk.sees(*seen)
        if FACTS[HEAT] not in seen[-2:]:
            return seen
    raise AssertionError(f"{TRIES} times what was changed at once was answered: {seen}")


async def edit(talk: CustomerConversation) -> None:
    """An edit of a message that waits replaces it."""

    async def change(message: str) -> None:
        await talk.vendor.edit(talk.person, message, RETURN)

    answers = await change_while_it_waits(talk, change, RETURN)
    await talk.ask(WATER)
    await talk.sees(*answers, FACTS[WATER])
    said = [*[RETURN] * answers.count(FACTS[RETURN]), WATER]
    await talk.record(lambda one: _own_texts(one) == said, "the record of what was said last")


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
    assert _own_texts(found) == [RETURN, WATER]


async def deletion(talk: CustomerConversation) -> None:
    """A message that is taken back while it waits is not answered, and its words are gone."""

    async def change(message: str) -> None:
        await talk.vendor.delete(talk.person, message)
        await talk.accepted()
        await talk.say(WATER)

    answers = await change_while_it_waits(talk, change, WATER)
    said = ["", WATER] * answers.count(FACTS[WATER])
    await talk.record(lambda one: _own_texts(one) == said, "the record without what was taken back")


def _is_answered(talk: CustomerConversation, before: int, question: str) -> bool:
    return len(talk.screen) > before and FACTS[question] in talk.screen[-1].text


def _own_texts(found: dict[str, Any]) -> list[str]:
    return [line["text"] for line in found["transcript"] if line["author"]["kind"] == "contact"]
