"""What the shop allows. The documents in ``knowledge/`` tell customers the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta

from .seed import ARRIVALS, VOUCHERS

CHANGEABLE = frozenset({"Received", "Paid", "In preparation"})
PAID = frozenset({"Paid", "In preparation", "Packing", "Shipped", "Delivered"})
LEAST_FOR_VOUCHER = 4000
HOURS = range(10, 14)


class Refused(Exception):
    """The shop does not do that. ``code`` is for programs, the message for people."""

    def __init__(self, code: str, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


@dataclass(frozen=True, slots=True)
class Order:
    """Money in cents."""

    number: str
    customer: str
    email: str
    status: str
    delivery_day: date
    discount: int
    voucher: str
    refunded: int
    items: list[tuple[str, int, int]] = field(default_factory=list)

    @property
    def goods(self) -> int:
        return sum(quantity * price for _, quantity, price in self.items)

    @property
    def total(self) -> int:
        return self.goods - self.discount

    @property
    def refundable(self) -> int:
        return self.total - self.refunded if self.status in PAID else 0


def money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


def may_cancel(order: Order) -> None:
    if order.status == "Cancelled":
        raise Refused("already_cancelled", f"Order {order.number} is cancelled already.")
    if order.status not in CHANGEABLE:
        raise Refused("too_late", f"Order {order.number} can no longer be cancelled: its status is {order.status}.")


def must_be_refundable(order: Order) -> None:
    if order.status not in PAID:
        raise Refused("not_paid", f"There is nothing to refund on order {order.number}: its status is {order.status}.")
    if order.refundable <= 0:
        raise Refused("too_much", f"There is nothing to refund on order {order.number} any more.")


def may_refund(order: Order, amount: int) -> None:
    must_be_refundable(order)
    if not 0 < amount <= order.refundable:
        left = f"€{money(order.refundable)}"
        raise Refused("too_much", f"At most {left} can be refunded on order {order.number}.")


def must_be_movable(order: Order) -> None:
    if order.status not in CHANGEABLE:
        raise Refused(
            "too_late", f"The delivery of order {order.number} cannot be moved: its status is {order.status}."
        )


def may_move(order: Order, day: date, today: date) -> None:
    must_be_movable(order)
    if day == order.delivery_day:
        raise Refused("same_day", f"Order {order.number} arrives on that day already.")
    if not today + timedelta(days=2) <= day <= today + timedelta(weeks=6):
        raise Refused("day_out_of_range", "A delivery can be moved to a day from two days to six weeks ahead.")
    if day.weekday() not in ARRIVALS:
        raise Refused(
            "no_delivery_day", "Living plants arrive from Tuesday to Friday. Please choose one of these days."
        )


def must_take_vouchers(order: Order) -> None:
    if order.status != "Received":
        raise Refused("already_paid", f"Order {order.number} is paid already, so no voucher can be added to it.")
    if order.voucher:
        raise Refused("voucher_used", f"Order {order.number} has a voucher already; only one is possible.")
    if order.goods < LEAST_FOR_VOUCHER:
        raise Refused("below_minimum", f"Vouchers need goods of at least €{money(LEAST_FOR_VOUCHER)}.")


def discount_of(order: Order, code: str) -> int:
    must_take_vouchers(order)
    if code.upper() not in VOUCHERS:
        raise Refused("no_such_voucher", f"There is no voucher {code.upper()}.")
    kind, value = VOUCHERS[code.upper()]
    return value if kind == "amount" else order.goods * value // 100


def may_pay(order: Order) -> None:
    if order.status != "Received":
        raise Refused("nothing_to_pay", f"Order {order.number} needs no payment: its status is {order.status}.")


def refusals(order: Order) -> dict[str, str]:
    """Why the order allows this no more, whatever else is given; by the deed's place in the interface."""
    terms: dict[str, Callable[[Order], None]] = {
        "cancel": may_cancel,
        "refunds": must_be_refundable,
        "delivery": must_be_movable,
        "discounts": must_take_vouchers,
        "payment-links": may_pay,
    }
    found = {}
    for deed, term in terms.items():
        try:
            term(order)
        except Refused as refused:
            found[deed] = str(refused)
    return found


def may_visit(day: date, today: date) -> None:
    """Opening days as on the page about visits."""
    summer = 3 <= day.month <= 10
    closed = (day.month, day.day) >= (12, 22) or (day.month, day.day) <= (1, 6)
    if not today < day <= today + timedelta(weeks=12):
        raise Refused("day_out_of_range", "Appointments can be booked from tomorrow to twelve weeks ahead.")
    if closed or day.weekday() not in ({4, 5} if summer else {5}):
        days = "Fridays and Saturdays" if summer else "Saturdays"
        raise Refused("not_open", f"The potting bench is open on {days}, and not from 22 December to 6 January.")
