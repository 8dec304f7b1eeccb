"""One write of each kind that the retail shop would do, for the right customer, drawn by dice."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from examples.retail import rules
from examples.retail.database import Record, Records
from tests.measure.retail import Books
from tests.measure.retail_worker import Call

Arguments = dict[str, Any]
Rule = Callable[..., Record]
TRIES = 500
"""Draws, of which one will do: not every order has a variant to change to."""


@dataclass(frozen=True, slots=True)
class Write:
    """``user``: whose it is. ``other``: arguments that are not those of ``call``. ``subject``: the parameter that says
    what it is done to."""

    user: str
    call: Call
    other: Arguments
    rule: Rule
    subject: str = "order_id"

    def deed(self, records: Records) -> Record:
        """What the shop's rules make of it, without anything in between."""
        given = dict(self.call.arguments)
        if self.rule in (rules.modify_address, rules.modify_user_address):
            subject = [given.pop(self.subject)] if self.subject == "order_id" else []
            given.pop("user_id", None)
            return self.rule(records, self.user, *subject, given)
        return self.rule(records, self.user, *given.values())


class Writes:
    def __init__(self, books: Books, dice: random.Random) -> None:
        self._books = books
        self._dice = dice

    def draw(self) -> Write:
        """Each kind as often as the others, of those that these books have an order for."""
        for kind in self._dice.sample(KINDS, len(KINDS)):
            with suppress(IndexError):
                for _ in range(TRIES):
                    if (found := kind(self)) is not None:
                        return found
        raise LookupError("there is nothing to be done in these books")

    def altered(self, write: Write) -> Call:
        """The same write, so that the shop's rules refuse it: on somebody else's, on what is not there, in a wrong
        state, with items or a payment method that are not the customer's, or so that it would change nothing."""
        given = dict(write.call.arguments)
        if (same := self._unchanged(write)) and self._dice.random() < 0.3:
            return Call(write.call.name, {**given, **same})
        if write.subject == "user_id":
            others = [user for user in self._books["users"] if user != write.user]
            return Call(write.call.name, {**given, "user_id": self._dice.choice(others or ["nobody_0000"])})
        orders = self._books["orders"].items()
        unfit = [id for id, order in orders if order["user_id"] != write.user or order["status"] == "cancelled"]
        wrong: list[Arguments] = [{"order_id": self._dice.choice(unfit or ["#W0000000"])}, {"order_id": "#W0000000"}]
        if "item_ids" in given:
            wrong.append({"item_ids": ["0000000000"] * len(given["item_ids"])})
        if "payment_method_id" in given:
            wrong.append({"payment_method_id": "credit_card_0000000"})
        return Call(write.call.name, {**given, **self._dice.choice(wrong)})

    def _unchanged(self, write: Write) -> Arguments:
        """Arguments with which the write would leave everything as it is; none for a write that always changes
        something."""
        given = write.call.arguments
        if write.rule is rules.modify_user_address:
            return dict(self._books["users"][write.user]["address"])
        order = self._books["orders"][given["order_id"]]
        if write.rule is rules.modify_address:
            return dict(order["address"])
        if write.rule is rules.modify_payment:
            return {"payment_method_id": order["payment_history"][0]["payment_method_id"]}
        return {"new_item_ids": given["item_ids"]} if "new_item_ids" in given else {}

    def cancel(self) -> Write | None:
        order = self._order("pending")
        first, second = self._dice.sample(rules.REASONS, 2)
        return self._on(order, "cancel_pending_order", rules.cancel, {"reason": first}, {"reason": second})

    def address(self) -> Write | None:
        first, second = self._addresses()
        return self._on(self._order("pending"), "modify_pending_order_address", rules.modify_address, first, second)

    def own_address(self) -> Write | None:
        (first, second), user = self._addresses(), self._dice.choice(list(self._books["users"]))
        call = Call("modify_user_address", {"user_id": user, **first})
        return Write(user, call, {**call.arguments, **second}, rules.modify_user_address, "user_id")

    def payment(self) -> Write | None:
        order = self._order("pending")
        paid = [entry["payment_method_id"] for entry in order["payment_history"]]
        method = self._card(order, but=paid)
        if len(paid) != 1 or method is None:
            return None
        other = {"payment_method_id": paid[0]}
        given = {"payment_method_id": method}
        return self._on(order, "modify_pending_order_payment", rules.modify_payment, given, other)

    def items(self) -> Write | None:
        return self._swap("pending", "modify_pending_order_items", rules.modify_items)

    def exchange(self) -> Write | None:
        return self._swap("delivered", "exchange_delivered_order_items", rules.exchange_items)

    def back(self) -> Write | None:
        order = self._order("delivered")
        item, method = self._dice.choice(order["items"])["item_id"], order["payment_history"][0]["payment_method_id"]
        given = {"item_ids": [item], "payment_method_id": method}
        other = {**given, "item_ids": [item, item]}
        return self._on(order, "return_delivered_order_items", rules.return_items, given, other)

    def _swap(self, status: str, name: str, rule: Rule) -> Write | None:
        order = self._order(status)
        item, method = self._dice.choice(order["items"]), self._card(order)
        variants = self._books["products"][item["product_id"]]["variants"].values()
        new = [each["item_id"] for each in variants if each["available"] and each["item_id"] != item["item_id"]]
        if method is None or len(new) < 2:
            return None
        first, second = self._dice.sample(new, 2)
        given = {"item_ids": [item["item_id"]], "new_item_ids": [first], "payment_method_id": method}
        return self._on(order, name, rule, given, {**given, "new_item_ids": [second]})

    def _on(self, order: Record, name: str, rule: Rule, given: Arguments, other: Arguments) -> Write:
        number = {"order_id": order["order_id"]}
        return Write(order["user_id"], Call(name, number | given), number | other, rule)

    def _order(self, status: str) -> Record:
        """Raises IndexError when there is none."""
        orders: list[Record] = [each for each in self._books["orders"].values() if each["status"] == status]
        return self._dice.choice(orders)

    def _addresses(self) -> tuple[Arguments, Arguments]:
        """Two that differ."""
        address: Arguments = dict(self._dice.choice(list(self._books["users"].values()))["address"])
        return {**address, "address2": "Suite 1"}, {**address, "address2": "Suite 2"}

    def _card(self, order: Record, but: list[str] | None = None) -> str | None:
        """A method of the customer's that covers any amount."""
        methods = self._books["users"][order["user_id"]]["payment_methods"].values()
        fit = [each["id"] for each in methods if each["source"] != "gift_card" and each["id"] not in (but or [])]
        return self._dice.choice(fit) if fit else None


KINDS: list[Callable[[Writes], Write | None]] = [
    Writes.cancel,
    Writes.address,
    Writes.own_address,
    Writes.payment,
    Writes.items,
    Writes.exchange,
    Writes.back,
]
