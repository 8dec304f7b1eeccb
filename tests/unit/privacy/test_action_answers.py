"""Answers of other systems are masked like people's text, by the names of their fields."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.privacy.api_responses import mask_fields
from schemas.privacy.harmless_numbers import compile_own_numbers

PAN = "4111 1111 1111 1111"


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({"paid_with": PAN}, {"paid_with": "[card ····1111]"}),
        ({"cardNumber": 4111111111111111}, {"cardNumber": "[card ····1111]"}),
        ({"payment": {"card": PAN, "cvc": "123"}}, {"payment": {"card": "[card ····1111]", "cvc": "[cvv]"}}),
        ({"security_code": 1234}, {"security_code": "[cvv]"}),
        ({"securityCode": "123"}, {"securityCode": "[cvv]"}),
        ({"notes": ["paid", f"by {PAN}"]}, {"notes": ["paid", "by [card ····1111]"]}),
        ({"card_id": PAN}, {"card_id": "[card ····1111]"}),
        ({PAN: "card"}, {"[card ····1111]": "card"}),
    ],
)
def test_numbers_and_security_codes_of_cards_are_masked(fields: dict[str, Any], kept: dict[str, Any]) -> None:
    assert mask_fields(fields) == kept
    assert mask_fields(kept) == kept


@pytest.mark.parametrize(
    "fields",
    [
        {"refund_id": "4111111111111111", "id": "4111111111111111", "paymentId": "4111111111111111"},
        {"tracking_number": "4111111111111111"},
        {"amount": "12.50", "count": 3, "done": True, "none": None, "rate": 0.5, "code": "WELCOME5"},
        {"status": {"lines": [{"sku": "NP-1", "price": 1999}]}},
    ],
)
def test_everything_else_stays_as_it_is(fields: dict[str, Any]) -> None:
    assert mask_fields(fields) == fields


def test_a_tenants_own_numbers_are_no_cards() -> None:
    own = compile_own_numbers(["PS-################"])
    fields = {"parcel": "PS-4111111111111111"}
    assert mask_fields(fields, own) == fields
