"""People take a conversation over and give it back, on a whole installation, without any desk: over the admin API."""

from __future__ import annotations

from typing import Any

import aiohttp

from tests.harness.contract_client import ContractClient, Visitor, wait_for
from tests.harness.installation import Installation

PROMISE = "Your replacement parcel will arrive on Friday."


async def _get_conversation(shop: ContractClient, visitor: Visitor) -> dict[str, Any]:
    answer = await shop.admin("GET", f"conversations/{visitor.conversation}")
    body: dict[str, Any] = answer.body
    return body


async def _owned_by(shop: ContractClient, visitor: Visitor, owner: str) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        now = await _get_conversation(shop, visitor)
        return now if now["owner"] == owner else None

    return await wait_for(look)


async def _give(shop: ContractClient, visitor: Visitor, to: str) -> None:
    epoch = (await _get_conversation(shop, visitor))["epoch"]
    answer = await shop.admin("POST", f"conversations/{visitor.conversation}/owner", json={"to": to, "epoch": epoch})
    assert answer.status == 200, answer.body


async def test_agent_goes_on_where_people_left_off(parley: Installation, http: aiohttp.ClientSession) -> None:
    """A contact asks for a person and gets a promise. Given back, the agent answers what waited, keeps to the
    promise, and calls people again for a new wish only; what is closed it answers again. The figures say so."""
    shop = ContractClient(parley, http)
    visitor = await shop.visitor()
    asked = await visitor.say("I want to talk to a human.")
    told = await visitor.until("system", asked.body["seq"])
    assert told["text"].startswith("A colleague will take over here")
    await _owned_by(shop, visitor, "queue")

    said = {"client_msg_id": "p1", "text": PROMISE}
    assert (await shop.admin("POST", f"conversations/{visitor.conversation}/messages", json=said)).status == 202
    promised = await visitor.until("person", told["seq"])
    assert promised["text"] == PROMISE
    await _owned_by(shop, visitor, "person")
    waiting = await visitor.say("Within how many days can I return pots?")
    await _give(shop, visitor, "agent")
    answered = await visitor.until("agent", waiting.body["seq"])
    assert "30 days" in answered["text"]

    kept = await visitor.ask("When does my replacement parcel arrive?")
    assert PROMISE in kept["text"]
    assert "two working days" not in kept["text"]
    assert (await _get_conversation(shop, visitor))["owner"] == "agent"

    again = await visitor.say("Let me talk to a real person.")
    await visitor.until("system", again.body["seq"])
    await _owned_by(shop, visitor, "queue")
    await _give(shop, visitor, "closed")
    reopened = await visitor.ask("Do you add a heat pack in winter?")
    assert "heat pack" in reopened["text"]

    if parley.scaled:
        return  # there the worker tells its figures, at an address of its own

    async def counted() -> str | None:
        page = await shop.metrics()
        ended = ('ended="returned",tenant="plantstore"} 1.0', 'ended="closed",tenant="plantstore"} 1.0')
        return page if all(each in page for each in ended) else None

    page = await wait_for(counted)
    assert 'parley_handoff_seconds_count{tenant="plantstore"} 2.0' in page
