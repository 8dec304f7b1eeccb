"""The actions of a small shop, and a model that does whatever a message says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from agent_worker.actions import ActionContext, ActionRefused, action, exceeds
from agent_worker.actions.spec import Action
from agent_worker.handoff.desk_service_level import DeskServiceLevel
from agent_worker.models.registry import Models
from agent_worker.settings import ActionRules
from agent_worker.worker import Worker
from gateway.config.actions import ActionSettings
from gateway.wiring.actions import build_action_rules
from schemas import topics
from schemas.actions import ActionMemory, ActionSettled, ApprovalDecided, ApprovalRequested, PendingConfirmation
from schemas.conversation import ActionRecord, Contact, DeliveryOutcome
from schemas.conversation_activity import ReactionChanged
from schemas.envelope import Envelope
from schemas.ids import derived_id
from schemas.messages import Address, ChoiceSelection
from tests.harness.command_model import CommandModel
from tests.simulators.payments import PaymentService, open_payments
from tests.unit.agent_worker.worker_environment import (
    ACCOUNT,
    CHANNEL,
    PLACE,
    TENANT,
    LaneStub,
    WorkerEnvironment,
    world_at,
)

SAID_LATER = (topics.ACTION_RESOLVED, topics.APPROVAL_EXPIRED)
OWNERS = {"A-1": "rosa@example.com", "A-2": "someone.else@example.com"}
"""By how an order's number begins."""


class Order(BaseModel):
    order: str = Field(pattern=r"^A-\d{4}$", title="order")


class Refund(Order):
    amount: Decimal = Field(gt=0, max_digits=8, decimal_places=2)
    currency: str = "EUR"


class RefundResult(BaseModel):
    refund: str
    amount: Decimal


class Status(BaseModel):
    status: str


def require_own_order(context: ActionContext, order: str) -> None:
    if not context.contact.has("email", OWNERS.get(order[:3], "")):
        raise ActionRefused("I cannot find this order among yours.")


async def _find(context: ActionContext, _arguments: Refund) -> RefundResult | None:
    async with context.http.get(f"{context.settings['till']}/refunds/{context.key}") as response:
        if response.status == 404:
            return None
        response.raise_for_status()
        return RefundResult.model_validate(await response.json())


@action(
    risk="write",
    approve=exceeds("amount", 50, currency="EUR"),
    timeout=0.4,
    look_up=_find,
    examples=["I want my money back"],
    report=lambda _context, arguments, result: f"Refund {result.refund} of {arguments.amount} is on its way.",
)
async def refund(context: ActionContext, arguments: Refund) -> RefundResult:
    """Pay money back for an order."""
    require_own_order(context, arguments.order)
    body = {"order": arguments.order, "amount": str(arguments.amount)}
    headers = {"Idempotency-Key": context.key}
    async with context.http.post(f"{context.settings['till']}/refunds", json=body, headers=headers) as response:
        if response.status == 422:
            raise ActionRefused((await response.json())["reason"])
        response.raise_for_status()
        return RefundResult.model_validate(await response.json())


@action(risk="read", examples=["where is my order?"])
async def status(context: ActionContext, arguments: Order) -> Status:
    """Say where an order is."""
    require_own_order(context, arguments.order)
    return Status(status="on its way")


@action(risk="write", needs="channel", confirm=False, per_contact_per_day=2, examples=["leave a note on my order"])
async def note(context: ActionContext, arguments: Order) -> Status:
    """Leave a note without being asked twice."""
    body = {"order": arguments.order, "amount": "note"}
    headers = {"Idempotency-Key": context.key}
    async with context.http.post(f"{context.settings['till']}/refunds", json=body, headers=headers) as response:
        response.raise_for_status()
        return Status(status="noted")


