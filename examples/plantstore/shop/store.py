"""The shop's deeds on its database. Each is one transaction, together with the memory of its idempotency key."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sqlite3
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from . import rules
from .rules import Order, Refused, money
from .tables import opened

Answer = dict[str, Any]
T = TypeVar("T")
_ORDER = """
SELECT o.*, c.email, (SELECT coalesce(sum(amount), 0) FROM refunds r WHERE r.number = o.number) AS refunded
FROM orders o JOIN customers c ON c.id = o.customer WHERE o.number = ?
"""


class Store:
    """One thread owns the database. ``today`` is asked anew each time."""

    def __init__(self, path: Path, today: Callable[[], date]) -> None:
        self._today = today
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="shop")
        self._open: sqlite3.Connection | None = None

    async def close(self) -> None:
        if self._open is not None:
            await self._in_thread(self._open.close)
        self._thread.shutdown()

    async def order(self, number: str, customer: frozenset[str]) -> Answer:
        """Raises Refused (``no_such_order``) also when it is somebody else's: nobody learns which numbers exist."""
        return await self._in_thread(lambda: described(self._order(number, customer)))

    async def address_of(self, number: str) -> str:
        """Where the shop writes to about an order. Raises Refused when there is no such order."""
        return await self._in_thread(lambda: self._found(number).email)

    async def effect(self, key: str) -> Answer | None:
        """The answer that was given under this key; None when nothing was done under it."""
        found = await self._in_thread(
            lambda: self._db().execute("SELECT answer FROM effects WHERE key = ?", (key,)).fetchone()
        )
        return None if found is None else json.loads(found["answer"])

    async def forget(self, key: str) -> None:
        """As a provider does that keeps its keys for a day only."""
        await self._in_thread(lambda: self._db().execute("DELETE FROM effects WHERE key = ?", (key,)))

    async def do(
        self, key: str, deed: str, number: str, customer: frozenset[str], arguments: Mapping[str, Any]
    ) -> Answer:
        """``deed`` is one of DEEDS. Under a key that was used, the first answer comes back and nothing is done. Raises
        Refused; ``key_reused`` when the key was used for something else."""
        request = hashlib.sha256(json.dumps([deed, number, dict(arguments)], sort_keys=True).encode()).hexdigest()

        def once() -> Answer:
            db = self._db()
            db.execute("BEGIN IMMEDIATE")
            try:
                answer = self._known(key, request)
                if answer is None:
                    answer = DEEDS[deed](self, number, customer, arguments)
                    db.execute("INSERT INTO effects VALUES (?, ?, ?)", (key, request, json.dumps(answer)))
                db.execute("COMMIT")
            except BaseException:
                db.execute("ROLLBACK")
                raise
            return answer

        return await self._in_thread(once)

    async def may(self, deed: str, number: str, customer: frozenset[str], arguments: Mapping[str, Any]) -> Answer:
        """What ``do`` would answer now. Nothing is done. Raises Refused."""

        def undone() -> Answer:
            db = self._db()
            db.execute("BEGIN IMMEDIATE")
            try:
                return DEEDS[deed](self, number, customer, arguments)
            finally:
                db.execute("ROLLBACK")

        return await self._in_thread(undone)

    def _known(self, key: str, request: str) -> Answer | None:
        row = self._db().execute("SELECT request, answer FROM effects WHERE key = ?", (key,)).fetchone()
        if row is not None and row["request"] != request:
            raise Refused("key_reused", "this idempotency key was used for another request", 409)
        return None if row is None else json.loads(row["answer"])

    # ── the deeds ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _cancel(self, number: str, customer: frozenset[str], arguments: Mapping[str, Any]) -> Answer:
        order = self._order(number, customer)
        rules.may_cancel(order)
        if order.refundable:
            self._pay_back(order, order.refundable, "cancelled")
        self._db().execute("UPDATE orders SET status = 'Cancelled' WHERE number = ?", (number,))
        return {"order": number, "status": "Cancelled", "refunded": money(order.refundable)}

    def _refund(self, number: str, customer: frozenset[str], arguments: Mapping[str, Any]) -> Answer:
        order = self._order(number, customer)
        amount = _cents(arguments["amount"]) if arguments.get("amount") else order.refundable
        rules.may_refund(order, amount)
        self._pay_back(order, amount, str(arguments.get("reason", "")))
        return {"order": number, "refunded": money(amount), "left": money(order.refundable - amount)}

    def _pay_back(self, order: Order, amount: int, reason: str) -> None:
        self._db().execute("INSERT INTO refunds VALUES (?, ?, ?)", (order.number, amount, reason))

    def _move(self, number: str, customer: frozenset[str], arguments: Mapping[str, Any]) -> Answer:
        day = _day(arguments["day"])
        rules.may_move(self._order(number, customer), day, self._today())
        self._db().execute("UPDATE orders SET delivery_day = ? WHERE number = ?", (day.isoformat(), number))
        return {"order": number, "delivery_day": day.isoformat()}

    def _discount(self, number: str, customer: frozenset[str], arguments: Mapping[str, Any]) -> Answer:
        order, code = self._order(number, customer), str(arguments["code"]).upper()
        off = rules.discount_of(order, code)
        self._db().execute("UPDATE orders SET discount = ?, voucher = ? WHERE number = ?", (off, code, number))
        return {"order": number, "code": code, "discount": money(off), "total": money(order.total - off)}

    def _payment_link(self, number: str, customer: frozenset[str], arguments: Mapping[str, Any]) -> Answer:
        order = self._order(number, customer)
        rules.may_pay(order)
        token = hashlib.sha256(f"{number} {arguments['key']}".encode()).hexdigest()[:24]
        link = f"https://pay.example.com/{token}"
        self._db().execute("UPDATE orders SET payment_link = ? WHERE number = ?", (link, number))
        return {"order": number, "link": link, "amount": money(order.total)}

    def _appointment(self, number: str, customer: frozenset[str], arguments: Mapping[str, Any]) -> Answer:
        day = _day(arguments["day"])
        rules.may_visit(day, self._today())
        taken = self._db().execute("SELECT hour FROM appointments WHERE day = ?", (day.isoformat(),)).fetchall()
        free = sorted(set(rules.HOURS) - {row["hour"] for row in taken})
        if not free:
            raise Refused("fully_booked", "The potting bench is fully booked on that day.")
        kind, who = str(arguments.get("kind", "")), min(customer)
        self._db().execute("INSERT INTO appointments VALUES (?, ?, ?, ?)", (day.isoformat(), free[0], kind, who))
        return {"day": day.isoformat(), "time": f"{free[0]}:00", "kind": kind}

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _order(self, number: str, customer: frozenset[str]) -> Order:
        order = self._found(number)
        if not customer & {f"email:{order.email}", f"id:{order.customer}"}:
            raise _no_such_order(number)
        return order

    def _found(self, number: str) -> Order:
        row = self._db().execute(_ORDER, (number,)).fetchone()
        if row is None:
            raise _no_such_order(number)
        items = self._db().execute(
            "SELECT name, quantity, items.price FROM items JOIN products USING (sku) WHERE number = ?", (number,)
        )
        return Order(
            number=row["number"],
            customer=row["customer"],
            email=row["email"],
            status=row["status"],
            delivery_day=date.fromisoformat(row["delivery_day"]),
            discount=row["discount"],
            voucher=row["voucher"],
            refunded=row["refunded"],
            items=[(item["name"], item["quantity"], item["price"]) for item in items],
        )

    def _db(self) -> sqlite3.Connection:
        if self._open is None:
            self._open = opened(self._path, self._today())
        return self._open

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)


