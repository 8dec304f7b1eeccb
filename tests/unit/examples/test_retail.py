"""The retail shop does what its policy says, to the cent; what it refuses changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from examples.retail import database, rules
from examples.retail.database import Records, Refused
from tests.unit.examples.retail_data import BOOKS, FERN, REED, books_at

HOME = {"address1": "9 Mill Road", "address2": "", "city": "Brook", "country": "USA", "state": "ME", "zip": "04009"}
Deed = Callable[[Records], dict[str, Any]]


@pytest.fixture
def books(tmp_path: Path) -> Path:
    return books_at(tmp_path)


def diff_books(path: Path) -> dict[str, Any]:
    """What differs from the books as they were, by id."""
    now = database.contents(path)
    return {id: body for kind in now for id, body in now[kind].items() if body != BOOKS[kind][id]}


REFUSED: dict[str, Deed] = {
    "another customer's order": lambda r: rules.cancel(r, FERN, "#W0000009", "no longer needed"),
    "an order that is not there": lambda r: rules.cancel(r, FERN, "#W9999999", "no longer needed"),
    "an order on its way": lambda r: rules.cancel(r, FERN, "#W0000003", "no longer needed"),
    "another reason": lambda r: rules.cancel(r, FERN, "#W0000001", "too expensive"),
    "an item of another product": lambda r: rules.modify_items(r, FERN, "#W0000001", ["101"], ["201"], "gift_1"),
    "a variant that is out": lambda r: rules.modify_items(r, FERN, "#W0000001", ["101"], ["103"], "card_1"),
    "an item that is not in it": lambda r: rules.modify_items(r, FERN, "#W0000001", ["102"], ["101"], "card_1"),
    "an item more often than it is in it": lambda r: rules.modify_items(
        r, FERN, "#W0000001", ["101"] * 3, ["102"] * 3, "card_1"
    ),
    "fewer new items than old": lambda r: rules.modify_items(r, FERN, "#W0000001", ["101", "101"], ["102"], "card_1"),
    "no items": lambda r: rules.return_items(r, FERN, "#W0000002", [], "card_1"),
    "a payment method of nobody's": lambda r: rules.modify_items(r, FERN, "#W0000001", ["101"], ["102"], "paypal_2"),
    "the same payment method": lambda r: rules.modify_payment(r, FERN, "#W0000001", "gift_1"),
    "the payment of a delivered order": lambda r: rules.modify_payment(r, FERN, "#W0000002", "gift_1"),
    "a refund to another card": lambda r: rules.return_items(r, REED, "#W0000009", ["101"], "paypal_2"),
    "a return of what is pending": lambda r: rules.return_items(r, FERN, "#W0000001", ["101"], "gift_1"),
    "an exchange of what is pending": lambda r: rules.exchange_items(r, FERN, "#W0000001", ["101"], ["102"], "gift_1"),
    "the address of a delivered order": lambda r: rules.modify_address(r, FERN, "#W0000002", HOME),
    "an item for itself": lambda r: rules.modify_items(r, FERN, "#W0000001", ["101"], ["101"], "gift_1"),
    "an item for itself beside another": lambda r: rules.modify_items(
        r, FERN, "#W0000001", ["101", "101"], ["102", "101"], "gift_1"
    ),
    "a delivered item for itself": lambda r: rules.exchange_items(r, FERN, "#W0000002", ["201"], ["201"], "card_1"),
    "items for each other": lambda r: rules.modify_items(
        r, FERN, "#W0000004", ["101", "102"], ["102", "101"], "card_1"
    ),
    "the same address for an order": lambda r: rules.modify_address(
        r, FERN, "#W0000001", r.get("orders", "#W0000001")["address"]
    ),
    "the same address in other letters": lambda r: rules.modify_address(
        r, FERN, "#W0000001", {**r.get("orders", "#W0000001")["address"], "address1": "1  MEADOW lane"}
    ),
    "the customer's own address": lambda r: rules.modify_user_address(r, FERN, r.get("users", FERN)["address"]),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_refused_request_changes_nothing(what: str, books: Path) -> None:
    with pytest.raises(Refused):
        database.write(books, f"key of {what}", {}, REFUSED[what])
    assert diff_books(books) == {}


def test_a_cancelled_order_pays_back_to_the_gift_card(books: Path) -> None:
    database.write(books, "key-1", {}, lambda r: rules.cancel(r, FERN, "#W0000001", "ordered by mistake"))
    now = diff_books(books)
    assert (now["#W0000001"]["status"], now["#W0000001"]["cancel_reason"]) == ("cancelled", "ordered by mistake")
    assert now["#W0000001"]["payment_history"][1] == {
        "transaction_type": "refund", "amount": 19.0, "payment_method_id": "gift_1",
    }  # fmt: skip
    assert now[FERN]["payment_methods"]["gift_1"]["balance"] == 29.0


def test_each_changed_item_gets_its_own_price(books: Path) -> None:
    """Two of one item may become two different ones; the difference is charged; and it goes once."""
    deed: Deed = lambda r: rules.modify_items(r, FERN, "#W0000001", ["101", "101"], ["102", "104"], "gift_1")  # noqa: E731
    order = database.write(books, "key-1", {}, deed)
    assert [(item["item_id"], item["price"]) for item in order["items"]] == [("102", 12.25), ("104", 10.5)]
    assert (order["status"], order["payment_history"][1]["amount"]) == ("pending (item modified)", 3.75)
    assert diff_books(books)[FERN]["payment_methods"]["gift_1"]["balance"] == 6.25
    with pytest.raises(Refused):
        database.write(books, "key-2", {}, deed)
    database.write(books, "key-3", {}, lambda r: rules.modify_address(r, FERN, "#W0000001", HOME))
    assert diff_books(books)["#W0000001"]["address"] == HOME


def test_a_gift_card_pays_only_what_it_holds(books: Path) -> None:
    exchange: Deed = lambda r: rules.exchange_items(r, FERN, "#W0000002", ["101"], ["102"], "gift_1")  # noqa: E731
    order = database.write(books, "key-1", {}, exchange)
    assert order["exchange_price_difference"] == 2.75
    with pytest.raises(Refused, match="balance"):
        database.write(
            books,
            "key-2",
            {},
            lambda r: rules.modify_items(r, FERN, "#W0000001", ["101"] * 2, ["102"] * 2, "gift_1") if _spend(r) else {},
        )


def _spend(records: Records) -> bool:
    customer = records.get("users", FERN)
    customer["payment_methods"]["gift_1"]["balance"] = 5.0
    records.put("users", FERN, customer)
    return True


def test_returns_go_back_the_way_they_were_paid_or_to_a_gift_card(books: Path) -> None:
    order = database.write(
        books, "key-1", {}, lambda r: rules.return_items(r, FERN, "#W0000002", ["201", "101"], "gift_1")
    )
    assert (order["status"], order["return_items"]) == ("return requested", ["101", "201"])
    assert order["return_payment_method_id"] == "gift_1"


def test_the_payment_of_a_pending_order_can_move_once(books: Path) -> None:
    deed: Deed = lambda r: rules.modify_payment(r, FERN, "#W0000001", "card_1")  # noqa: E731
    order = database.write(books, "key-1", {}, deed)
    assert [entry["transaction_type"] for entry in order["payment_history"]] == ["payment", "payment", "refund"]
    assert diff_books(books)[FERN]["payment_methods"]["gift_1"]["balance"] == 29.0
    with pytest.raises(Refused):
        database.write(books, "key-2", {}, lambda r: rules.modify_payment(r, FERN, "#W0000001", "gift_1"))


def test_a_key_brings_the_first_answer_and_fits_nothing_else(books: Path) -> None:
    deed: Deed = lambda r: rules.cancel(r, FERN, "#W0000001", "ordered by mistake")  # noqa: E731
    first = database.write(books, "key-1", {"order": 1}, deed)
    assert database.write(books, "key-1", {"order": 1}, deed) == first
    with pytest.raises(Refused):
        database.write(books, "key-1", {"order": 2}, deed)


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        database.read(tmp_path / "none.db", lambda records: {})
    assert not (tmp_path / "none.db").exists()
