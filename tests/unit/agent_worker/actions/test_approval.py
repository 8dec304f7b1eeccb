"""Above a limit a colleague's yes is needed too: to exactly this, once, in time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agent_worker.actions.spec import exceeds
from agent_worker.voice import DEFAULT_VOICE
from schemas import topics
from schemas.conversation import OwnerRequested
from tests.unit.agent_worker.actions.shop import Refund, Shop, another_worker, open_shop

ASKED = DEFAULT_VOICE.approval_asked
EXPIRED = DEFAULT_VOICE.approval_expired
DONE = "Refund R-1 of 80.00 is on its way."


async def ask_for_approval(shop: Shop, amount: str = "80.00") -> str:
    """The contact has said yes, and a colleague is asked. Returns the approval's id."""
    pending = await shop.ask(amount)
    await shop.hear(shop.yes(pending))
    (approval,) = (await shop.memory()).approvals
    return approval.id


async def test_people_are_asked_with_the_exact_action_amount_customer_and_reason(shop: Shop) -> None:
    approval = await ask_for_approval(shop)
    assert await shop.last() == ASKED
    known = await shop.world.known()
    assert known.owner == "queue"
    (asked,) = await shop.requested()
    assert asked.approval.id == approval
    assert asked.summary == "**Refund**\n- Order: A-1001\n- Amount: 80.00\n- Currency: EUR"
    assert (asked.approval.contact_id, asked.approval.reason) == ("contact-1", "amount is above 50 EUR")
    assert asked.approval.arguments["amount"] == "80.00"
    assert shop.payments.done == []
    assert (await shop.world.replies())[-1].author.kind == "system", "an owner change must not drop it"


async def test_the_yes_does_it_tells_the_contact_and_gives_the_conversation_back(shop: Shop) -> None:
    approval = await ask_for_approval(shop)
    await shop.hear(await shop.decided(approval, "approve", "one"))
    assert await shop.last() == DONE
    assert shop.payments.effects() == {"A-1001 80.00": 1}
    assert (await shop.memory()).approvals == []
    assert await shop.outcomes() == ["refund succeeded"]
    asked = await shop.world.payloads(topics.inbound("web"), topics.OWNER_REQUESTED, OwnerRequested)
    assert [request.to for request in asked] == ["queue", "agent"]


@pytest.mark.parametrize("words", [["approve"] * 5, ["approve", "deny"], ["deny", "approve"]])
async def test_of_several_words_the_first_counts(shop: Shop, words: list[str]) -> None:
    approval = await ask_for_approval(shop)
    for number, word in enumerate(words):
        await shop.hear(await shop.decided(approval, word, str(number)))
    assert len(shop.payments.done) == (words[0] == "approve")
    kept = (await shop.world.known()).facts.decisions
    assert [(each.approval_id, each.decision, each.by) for each in kept] == [(approval, words[0], "Rosa")]
    assert len(await shop.world.replies()) == 3, "the question, that a colleague is asked, and one word on it"


async def test_two_colleagues_at_the_same_time_do_it_once(shop: Shop) -> None:
    approval = await ask_for_approval(shop)
    shop.payments.honours = False
    await shop.hear(*[await shop.decided(approval, "approve", str(n)) for n in range(10)])
    assert shop.payments.effects() == {"A-1001 80.00": 1}


async def test_a_no_is_told_and_nothing_is_done(shop: Shop) -> None:
    approval = await ask_for_approval(shop)
    await shop.hear(await shop.decided(approval, "deny", "one"))
    assert await shop.last() == DEFAULT_VOICE.approval_denied
    assert shop.payments.done == []
    assert await shop.outcomes() == ["refund refused"]


async def test_a_yes_that_comes_too_late_does_nothing(shop: Shop) -> None:
    approval = await ask_for_approval(shop)
    shop.world.clock.advance(hours=25)
    await shop.hear(await shop.decided(approval, "approve", "late"))
    assert await shop.last() == EXPIRED
    assert shop.payments.done == []


async def test_that_nobody_decided_in_time_is_told_when_the_contact_writes_again(shop: Shop) -> None:
    await ask_for_approval(shop)
    shop.world.clock.advance(hours=25)
    await shop.say("hello", "hello?")
    assert await shop.last() == EXPIRED
    assert await shop.outcomes() == ["refund refused"]
    assert (await shop.memory()).approvals == []


async def test_a_word_on_what_was_never_asked_does_nothing(shop: Shop) -> None:
    await ask_for_approval(shop)
    before = len(await shop.world.replies())
    await shop.hear(await shop.decided("something-else", "approve", "one"))
    assert len(await shop.world.replies()) == before
    assert shop.payments.done == []


