"""A small shop of our own: two customers, a handful of orders, invented throughout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from examples.retail.database import make

FERN, REED = "fern_field_1", "reed_brook_2"


def _address(number: int) -> dict[str, str]:
    return {
        "address1": f"{number} Meadow Lane", "address2": "", "city": "Fernfield", "country": "USA", "state": "ME",
        "zip": f"0400{number}",
    }  # fmt: skip


def _variant(item: str, price: float, color: str, *, available: bool = True) -> dict[str, Any]:
    return {"item_id": item, "options": {"color": color}, "available": available, "price": price}


def _line(item: str, product: str, name: str, price: float, color: str) -> dict[str, Any]:
    return {"name": name, "product_id": product, "item_id": item, "price": price, "options": {"color": color}}


MUG, RUG = "100", "200"
PRODUCTS = {
    MUG: {
        "name": "Mug",
        "product_id": MUG,
        "variants": {"101": _variant("101", 9.5, "red"), "102": _variant("102", 12.25, "blue"),
                     "103": _variant("103", 8.0, "grey", available=False), "104": _variant("104", 10.5, "white")},
    },
    RUG: {"name": "Rug", "product_id": RUG, "variants": {"201": _variant("201", 80.0, "green")}},
}  # fmt: skip
USERS = {
    FERN: {
        "user_id": FERN, "name": {"first_name": "Fern", "last_name": "Field"}, "address": _address(1),
        "email": "fern@example.com", "orders": ["#W0000001", "#W0000002", "#W0000003"],
        "payment_methods": {"gift_1": {"source": "gift_card", "id": "gift_1", "balance": 10.0},
                            "card_1": {"source": "credit_card", "id": "card_1", "brand": "none", "last_four": "0000"}},
    },
    REED: {
        "user_id": REED, "name": {"first_name": "Reed", "last_name": "Brook"}, "address": _address(2),
        "email": "reed@example.com", "orders": ["#W0000009"],
        "payment_methods": {"paypal_2": {"source": "paypal", "id": "paypal_2"}},
    },
}  # fmt: skip


def _order(number: str, user: str, status: str, method: str, *items: dict[str, Any]) -> dict[str, Any]:
    amount = round(sum(item["price"] for item in items), 2)
    paid = [{"transaction_type": "payment", "amount": amount, "payment_method_id": method}]
    return {
        "order_id": number, "user_id": user, "address": _address(1), "items": list(items), "status": status,
        "fulfillments": [], "payment_history": paid,
    }  # fmt: skip


_RED, _GREEN = _line("101", MUG, "Mug", 9.5, "red"), _line("201", RUG, "Rug", 80.0, "green")
_BLUE = _line("102", MUG, "Mug", 12.25, "blue")
ORDERS = {
    "#W0000001": _order("#W0000001", FERN, "pending", "gift_1", _RED, _RED),
    "#W0000002": _order("#W0000002", FERN, "delivered", "card_1", _RED, _GREEN),
    "#W0000003": _order("#W0000003", FERN, "processed", "card_1", _GREEN),
    "#W0000004": _order("#W0000004", FERN, "pending", "card_1", _RED, _BLUE),
    "#W0000009": _order("#W0000009", REED, "pending", "paypal_2", _RED),
}
BOOKS: dict[str, dict[str, Any]] = {"products": PRODUCTS, "users": USERS, "orders": ORDERS}


def books_at(folder: Path) -> Path:
    path = folder / "shop.db"
    make(path, BOOKS)
    return path
