"""What the assistant may do in the shop. Who the customer is, comes with the context and never from the chat."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from decimal import Decimal
from typing import Any

from agent_worker.actions import ActionContext, ActionRefused, action, exceeds
from agent_worker.actions.one_time_codes import one_time_code
from agent_worker.actions.parsing import format_amount, format_date, in_language

from . import client, door
from .arguments import Done, NewDay, Order, OrderNumber, Refund, Repotting, Voucher

COLLEAGUE_ABOVE = 50
"""Euros, above which a colleague has to approve a refund."""


_STATUS = {
    "Received": ("received", "eingegangen"),
    "Paid": ("paid", "bezahlt"),
    "In preparation": ("in preparation", "in Vorbereitung"),
    "Packing": ("being packed", "wird verpackt"),
    "Shipped": ("shipped", "unterwegs"),
    "Delivered": ("delivered", "zugestellt"),
    "Cancelled": ("cancelled", "storniert"),
}
"""In English and German."""
_AMOUNTS = frozenset({"amount", "discount", "refunded", "total"})
"""What the shop answers in euros, without a sign."""
_DAYS = frozenset({"day", "delivery_day"})


async def all_of_it(context: ActionContext, arguments: Refund) -> Refund:
    """Without an amount, what is left of the payment: so that the customer says yes to a figure."""
    if arguments.amount is not None:
        return arguments
    order = await client.read(await door.address(context), context, f"/orders/{arguments.order}")
    if "refunds" in order["refusals"]:
        raise ActionRefused(order["refusals"]["refunds"])
    return arguments.model_copy(update={"amount": Decimal(order["refundable"])})


async def done_under_key(context: ActionContext, _arguments: Any) -> Done | None:
    found = await client.effect(await door.address(context), context)
    return None if found is None else Done(facts=found)


Request = tuple[str, dict[str, Any]]
"""A path of the shop, and the body that is sent there."""


async def _do(context: ActionContext, request: Request) -> Done:
    return Done(facts=await client.write(await door.address(context), context, *request))


def _may(request: Callable[[Any], Request]) -> Callable[[ActionContext, Any], Awaitable[None]]:
    """Asks the shop whether it would do that: it alone knows whose an order is, and what may still be done with it."""

    async def check(context: ActionContext, arguments: Any) -> None:
        await client.check(await door.address(context), context, *request(arguments))

    return check


def _order_for(deed: str) -> Callable[[ActionContext, OrderNumber], Awaitable[str]]:
    """Shows the order that it is about, before anything else is asked for; refuses what the order allows no more."""

    async def preview(context: ActionContext, arguments: OrderNumber) -> str:
        order = await _order(context, arguments)
        if deed in order.refusals:
            raise ActionRefused(order.refusals[deed])
        return _described(order, context.locale)

    return preview


async def _order(context: ActionContext, arguments: OrderNumber) -> Order:
    return Order.model_validate(await client.read(await door.address(context), context, f"/orders/{arguments.order}"))


def _described(order: Order, locale: str) -> str:
    goods = ", ".join(f"{item['quantity']} × {item['name']}" for item in order.items)
    in_english, in_german = _STATUS[order.status]
    english = f"Order {order.order} is {in_english}: {goods}; {_euros(order.total, 'en')} in all."
    german = f"Stand der Bestellung {order.order}: {in_german}; {goods}; zusammen {_euros(order.total, 'de')}."
    if order.status not in ("Delivered", "Cancelled"):
        english += f" Planned arrival: {order.delivery_day:%A}, {order.delivery_day.day} {order.delivery_day:%B}."
        german += f" Geplante Ankunft: {order.delivery_day:%d.%m.%Y}."
    if order.refunded != "0.00":
        english += f" Refunded so far: {_euros(order.refunded, 'en')}."
        german += f" Bisher erstattet: {_euros(order.refunded, 'de')}."
    return in_language({"en": english, "de": german}, locale)


def _says(**texts: str) -> Callable[[ActionContext, Any, Any], str]:
    """A sentence about the shop's answer, by language."""

    def report(context: ActionContext, _arguments: Any, result: Any) -> str:
        facts = result["facts"] if isinstance(result, dict) else result.facts
        locale = context.locale if context.locale[:2] in texts else "en"
        shown = {name: _shown(name, value, locale) for name, value in facts.items()}
        return in_language(texts, locale).format(**shown)

    return report


