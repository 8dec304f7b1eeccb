"""An action's check: what cannot be done is refused before anybody is asked, and again before it is done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from agent_worker.actions import ActionContext, ActionFailed, ActionRefused, action
from agent_worker.actions.spec import Action
from agent_worker.voice import DEFAULT_VOICE
from schemas.errors import ConfigInvalid
from tests.simulators.models.server import ModelServer, Script
from tests.unit.agent_worker.actions.shop import (
    Order,
    Refund,
    Shop,
    Status,
    another_worker,
    open_shop,
    refund,
    require_own_order,
    status,
)
from tests.unit.agent_worker.actions.test_remote_model import call_script, with_remote_model

REFUSED = f"{DEFAULT_VOICE.action_refused} I cannot find this order among yours."


@dataclass
class OrderCheck:
    """What the check sees. ``keys``: the idempotency keys it was given."""

    paid_back: set[str] = field(default_factory=set)
    away: bool = False
    keys: list[str] = field(default_factory=list)

    async def check(self, context: ActionContext, arguments: Refund) -> None:
        self.keys.append(context.key)
        if self.away:
            raise ActionFailed("The books are closed.")
        require_own_order(context, arguments.order)
        if arguments.order in self.paid_back:
            raise ActionRefused("This order was paid back before.")


@dataclass
class CheckedShop:
    shop: Shop
    books: OrderCheck


@pytest.fixture
async def checked(tmp_path: Path) -> AsyncIterator[CheckedShop]:
    books = OrderCheck()
    async with open_shop(tmp_path, actions=(replace(refund, check=books.check), status)) as shop:
        yield CheckedShop(shop, books)


async def test_another_customers_order_is_refused_before_the_contact_is_asked(checked: CheckedShop) -> None:
    await checked.shop.say("ask", 'refund {"order": "A-2001", "amount": "12.50"}')
    reply = (await checked.shop.world.replies())[-1]
    assert (reply.text, reply.choices) == (REFUSED, [])
    assert (await checked.shop.memory()).confirmation is None
    assert await checked.shop.outcomes() == ["refund refused"]
    assert checked.shop.payments.asked == {}


async def test_a_colleague_is_not_asked_about_it_either(checked: CheckedShop) -> None:
    unasked = replace(checked.shop.world.settings.of("shop").actions.actions["refund"], confirm=False)
    actions = {**checked.shop.world.settings.of("shop").actions.actions, "refund": unasked}
    rules = checked.shop.world.settings.of("shop")
    checked.shop.world.settings.tenants["shop"] = replace(  # type: ignore[index]
        rules, actions=replace(rules.actions, actions=actions)
    )
    await checked.shop.say("ask", 'I want my money back\nrefund {"order": "A-2001", "amount": "80.00"}')
    assert await checked.shop.requested() == []
    assert (await checked.shop.world.known()).owner == "agent"


async def test_an_action_refused_by_its_check_after_the_confirmation_needs_no_approval(
    checked: CheckedShop,
) -> None:
    for number, amount in enumerate(("12.50", "80.00")):
        pending = await checked.shop.ask(amount, name=f"ask-{number}")
        checked.books.paid_back.add("A-1001")
        await checked.shop.hear(checked.shop.yes(pending, f"yes-{number}"))
        assert await checked.shop.last() == f"{DEFAULT_VOICE.action_refused} This order was paid back before."
        checked.books.paid_back.clear()
    assert (checked.shop.payments.done, await checked.shop.requested()) == ([], [])
    assert (await checked.shop.memory()).confirmation is None


async def test_an_action_refused_by_its_check_before_the_approval_is_not_done(checked: CheckedShop) -> None:
    await checked.shop.hear(checked.shop.yes(await checked.shop.ask("80.00")))
    (approval,) = (await checked.shop.memory()).approvals
    checked.books.paid_back.add("A-1001")
    await checked.shop.hear(await checked.shop.decided(approval.id, "approve", "one"))
    assert await checked.shop.last() == f"{DEFAULT_VOICE.action_refused} This order was paid back before."
    assert checked.shop.payments.done == []


async def test_an_action_begun_before_a_crash_reports_its_outcome_whatever_the_check_says_now(
    checked: CheckedShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A turn that dies after the call begins again: by then the check sees what the first attempt has done."""
    await checked.shop.hear(checked.shop.yes(await checked.shop.ask("80.00")))
    (approval,) = (await checked.shop.memory()).approvals
    lane = await checked.shop.world.lane(await checked.shop.decided(approval.id, "approve", "one"))

    async def dies(*_: object, **__: object) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(checked.shop.world.state.conversations, "commit", dies)
    with pytest.raises(asyncio.CancelledError):
        await checked.shop.worker.handle(lane)
    monkeypatch.undo()
    checked.books.paid_back.add("A-1001")
    await another_worker(checked.shop).handle(lane)
    assert await checked.shop.last() == "Refund R-1 of 80.00 is on its way."
    assert checked.shop.payments.effects() == {"A-1001 80.00": 1}


async def test_a_check_that_cannot_look_leads_to_no_question(checked: CheckedShop) -> None:
    checked.books.away = True
    await checked.shop.say("ask", 'refund {"order": "A-1001", "amount": "12.50"}')
    assert await checked.shop.last() == f"{DEFAULT_VOICE.action_failed} The books are closed."
    assert (await checked.shop.memory()).confirmation is None


async def test_a_check_has_no_idempotency_key_to_do_anything_under(checked: CheckedShop) -> None:
    await checked.shop.hear(checked.shop.yes(await checked.shop.ask()))
    assert checked.books.keys == ["", ""], "before the question, and before it is done"
    assert checked.shop.payments.effects() == {"A-1001 12.50": 1}


async def test_a_remote_model_is_told_that_it_was_refused_and_the_contact_is_not_asked(checked: CheckedShop) -> None:
    async with ModelServer().serving() as server:
        server.next_scripts = [call_script("refund", order="A-2001", amount="12.50"), Script()]
        checked.shop.worker = with_remote_model(checked.shop, server)
        await checked.shop.say("ask", "money back for A-2001 please")
        assert "I cannot find this order among yours" in await checked.shop.last()
        assert (await checked.shop.world.replies())[-1].choices == []
        assert (await checked.shop.memory()).confirmation is None


def test_a_read_with_a_check_is_a_mistake() -> None:
    async def look(context: ActionContext, arguments: Order) -> Status:
        """Look."""
        return Status(status="")

    async def check(context: ActionContext, arguments: Order) -> None: ...

    with pytest.raises(ConfigInvalid, match="a read needs no check"):
        action(risk="read", check=check)(look)
    assert isinstance(action(risk="write", check=check)(look), Action)