@dataclass
class Shop:
    world: WorkerEnvironment
    payments: PaymentService
    worker: Worker
    model: CommandModel
    workers: list[Worker] = field(default_factory=list)

    async def say(self, name: str, text: str, **more: Any) -> None:
        await self.hear(self.world.said(name, text, **more))

    async def hear(self, *events: Envelope) -> None:
        await self.worker.handle(await self.world.lane(*events))

    async def last(self) -> str:
        return (await self.world.replies())[-1].text

    async def memory(self) -> ActionMemory:
        return (await self.world.known()).facts.actions or ActionMemory()

    async def pending(self) -> PendingConfirmation:
        found = (await self.memory()).confirmation
        assert found is not None
        return found

    async def ask(self, amount: str = "12.50", order: str = "A-1001", name: str = "ask") -> PendingConfirmation:
        """The contact asks for money back, and is asked whether they mean it."""
        await self.say(name, f'refund {{"order": "{order}", "amount": "{amount}"}}')
        return await self.pending()

    def yes(self, pending: PendingConfirmation, name: str = "yes", text: str = "Yes, go ahead") -> Envelope:
        return self.picked(f"yes:{pending.id}", pending, name, text)

    def picked(self, id_: str, pending: PendingConfirmation, name: str, text: str = "") -> Envelope:
        return self.world.said(name, text, choice=ChoiceSelection(in_reply_to=pending.message_id, id=id_))

    async def thumb(self, message_id: str, name: str, emoji: str = "👍") -> Envelope:
        """On a message that the vendor knows as ``vendor-<id>``."""
        external_id = f"vendor-{message_id}"
        state = self.world.state.deliveries
        await state.record(
            self.world.conversation, DeliveryOutcome(message_id=message_id, state="sent", at=self.world.clock())
        )
        await state.bind(TENANT, CHANNEL, ACCOUNT, external_id, self.world.conversation, message_id)
        reaction = ReactionChanged(
            external_id=external_id, place=PLACE, contact_id="contact-1", emoji=emoji, at=self.world.clock()
        )
        return self.world.wrap(topics.REACTION_CHANGED, reaction, derived_id(message_id, name))

    async def decided(self, approval: str, decision: Any, name: str, *, person: str = "operator:rosa") -> Envelope:
        word = ApprovalDecided(approval_id=approval, decision=decision, by="Rosa", person=person, at=self.world.clock())
        return self.world.wrap(topics.APPROVAL_DECIDED, word, derived_id(approval, name))

    async def records(self) -> list[ActionRecord]:
        return [record for turn in await self.world.turns() for record in turn.actions]

    async def outcomes(self) -> list[str]:
        return [f"{each.name} {each.outcome}" for each in await self.records()]

    async def facts(self, kind: str, model: Any) -> list[Any]:
        return await self.world.payloads(topics.EVENTS, kind, model)

    async def settled(self) -> list[ActionSettled]:
        return await self.facts(topics.ACTION_SETTLED, ActionSettled)

    async def requested(self) -> list[ApprovalRequested]:
        return await self.facts(topics.APPROVAL_REQUESTED, ApprovalRequested)

    async def resolved(self) -> list[Envelope]:
        read = await self.world.bus.read(topics.inbound(CHANNEL))
        found = [Envelope.from_wire(record.headers, record.value) async for record in read]
        return [event for event in found if event.type in SAID_LATER]

    async def resolve(self) -> int:
        """One round of the resolver, and the lane hears what it found."""
        before = {event.id for event in await self.resolved()}
        told = await self.worker.resolve()
        read = await self.world.bus.read(topics.inbound(CHANNEL))
        for record in [record async for record in read]:
            id_ = record.headers["ce_id"]
            if record.headers["ce_type"] in SAID_LATER and id_ not in before:
                await self.worker.handle(LaneStub([record]))
        return told


def another_worker(shop: Shop) -> Worker:
    """The same log and state, as another process has them."""
    world = shop.world
    worker = Worker(
        bus=world.bus,
        state=world.state,
        knowledge=world.library,
        models=Models({"local": shop.model}),
        settings=world.settings,
        metrics=world.metrics,
        clock=world.clock,
    )
    shop.workers.append(worker)
    return worker


def rules(payments: PaymentService, actions: Sequence[Action] = (refund, status, note), **more: Any) -> ActionRules:
    return ActionRules(actions={each.name: each for each in actions}, settings={"till": payments.url}, **more)


def http_rules(payments: PaymentService, *, absent: str = "unsure", **changes: Any) -> ActionRules:
    """The same refund, as an operator declares it."""
    declared: dict[str, Any] = {
        "description": "Pay money back for an order.",
        "url": f"{payments.url}/refunds",
        "parameters": {"order": {"pattern": r"A-\d{4}"}, "amount": {"type": "amount", "least": 0.01}},
        "contact": {"mail": "email"},
        "timeout": 0.4,
        "look_up": {"url": f"{payments.url}/refunds/{{key}}", "absent": absent},
    }
    return build_action_rules(TENANT, ActionSettings.model_validate({"http": {"refund": declared | changes}}))


@asynccontextmanager
async def open_shop(
    folder: Path, *, declared: bool = False, desk: DeskServiceLevel | None = None, **more: Any
) -> AsyncIterator[Shop]:
    async with open_payments() as payments:
        made = http_rules(payments, **more) if declared else rules(payments, **more)
        async with world_at(folder, prepare=False, actions=made, desk=desk) as world:
            contact = Contact(id="contact-1", tenant=TENANT, addresses=ADDRESSES, created_at=world.clock())
            await world.state.rebuild.restore_contact(contact)
            shop = Shop(world, payments, world.worker, CommandModel())
            shop.worker = another_worker(shop)
            try:
                yield shop
            finally:
                await asyncio.gather(*(worker.close() for worker in shop.workers))


ADDRESSES = [
    Address(channel=CHANNEL, value=PLACE, assurance="verified"),
    Address(channel="email", value="rosa@example.com", assurance="verified"),
]
