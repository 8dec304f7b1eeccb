"""The example shop keeps its own rules, does nothing twice, and misbehaves only when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from examples.plantstore.shop.api import FAULTS, OUTBOX, build_app

TODAY = date(2026, 11, 23)
MOSS, SILL = "email:mossbench@example.com", "id:c-1002"
Client = TestClient[Any, Any]


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Client]:
    async with TestClient(TestServer(build_app(tmp_path, lambda: TODAY))) as client:
        yield client


async def post(shop: Client, path: str, key: str, customer: str = MOSS, **body: Any) -> tuple[int, Any]:
    headers = {"Customer": customer, "Idempotency-Key": key}
    async with shop.post(path, json=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def order(shop: Client, number: str, customer: str = MOSS) -> tuple[int, Any]:
    async with shop.get(f"/orders/{number}", headers={"Customer": customer}) as answer:
        return answer.status, await answer.json()


async def test_an_order_is_shown_to_its_customer_alone(shop: Client) -> None:
    """Another's order looks exactly like one that does not exist."""
    status, found = await order(shop, "NP-10231")
    assert (status, found["status"], found["total"]) == (200, "Paid", "23.40")
    others = [await order(shop, "NP-10231", SILL), await order(shop, "NP-99999", SILL)]
    assert [status for status, _ in others] == [404, 404]
    assert others[0][1]["error"]["message"].replace("10231", "99999") == others[1][1]["error"]["message"]
    assert (await order(shop, "NP-10231", ""))[0] == 401


async def test_a_refused_request_changes_nothing(shop: Client) -> None:
    """Late cancellations, refunds of too much or of nothing, days without delivery, vouchers on paid orders …"""
    refused = [
        ("/orders/NP-10232/cancel", {}, "too_late"),
        ("/orders/NP-10234/cancel", {}, "no_such_order"),
        ("/orders/NP-10232/refunds", {"amount": "35.61"}, "too_much"),
        ("/orders/NP-10232/refunds", {"amount": "-1"}, "invalid_amount"),
        ("/orders/NP-10232/refunds", {"amount": "1e3"}, "invalid_amount"),
        ("/orders/NP-10233/refunds", {}, "not_paid"),
        ("/orders/NP-10231/delivery", {"day": "2026-12-06"}, "no_delivery_day"),
        ("/orders/NP-10231/delivery", {"day": "2027-12-07"}, "day_out_of_range"),
        ("/orders/NP-10231/delivery", {"day": "soon"}, "invalid_day"),
        ("/orders/NP-10231/delivery", {"day": "2026-12-01"}, "same_day"),
        ("/orders/NP-10231/discounts", {"code": "WELCOME5"}, "already_paid"),
        ("/orders/NP-10233/discounts", {"code": "NOSUCH"}, "no_such_voucher"),
        ("/orders/NP-10231/payment-links", {}, "nothing_to_pay"),
        ("/appointments", {"day": "2026-11-27"}, "not_open"),
    ]
    numbers = ("NP-10231", "NP-10232", "NP-10233")
    before = [await order(shop, number) for number in numbers]
    for path, body, code in refused:
        status, answer = await post(shop, path, f"key-{code}-{path}", **body)
        assert (400 <= status < 500, answer["error"]["code"]) == (True, code)
    assert [await order(shop, number) for number in numbers] == before


async def test_every_deed_is_done_once_however_often_it_is_asked_for(shop: Client) -> None:
    """Fifty at once under one key are one; the same key for something else is refused; the key leads to the answer."""
    deeds = [
        ("/orders/NP-10232/refunds", {"amount": "5.50"}, {"order": "NP-10232", "refunded": "5.50", "left": "30.10"}),
        ("/orders/NP-10231/delivery", {"day": "2026-12-08"}, {"order": "NP-10231", "delivery_day": "2026-12-08"}),
        ("/orders/NP-10231/cancel", {}, {"order": "NP-10231", "status": "Cancelled", "refunded": "23.40"}),
        (
            "/appointments",
            {"day": "2026-11-28", "kind": "orchid"},
            {"day": "2026-11-28", "time": "10:00", "kind": "orchid"},
        ),
    ]
    for number, (path, body, expected) in enumerate(deeds):
        answers = await asyncio.gather(*(post(shop, path, f"deed-key-{number}", **body) for _ in range(50)))
        assert answers == [(200, expected)] * 50
        async with shop.get(f"/effects/deed-key-{number}") as known:
            assert await known.json() == expected
    assert (await order(shop, "NP-10232"))[1]["refunded"] == "5.50"
    assert (await post(shop, "/orders/NP-10232/refunds", "deed-key-0", amount="6"))[1]["error"]["code"] == "key_reused"


async def test_a_voucher_lowers_what_the_payment_link_asks_for(shop: Client) -> None:
    assert (await post(shop, "/orders/NP-10233/discounts", "voucher-1", code="mossybench"))[1]["total"] == "53.91"
    status, link = await post(shop, "/orders/NP-10233/payment-links", "payment-1")
    assert (status, link["amount"]) == (200, "53.91")
    assert link["link"].startswith("https://pay.example.com/")
    assert (await post(shop, "/orders/NP-10233/discounts", "voucher-2", code="WELCOME5"))[1]["error"][
        "code"
    ] == "voucher_used"


async def test_four_appointments_fill_a_day(shop: Client) -> None:
    taken = [await post(shop, "/appointments", f"appointment-{n}", day="2026-12-05") for n in range(5)]
    assert [answer.get("time") for _, answer in taken] == ["10:00", "11:00", "12:00", "13:00", None]
    assert taken[4][1]["error"]["code"] == "fully_booked"


async def test_mails_go_to_the_outbox_once(shop: Client) -> None:
    for _ in range(2):
        await post(shop, "/outbox", "mail-key-1", to="mossbench@example.com", text="Your code is 123456.")
    assert shop.app is not None
    assert [mail["text"] for mail in shop.app[OUTBOX].mails()] == ["Your code is 123456."]


async def test_an_address_gets_five_mails_an_hour(shop: Client) -> None:
    """The sixth is refused; others still get theirs."""
    sent = [
        (await post(shop, "/outbox", f"mail-number-{n}", to="mossbench@example.com", text="Hi"))[0] for n in range(6)
    ]
    assert sent == [200] * 5 + [429]
    assert (await post(shop, "/outbox", "mail-number-9", to="windowsill@example.com", text="Hi"))[0] == 200


async def test_a_misbehaving_shop_does_what_the_fault_says(shop: Client) -> None:
    """Down: nothing is done. An error after the deed: done, and the key tells so. Or the key is forgotten."""
    assert shop.app is not None
    faults = shop.app[FAULTS].waiting
    for fault, done, known in (("unavailable", 0, 404), ("error_after", 1, 200), ("forgets_key", 2, 404)):
        faults.append(fault)
        await post(shop, "/orders/NP-10232/refunds", f"fault-{fault}", amount="1")
        assert (await order(shop, "NP-10232"))[1]["refunded"] == f"{done}.00"
        async with shop.get(f"/effects/fault-{fault}") as answer:
            assert answer.status == known


async def test_a_malformed_request_is_refused(shop: Client) -> None:
    headers = {"Customer": MOSS, "Idempotency-Key": "a-good-key"}
    for body, more in ((b"[]", {}), (b"\xff", {}), (b"{}", {"Idempotency-Key": "x"})):
        async with shop.post("/orders/NP-10232/refunds", data=body, headers=headers | more) as answer:
            assert answer.status == 400