DEEDS: dict[str, Callable[[Store, str, frozenset[str], Mapping[str, Any]], Answer]] = {
    "cancel": Store._cancel,
    "refunds": Store._refund,
    "delivery": Store._move,
    "discounts": Store._discount,
    "payment-links": Store._payment_link,
    "appointments": Store._appointment,
}


def described(order: Order) -> Answer:
    return {
        "order": order.number,
        "status": order.status,
        "delivery_day": order.delivery_day.isoformat(),
        "total": money(order.total),
        "refunded": money(order.refunded),
        "refundable": money(order.refundable),
        "items": [{"name": name, "quantity": quantity} for name, quantity, _ in order.items],
        "refusals": rules.refusals(order),
    }


def _no_such_order(number: str) -> Refused:
    return Refused("no_such_order", f"You have no order {number}.", 404)


def _cents(amount: Any) -> int:
    """Of decimal text. Raises Refused for what is no amount."""
    whole, _, places = str(amount).partition(".")
    if not (whole.isdecimal() and len(whole) < 9 and (not places or (places.isdecimal() and len(places) <= 2))):
        raise Refused("invalid_amount", "An amount must be positive, with at most two places.")
    return int(whole) * 100 + int(f"{places:0<2}")


def _day(text: Any) -> date:
    try:
        return date.fromisoformat(str(text))
    except ValueError:
        raise Refused("invalid_day", "A day must be written as 2026-12-24.") from None
