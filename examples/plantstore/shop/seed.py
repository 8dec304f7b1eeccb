"""What the shop has sold so far. All of it is invented; addresses end in example.com."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import NamedTuple

CUSTOMERS = {
    "c-1001": "mossbench@example.com",
    "c-1002": "windowsill@example.com",
    "c-1003": "highland.house@example.com",
}
PRODUCTS = {
    "NEP-VEN-S": ("Nepenthes ventricosa, size S", 1890),
    "NEP-LOW-M": ("Nepenthes lowii, size M", 6450),
    "NEP-HAM-L": ("Nepenthes hamata, size L", 18900),
    "DRO-CAP-S": ("Drosera capensis, size S", 690),
    "DIO-MUS-M": ("Dionaea muscipula, size M", 1250),
    "MAS-VEI-M": ("Masdevallia veitchiana, size M", 3490),
    "SEM-ARA-S": ("Sempervivum arachnoideum, size S", 450),
    "SUB-SPH-5": ("Sphagnum moss, 5 litres", 1490),
    "HEA-72H-1": ("Heat pack, 72 hours", 450),
}
VOUCHERS = {"WELCOME5": ("amount", 500), "MOSSYBENCH": ("percent", 10)}
"""What a code takes off: cents, or percent of the goods."""


class SeedOrder(NamedTuple):
    """``delivery``: days from today, moved on to a day on which parcels arrive; negative for those that have."""

    number: str
    customer: str
    status: str
    delivery: int
    items: dict[str, int]


ORDERS = (
    SeedOrder("NP-10231", "c-1001", "Paid", 8, {"NEP-VEN-S": 1, "HEA-72H-1": 1}),
    SeedOrder("NP-10232", "c-1001", "Delivered", -3, {"DRO-CAP-S": 3, "SUB-SPH-5": 1}),
    SeedOrder("NP-10233", "c-1001", "Received", 10, {"DIO-MUS-M": 2, "MAS-VEI-M": 1}),
    SeedOrder("NP-10234", "c-1002", "In preparation", 5, {"MAS-VEI-M": 1}),
    SeedOrder("NP-10235", "c-1002", "Shipped", 1, {"NEP-LOW-M": 1, "HEA-72H-1": 2}),
    SeedOrder("NP-10236", "c-1003", "Delivered", -6, {"NEP-HAM-L": 1, "SEM-ARA-S": 4}),
    SeedOrder("NP-10237", "c-1003", "Packing", 2, {"SUB-SPH-5": 2}),
    SeedOrder("NP-10238", "c-1003", "Cancelled", -20, {"SEM-ARA-S": 1}),
)
ARRIVALS = frozenset({1, 2, 3, 4})
"""Weekdays (Monday is 0) on which living plants arrive: they leave from Monday to Wednesday."""


def arrival(today: date, days: int) -> date:
    """The first day, from ``days`` after today on, on which a parcel can arrive."""
    day = today + timedelta(days=days)
    while day.weekday() not in ARRIVALS:
        day += timedelta(days=1)
    return day


def statements(today: date) -> Iterator[tuple[str, tuple[str | int, ...]]]:
    """What fills an empty database."""
    for customer, email in CUSTOMERS.items():
        yield "INSERT INTO customers VALUES (?, ?)", (customer, email)
    for sku, (name, price) in PRODUCTS.items():
        yield "INSERT INTO products VALUES (?, ?, ?)", (sku, name, price)
    for order in ORDERS:
        day = arrival(today, order.delivery).isoformat()
        yield (
            "INSERT INTO orders (number, customer, status, delivery_day) VALUES (?, ?, ?, ?)",
            (order.number, order.customer, order.status, day),
        )
        for sku, quantity in order.items.items():
            yield "INSERT INTO items VALUES (?, ?, ?, ?)", (order.number, sku, quantity, PRODUCTS[sku][1])
