"""One-time codes are hidden in what people keep; other numbers stay."""

from __future__ import annotations

import pytest

from schemas.privacy.harmless_numbers import compile_own_numbers
from schemas.privacy.one_time_codes import HIDDEN, mask_one_time_codes


@pytest.mark.parametrize(
    "text", ["421498", "421 498", "421-498", "the code is 421498.", "421498, and 123456", "(421498)"]
)
def test_a_code_is_hidden_however_it_is_typed(text: str) -> None:
    shown = mask_one_time_codes(text)
    assert HIDDEN in shown
    assert not any(character.isdigit() for character in shown)


@pytest.mark.parametrize(
    "text", ["NP-10231", "4214981", "12.345678", "order 42149", "421498 €", "421,498.00", "2026-11-28", "A421498"]
)
def test_other_numbers_stay(text: str) -> None:
    assert mask_one_time_codes(text) == text


def test_a_number_of_the_tenants_own_stays() -> None:
    assert mask_one_time_codes("PS 421498 or 421498", compile_own_numbers(["PS ######"])) == f"PS 421498 or {HIDDEN}"
