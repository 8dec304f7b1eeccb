"""Text files are searched for the numbers of cards, however large they are."""

from __future__ import annotations

import pytest

from schemas.privacy.records import mask_file
from tests.harness.time_growth import assert_in_proportion

CARD = "4111 1111 1111 1111"


@pytest.mark.parametrize("filler", ["word ", "word 12 ", "12,34,5\n", "1 ", "\n"])
def test_a_card_is_found_wherever_it_stands(filler: str) -> None:
    before = (filler * 70_000)[:70_000]
    for at in (0, 100, 65_400, *range(65_500, 65_580, 9), 69_000):
        data = f"{before[:at]}\nmy card {CARD}\n{before[at:]}".encode()
        assert CARD.encode() not in mask_file(data), at


def test_a_file_without_cards_is_kept_byte_by_byte() -> None:
    data = b"\xef\xbb\xbf" + "1.250,00 €\r\n".encode() * 200_000
    assert mask_file(data) == data


@pytest.mark.parametrize("pump", ["word ", "4111 1111 1111 1111 ", "4444 ", "1,"])
def test_no_file_takes_long(pump: str) -> None:
    assert_in_proportion(lambda size: (pump * size)[:size].encode(), mask_file, 200_000)
