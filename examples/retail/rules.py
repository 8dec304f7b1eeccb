"""What this shop does, and on which terms. Each deed checks everything before it changes anything; ``user`` is who has
proven to be a customer, and other customers' orders do not exist for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .database import Record, Records, Refused

REASONS = ("no longer needed", "ordered by mistake")


def order_of(records: Records, user: str, order_id: str) -> Record:
    order = records.get("orders", order_id)
    if order["user_id"] != user:
        raise Refused(f"There is no order {order_id}.")
    return order


def cancel(records: Records, user: str, order_id: str, reason: str) -> Record:
    order = order_of(records, user, order_id)
    if order["status"] != "pending":
        raise Refused(f"Only a pending order can be cancelled; this one is {order['status']}.")
    if reason not in REASONS:
        raise Refused(f"The reason must be one of: {', '.join(REASONS)}.")
    customer = records.get("users", user)
    refunds = [_entry("refund", paid["amount"], paid["payment_method_id"]) for paid in order["payment_history"]]
    for refund in refunds:
        _credit(customer, refund["payment_method_id"], refund["amount"])
    order |= {"status": "cancelled", "cancel_reason": reason}
    order["payment_history"] += refunds
    return _saved(records, order, customer)


def modify_items(
    records: Records, user: str, order_id: str, item_ids: Sequence[str], new_item_ids: Sequence[str], method: str
) -> Record:
    order = order_of(records, user, order_id)
    if order["status"] != "pending":
        raise Refused(f"Items can be changed once, while the order is pending; this one is {order['status']}.")
    customer = records.get("users", user)
    swaps = _swaps(records, order, item_ids, new_item_ids)
    difference = _difference(swaps)
    _must_cover(_method(customer, method), difference)
    order["payment_history"].append(_entry("payment" if difference > 0 else "refund", abs(difference), method))
    _credit(customer, method, -difference)
    for item, variant in swaps:
        item |= {"item_id": variant["item_id"], "price": variant["price"], "options": variant["options"]}
    order["status"] = "pending (item modified)"
    return _saved(records, order, customer)


def modify_address(records: Records, user: str, order_id: str, address: Record) -> Record:
    order = order_of(records, user, order_id)
    _must_be_pending(order)
    _must_differ(order["address"], address, "The order goes to this address already.")
    order["address"] = address
    return _saved(records, order)


def modify_payment(records: Records, user: str, order_id: str, method: str) -> Record:
    order = order_of(records, user, order_id)
    _must_be_pending(order)
    customer = records.get("users", user)
    history = order["payment_history"]
    if len(history) != 1 or history[0]["transaction_type"] != "payment":
        raise Refused("The payment of this order was changed before.")
    before, amount = history[0]["payment_method_id"], history[0]["amount"]
    if method == before:
        raise Refused("The new payment method must be another one.")
    _must_cover(_method(customer, method), amount)
    history += [_entry("payment", amount, method), _entry("refund", amount, before)]
    _credit(customer, method, -amount)
    _credit(customer, before, amount)
    return _saved(records, order, customer)


def modify_user_address(records: Records, user: str, address: Record) -> Record:
    customer = records.get("users", user)
    _must_differ(customer["address"], address, "This is your address already.")
    customer["address"] = address
    records.put("users", user, customer)
    return customer


def return_items(records: Records, user: str, order_id: str, item_ids: Sequence[str], method: str) -> Record:
    order = order_of(records, user, order_id)
    _must_be_delivered(order)
    chosen = _method(records.get("users", user), method)
    if chosen["source"] != "gift_card" and method != order["payment_history"][0]["payment_method_id"]:
        raise Refused("A refund goes to the original payment method, or to a gift card.")
    _items(order, item_ids)
    order |= {"status": "return requested", "return_items": sorted(item_ids), "return_payment_method_id": method}
    return _saved(records, order)


def exchange_items(
    records: Records, user: str, order_id: str, item_ids: Sequence[str], new_item_ids: Sequence[str], method: str
) -> Record:
    order = order_of(records, user, order_id)
    _must_be_delivered(order)
    difference = _difference(_swaps(records, order, item_ids, new_item_ids))
    _must_cover(_method(records.get("users", user), method), difference)
    order |= {
        "status": "exchange requested",
        "exchange_items": sorted(item_ids),
        "exchange_new_items": sorted(new_item_ids),
        "exchange_payment_method_id": method,
        "exchange_price_difference": difference,
    }
    return _saved(records, order)


# ── terms that several share ─────────────────────────────────────────────────────────────────────────────────────────


def _must_be_pending(order: Record) -> None:
    if not order["status"].startswith("pending"):
        raise Refused(f"Only a pending order can be changed; this one is {order['status']}.")


def _must_be_delivered(order: Record) -> None:
    if order["status"] != "delivered":
        raise Refused(f"Only a delivered order can be sent back; this one is {order['status']}.")


def _method(customer: Record, method: str) -> Record:
    found: Record | None = customer["payment_methods"].get(method)
    if found is None:
        raise Refused(f"You have no payment method {method}.")
    return found


def _must_cover(method: Record, amount: float) -> None:
    if method["source"] == "gift_card" and method["balance"] < amount:
        raise Refused("The balance of the gift card is not enough.")


def _items(order: Record, item_ids: Sequence[str]) -> list[Record]:
    """Each named item of the order; an item that is named twice must be in it twice."""
    left, found = list(order["items"]), []
    for item_id in item_ids:
        item = next((item for item in left if item["item_id"] == item_id), None)
        if item is None:
            raise Refused(f"The order does not hold {item_ids.count(item_id)} of item {item_id}.")
        left.remove(item)
        found.append(item)
    if not found:
        raise Refused("No item was named.")
    return found


def _swaps(
    records: Records, order: Record, item_ids: Sequence[str], new_item_ids: Sequence[str]
) -> list[tuple[Record, Record]]:
    """Items of the order, each with the variant of the same product that takes its place."""
    if len(item_ids) != len(new_item_ids):
        raise Refused("For each item one new item must be named.")
    swaps = []
    for item, new in zip(_items(order, item_ids), new_item_ids, strict=True):
        variant: Any = records.get("products", item["product_id"])["variants"].get(new)
        if variant is None:
            raise Refused(f"Item {new} is not the same product as item {item['item_id']}.")
        if new == item["item_id"]:
            raise Refused(f"Item {new} cannot be exchanged for itself.")
        if not variant["available"]:
            raise Refused(f"Item {new} is not available.")
        swaps.append((item, variant))
    if sorted(item_ids) == sorted(new_item_ids):
        raise Refused("The new items are the same as the old ones.")
    return swaps


def _must_differ(before: Record, new: Record, otherwise: str) -> None:
    """Refuses a change to what is in the books already, however it is spelled."""
    if _spelled_alike(before) == _spelled_alike(new):
        raise Refused(otherwise)


def _spelled_alike(address: Record) -> Record:
    """Without what makes no difference: capitals, spaces, and fields that say nothing."""
    return {name: " ".join(str(value).casefold().split()) for name, value in address.items() if value}


def _difference(swaps: Sequence[tuple[Record, Record]]) -> float:
    """What is to be paid in addition; negative: to be paid back."""
    return round(sum((float(variant["price"]) - float(item["price"]) for item, variant in swaps), 0.0), 2)


def _credit(customer: Record, method: str, amount: float) -> None:
    """Only gift cards keep a balance here; the others are somebody else's books."""
    card = customer["payment_methods"].get(method)
    if card is not None and card["source"] == "gift_card":
        card["balance"] = round(card["balance"] + amount, 2)


def _entry(kind: str, amount: float, method: str) -> Record:
    return {"transaction_type": kind, "amount": amount, "payment_method_id": method}


def _saved(records: Records, order: Record, customer: Record | None = None) -> Record:
    records.put("orders", order["order_id"], order)
    if customer is not None:
        records.put("users", customer["user_id"], customer)
    return order