_cancelled_and_paid_back = _says(
    en="Order {order} is cancelled. {refunded} go back the way you paid.",
    de="Bestellung {order} ist storniert. {refunded} gehen auf dem Zahlungsweg zurück.",
)
_cancelled_before_payment = _says(
    en="Order {order} is cancelled. Nothing had been paid.",
    de="Bestellung {order} ist storniert. Bezahlt war noch nichts.",
)


def _cancelled(context: ActionContext, arguments: Any, result: Any) -> str:
    facts = result["facts"] if isinstance(result, dict) else result.facts
    report = _cancelled_and_paid_back if Decimal(str(facts["refunded"])) else _cancelled_before_payment
    return report(context, arguments, result)


def _shown(name: str, value: Any, locale: str) -> Any:
    if name in _AMOUNTS:
        return _euros(value, locale)
    return format_date(date.fromisoformat(value), locale) if name in _DAYS else value


def _euros(amount: Any, locale: str) -> str:
    return format_amount(Decimal(str(amount)), "EUR", locale)


# ── what is sent to the shop ─────────────────────────────────────────────────────────────────────────────────────────


def _cancellation(arguments: OrderNumber) -> Request:
    return f"/orders/{arguments.order}/cancel", {}


def _repayment(arguments: Refund) -> Request:
    amount = {} if arguments.amount is None else {"amount": f"{arguments.amount:.2f}"}
    return f"/orders/{arguments.order}/refunds", amount


def _move(arguments: NewDay) -> Request:
    return f"/orders/{arguments.order}/delivery", {"day": arguments.day.isoformat()}


def _appointment(arguments: Repotting) -> Request:
    return "/appointments", {"day": arguments.day.isoformat(), "kind": arguments.plant.value}


def _redemption(arguments: Voucher) -> Request:
    return f"/orders/{arguments.order}/discounts", {"code": arguments.code}


def _link(arguments: OrderNumber) -> Request:
    return f"/orders/{arguments.order}/payment-links", {}


# ── what a customer may ask for ──────────────────────────────────────────────────────────────────────────────────────


def _status(context: ActionContext, _arguments: Any, result: Any) -> str:
    order = Order.model_validate(result if isinstance(result, dict) else result.model_dump())
    return _described(order, context.locale)


@action(
    risk="read",
    title="Order status",
    titles={"de": "Stand der Bestellung"},
    report=_status,
    examples=[
        "Where is my order?", "What is the status of my order NP-10231?", "Has order NP-10231 been shipped yet?",
        "Track my parcel", "When will my order arrive?", "Any news on my order?", "Check order NP-10231",
        "Where is my package?", "Has my parcel been sent out yet?",
        "Wo ist meine Bestellung?", "Wie ist der Stand meiner Bestellung?", "Wo bleibt mein Paket?",
    ],
)  # fmt: skip
async def order_status(context: ActionContext, arguments: OrderNumber) -> Order:
    """Tell where an order of the customer stands, what is in it, and when it arrives."""
    return await _order(context, arguments)


@action(
    risk="write",
    title="Cancel an order",
    titles={"de": "Bestellung stornieren"},
    preview=_order_for("cancel"),
    check=_may(_cancellation),
    look_up=done_under_key,
    absent="not_done",
    report=_cancelled,
    examples=[
        "Cancel my order", "Please cancel order NP-10231", "I want to cancel my order",
        "I no longer want order NP-10231", "Bitte storniere meine Bestellung", "Ich möchte meine Bestellung stornieren",
    ],
)  # fmt: skip
async def cancel_order(context: ActionContext, arguments: OrderNumber) -> Done:
    """Cancel an order that is not packed yet; what was paid goes back."""
    return await _do(context, _cancellation(arguments))


@action(
    risk="write",
    title="Refund",
    titles={"de": "Erstattung"},
    approve=exceeds("amount", COLLEAGUE_ABOVE),
    prepare=all_of_it,
    per_contact_per_day=5,
    preview=_order_for("refunds"),
    check=_may(_repayment),
    look_up=done_under_key,
    absent="not_done",
    report=_says(
        en="{refunded} of order {order} are refunded, the way you paid.",
        de="{refunded} der Bestellung {order} sind erstattet, auf dem Zahlungsweg.",
    ),
    examples=[
        "I want a refund", "Please refund my order NP-10232", "I want my money back for NP-10232",
        "Refund 5 euros of my order", "Ich möchte mein Geld zurück", "Bitte erstattet mir die Bestellung",
        "Bitte 5 Euro erstatten",
    ],
)  # fmt: skip
async def refund_order(context: ActionContext, arguments: Refund) -> Done:
    """Pay back money of an order, in euros: a part, or all that was paid for it."""
    return await _do(context, _repayment(arguments))