async def test_it_waits_over_restarts_and_while_a_person_has_the_conversation(shop: Shop) -> None:
    approval = await ask_for_approval(shop)
    known = await shop.world.known()
    await shop.hear(shop.world.owner_asked("person", known.epoch, "take"))
    shop.worker = another_worker(shop)
    await shop.hear(await shop.decided(approval, "approve", "one"))
    reply = (await shop.world.replies())[-1]
    assert (reply.text, reply.author.kind) == (DONE, "system")
    assert (await shop.world.known()).owner == "person", "nobody takes it away from the person"


async def test_below_the_limit_nobody_else_is_asked(shop: Shop) -> None:
    pending = await shop.ask("50.00")
    await shop.hear(shop.yes(pending))
    assert shop.payments.effects() == {"A-1001 50.00": 1}


@pytest.mark.parametrize(
    ("amount", "currency", "holds"),
    [("50", "EUR", False), ("50.01", "EUR", True), ("1", "USD", True), ("1", "eur", False), ("1", "", True)],
)
def test_another_currency_is_above_every_limit(amount: str, currency: str, holds: bool) -> None:
    limit = exceeds("amount", 50, currency="EUR")
    assert limit.holds(Refund(order="A-1001", amount=Decimal(amount), currency=currency)) == holds


# ── four eyes ────────────────────────────────────────────────────────────────────────────────────────────────────────

ROSA, MO = "operator:rosa", "operator:mo"


@pytest.fixture
async def strict(tmp_path: Path) -> AsyncIterator[Shop]:
    """A refund above 20 has to be approved, and one above 60 by two different people with the role admin."""
    limits: dict[str, Any] = {
        "approve": {"parameter": "amount", "above": 20},
        "four_eyes": {"parameter": "amount", "above": 60},
    }
    async with open_shop(tmp_path, declared=True, approver="admin", **limits) as shop:
        yield shop


async def test_one_person_is_enough_below_the_amount_for_four_eyes(strict: Shop) -> None:
    approval = await ask_for_approval(strict, "60.00")
    ((asked,),) = [(await strict.memory()).approvals]
    assert (asked.people, asked.role) == (1, "admin")
    await strict.hear(await strict.decided(approval, "approve", "one"))
    assert strict.payments.effects() == {"A-1001 60.00": 1}


async def test_above_it_the_second_persons_yes_does_it(strict: Shop) -> None:
    approval = await ask_for_approval(strict)
    (asked,) = await strict.requested()
    assert asked.approval.people == 2
    assert "two people" in asked.approval.reason
    await strict.hear(await strict.decided(approval, "approve", "one", person=ROSA))
    assert strict.payments.done == []
    (waiting,) = (await strict.memory()).approvals
    assert waiting.approved_by == [ROSA]
    assert (await strict.world.known()).owner == "queue", "people still have to decide"
    await strict.hear(await strict.decided(approval, "approve", "two", person=MO))
    assert strict.payments.effects() == {"A-1001 80.00": 1}
    assert (await strict.memory()).approvals == []


async def test_one_person_cannot_approve_twice(strict: Shop) -> None:
    approval = await ask_for_approval(strict)
    for number in range(5):
        await strict.hear(await strict.decided(approval, "approve", str(number), person=ROSA))
    await strict.hear(*[await strict.decided(approval, "approve", f"at once {n}", person=ROSA) for n in range(5)])
    assert strict.payments.done == []
    assert [each.approved_by for each in (await strict.memory()).approvals] == [[ROSA]]


async def test_two_people_at_once_do_it_once(strict: Shop) -> None:
    approval = await ask_for_approval(strict)
    words = [
        await strict.decided(approval, "approve", f"{person} {n}", person=person) for person in (ROSA, MO) for n in "ab"
    ]
    await strict.hear(*words)
    assert strict.payments.effects() == {"A-1001 80.00": 1}


async def test_the_second_persons_no_ends_it(strict: Shop) -> None:
    approval = await ask_for_approval(strict)
    await strict.hear(await strict.decided(approval, "approve", "one", person=ROSA))
    await strict.hear(await strict.decided(approval, "deny", "two", person=MO))
    assert strict.payments.done == []
    assert await strict.last() == DEFAULT_VOICE.approval_denied
    await strict.hear(await strict.decided(approval, "approve", "three", person="operator:eve"))
    assert strict.payments.done == []


async def test_the_first_yes_survives_a_restart(strict: Shop) -> None:
    approval = await ask_for_approval(strict)
    await strict.hear(await strict.decided(approval, "approve", "one", person=ROSA))
    strict.worker = another_worker(strict)
    await strict.hear(await strict.decided(approval, "approve", "two", person=MO))
    assert strict.payments.effects() == {"A-1001 80.00": 1}
