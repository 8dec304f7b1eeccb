"""A refusal that is certain comes before the contact is asked for more, for a proof, or for a yes; and the order is
shown before the question about it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from agent_worker.actions import ActionContext, ActionRefused, action
from agent_worker.actions.execution import confirmation
from agent_worker.voice import DEFAULT_VOICE
from schemas.errors import ConfigInvalid
from tests.unit.agent_worker.actions.shop import Order, Refund, Shop, Status, open_shop, refund, status


@dataclass
class OrderPreview:
    """``closed``: orders about which nothing can be done. ``read``: those that were looked at."""

    closed: set[str] = field(default_factory=set)
    read: list[str] = field(default_factory=list)

    async def preview(self, context: ActionContext, arguments: Order) -> str:
        self.read.append(arguments.order)
        if arguments.order in self.closed:
            raise ActionRefused(f"Order {arguments.order} is closed.")
        return f"Order {arguments.order}: a pot of moss."


@dataclass
class PreviewShop:
    shop: Shop
    orders: OrderPreview

    def change(self, **changes: Any) -> None:
        """Change the declaration of the refund."""
        rules = self.shop.world.settings.of("shop")
        changed = replace(rules.actions.actions["refund"], **changes)
        actions: Mapping[str, Any] = {**rules.actions.actions, "refund": changed}
        self.shop.world.settings.tenants["shop"] = replace(  # type: ignore[index]
            rules, actions=replace(rules.actions, actions=actions)
        )


@pytest.fixture
async def previewed(tmp_path: Path) -> AsyncIterator[PreviewShop]:
    orders = OrderPreview()
    async with open_shop(tmp_path, actions=(replace(refund, preview=orders.preview), status)) as shop:
        yield PreviewShop(shop, orders)


async def test_what_it_concerns_stands_above_the_question_and_is_not_shown_twice(previewed: PreviewShop) -> None:
    await previewed.shop.ask("12.50", name="one")
    first = await previewed.shop.last()
    await previewed.shop.ask("13.50", name="two")
    again = await previewed.shop.last()
    assert first.startswith("Order A-1001: a pot of moss.\n\n**")
    assert again.startswith("**")
    assert first.endswith(DEFAULT_VOICE.confirm)
    assert again.endswith(DEFAULT_VOICE.confirm)


async def test_what_the_order_does_not_allow_is_refused_without_a_question(previewed: PreviewShop) -> None:
    previewed.orders.closed.add("A-1001")
    await previewed.shop.say("ask", 'refund {"order": "A-1001", "amount": "12.50"}')
    assert await previewed.shop.last() == f"{DEFAULT_VOICE.action_refused} Order A-1001 is closed."
    assert (await previewed.shop.memory()).confirmation is None
    assert previewed.shop.payments.asked == {}


async def test_who_has_done_it_often_enough_today_is_not_asked_for_a_yes(previewed: PreviewShop) -> None:
    previewed.change(per_contact_per_day=1)
    await previewed.shop.hear(previewed.shop.yes(await previewed.shop.ask("12.50", name="one")))
    await previewed.shop.say("again", 'refund {"order": "A-1001", "amount": "3.00"}')
    assert await previewed.shop.last() == DEFAULT_VOICE.limit_reached
    assert (await previewed.shop.memory()).confirmation is None
    assert await previewed.shop.outcomes() == ["refund succeeded", "refund refused"]


async def test_nor_for_a_proof_of_who_they_are(previewed: PreviewShop) -> None:
    previewed.change(per_contact_per_day=1)
    await previewed.shop.hear(previewed.shop.yes(await previewed.shop.ask("12.50", name="one")))
    contact = await previewed.shop.world.state.contacts.get("shop", "contact-1")
    assert contact is not None
    await previewed.shop.world.state.rebuild.restore_contact(contact.model_copy(update={"addresses": []}))
    await previewed.shop.say("again", 'refund {"order": "A-1001", "amount": "3.00"}')
    assert await previewed.shop.last() == DEFAULT_VOICE.limit_reached
    previewed.change(per_contact_per_day=2)
    await previewed.shop.say("once more", 'refund {"order": "A-1001", "amount": "3.00"}')
    assert await previewed.shop.last() == DEFAULT_VOICE.needs_identity


async def test_a_contact_is_not_asked_when_no_colleague_can_be_asked_afterwards(
    previewed: PreviewShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confirmation, "MAX_OPEN_APPROVALS", 0)
    await previewed.shop.say("ask", 'refund {"order": "A-1001", "amount": "99.00"}')
    assert (await previewed.shop.memory()).confirmation is None
    assert await previewed.shop.outcomes() == ["refund refused"]
    assert (await previewed.shop.ask("12.50", name="less")).action == "refund", "which needs no colleague"


async def test_only_what_the_contact_wrote_is_remembered(previewed: PreviewShop) -> None:
    """A model may ask for any order; later messages refer to those of the contact."""
    await previewed.shop.say("named", 'status {"order": "A-1001"}')
    (known,) = (await previewed.shop.memory()).mentions
    assert (known.parameter, known.values, known.contact_id) == ("order", ["A-1001"], "contact-1")


class Place(BaseModel):
    street: str


async def place(context: ActionContext, arguments: Place) -> str:
    return arguments.street


def test_a_preview_of_what_the_action_does_not_take_is_a_mistake() -> None:
    async def look(context: ActionContext, arguments: Refund) -> Status:
        """Look."""
        return Status(status="")

    with pytest.raises(ConfigInvalid, match="its preview needs a parameter that it does not have"):
        action(risk="write", preview=place)(look)