@action(
    risk="write",
    title="Move a delivery",
    titles={"de": "Lieferung verschieben"},
    preview=_order_for("delivery"),
    check=_may(_move),
    look_up=done_under_key,
    absent="not_done",
    report=_says(
        en="Order {order} will arrive on {delivery_day}.", de="Bestellung {order} kommt am {delivery_day} an."
    ),
    examples=[
        "Move my delivery to another day", "Please deliver my order on Thursday instead",
        "Reschedule the delivery of NP-10231", "Can my parcel come a week later?",
        "Bitte verschiebt meine Lieferung", "Liefert meine Bestellung bitte später",
    ],
)  # fmt: skip
async def reschedule_delivery(context: ActionContext, arguments: NewDay) -> Done:
    """Move the delivery of an order that is not packed yet to another day."""
    return await _do(context, _move(arguments))


@action(
    risk="write",
    needs="anonymous",
    title="Book a repotting appointment",
    titles={"de": "Termin zum Umtopfen"},
    per_contact_per_day=3,
    check=_may(_appointment),
    look_up=done_under_key,
    absent="not_done",
    report=_says(
        en="Your place at the potting bench is booked: {day} at {time}.",
        de="Der Platz an der Topfbank ist gebucht: {day} um {time} Uhr.",
    ),
    examples=[
        "Book a repotting appointment", "I would like to come and repot my plant",
        "Make an appointment at the potting bench", "Ich möchte einen Termin zum Umtopfen",
    ],
)  # fmt: skip
async def book_repotting(context: ActionContext, arguments: Repotting) -> Done:
    """Reserve an hour at the nursery's potting bench."""
    return await _do(context, _appointment(arguments))


@action(
    risk="write",
    title="Apply a voucher",
    titles={"de": "Gutschein einlösen"},
    preview=_order_for("discounts"),
    check=_may(_redemption),
    look_up=done_under_key,
    absent="not_done",
    report=_says(
        en="The voucher {code} takes {discount} off order {order}; that leaves {total} to pay.",
        de="Der Gutschein {code} zieht {discount} von Bestellung {order} ab; zu zahlen bleiben {total}.",
    ),
    examples=[
        "Apply my voucher to my order", "Add my discount code to order NP-10233", "Use the code WELCOME5 for my order",
        "Löst meinen Gutschein für die Bestellung ein",
    ],
)  # fmt: skip
async def apply_discount(context: ActionContext, arguments: Voucher) -> Done:
    """Take a voucher's value off an order that is not paid yet."""
    return await _do(context, _redemption(arguments))


@action(
    risk="write",
    title="Payment link",
    titles={"de": "Link zum Bezahlen"},
    confirm=False,
    per_contact_per_day=20,
    preview=_order_for("payment-links"),
    check=_may(_link),
    look_up=done_under_key,
    absent="not_done",
    report=_says(
        en="You can pay the {amount} for order {order} here: {link}",
        de="Die {amount} für Bestellung {order} kannst du hier bezahlen: {link}",
    ),
    examples=[
        "Send me a payment link", "I want to pay for my order NP-10233", "Can I get a link to pay my order?",
        "Schickt mir einen Link zum Bezahlen", "Ich möchte meine Bestellung bezahlen",
    ],
)  # fmt: skip
async def payment_link(context: ActionContext, arguments: OrderNumber) -> Done:
    """Make a link by which the customer pays an open order."""
    return await _do(context, _link(arguments))


# ── who the customer is ──────────────────────────────────────────────────────────────────────────────────────────────


async def address_on_order(context: ActionContext, arguments: OrderNumber) -> str | None:
    try:
        found = await client.read(await door.address(context), context, f"/orders/{arguments.order}/address")
    except ActionRefused:
        return None
    return str(found["email"])


async def send_mail(context: ActionContext, to: str, text: str) -> None:
    await client.write(await door.address(context), context, "/outbox", {"to": to, "text": text})


send_code, check_code = one_time_code(OrderNumber, address_of=address_on_order, send=send_mail)
