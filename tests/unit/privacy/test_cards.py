"""Numbers of payment cards are found however they are written, and other long numbers are left alone."""

from __future__ import annotations

import random
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.privacy.cards import mask_cards
from schemas.privacy.harmless_numbers import compile_own_numbers
from tests.harness.time_growth import assert_in_proportion
from tests.unit.privacy import card_numbers
from tests.unit.privacy.card_spellings import SPELLINGS
from tests.unit.privacy.harmless_numbers import HARMLESS

SEEDS = st.integers(min_value=0, max_value=2**32)


def digits_of(text: str) -> str:
    return "".join(str(int(letter)) for letter in text if letter.isdecimal())


def test_of_ten_thousand_cards_in_common_forms_none_is_missed() -> None:
    missed = [
        text
        for digits, text in islice(card_numbers.written(random.Random(38)), 10_000)
        if digits in digits_of(out := mask_cards(text)) or f"[card ····{digits[-4:]}]" not in out
    ]
    assert missed == []


@given(seed=SEEDS, before=st.text(max_size=30), after=st.text(max_size=30))
def test_masking_twice_is_masking_once(seed: int, before: str, after: str) -> None:
    _, text = next(card_numbers.written(random.Random(seed)))
    once = mask_cards(f"{before} {text} {after}")
    assert mask_cards(once) == once


@pytest.mark.parametrize("kind", [*card_numbers.OTHERS, card_numbers.BARE, card_numbers.ORDER])
def test_other_numbers_are_left_alone(kind: str) -> None:
    """Of long numbers that could be anything, one in ten fits the check digit, and one in five of these a network. A
    card's may stand behind "order", too."""
    makers = {**card_numbers.OTHERS, card_numbers.BARE: card_numbers.bare, card_numbers.ORDER: card_numbers.order}
    most = 0.03 if kind in (card_numbers.BARE, card_numbers.ORDER) else 0.0
    rng, make = random.Random(7), makers[kind]
    own = compile_own_numbers(["PS-##############"])
    texts = [make(rng) for _ in range(5_000)]
    wrong = [text for text in texts if mask_cards(text, own) != text]
    assert len(wrong) / len(texts) <= most, wrong[:5]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("4111 1111 1111 1111 12/27 123", "[card ····1111] 12/27 [cvv]"),
        ("4111111111111111|12|27|123", "[card ····1111]|12|27|[cvv]"),
        ("4111-1111-1111-1111, cvc: 4321 ok", "[card ····1111], cvc: [cvv] ok"),
        ("CVV is 123 for 5500005555555559", "CVV is [cvv] for [card ····5559]"),
        ("my cvv 987", "my cvv [cvv]"),
        ("cVV 987 or cVc: 1234", "cVV [cvv] or cVc: [cvv]"),
        ("Prüfziffer 987, 378282246310005", "Prüfziffer [cvv], [card ····0005]"),
        ("4222222222222", "[card ····2222]"),
        ("order 4111111111111111, please", "order [card ····1111], please"),
        ("PO\n4111111111111111", "PO\n[card ····1111]"),
        ("%B4111111111111111^DOE/JOHN^27121011000012300000?", "%B[card ····1111]^DOE/JOHN^[track]"),
        (";4111111111111111=27121011000012300000?", ";[card ····1111]=[track]"),
        ("4111,1111,1111,1111,12,27,123", "[card ····1111],12,27,[cvv]"),
        ("4111/1111/1111/1111 or 5500,0055,5555,5559", "[card ····1111] or [card ····5559]"),
        ("4111, 1111, 1111, 1111, 2222, 3333", "4111, 1111, 1111, 1111, 2222, 3333"),
        ("card 4111, 1111, 1111, 1111, 2222, 3333", "card [card ····1111], [cvv], [cvv]"),
        ("4111111111111111 and 5500005555555559", "[card ····1111] and [card ····5559]"),
        ("④①①① ①①①① ①①①① ①①①①", "[card ····1111]"),
        ("4111 1111 1111 1112", "4111 1111 1111 1112"),
        ("4006381333931", "4006381333931"),
        ("IMEI 356938035643809", "IMEI 356938035643809"),
    ],
)
def test_card_numbers_are_masked_as_shown(text: str, shown: str) -> None:
    assert mask_cards(text) == shown


def test_every_spelling_of_a_card_is_masked() -> None:
    assert len(SPELLINGS) >= 67
    missed = [text for text in SPELLINGS if mask_cards(text).count("[card ····") != 1]
    assert missed == []
    left = [text for text in SPELLINGS if len(digits_of(mask_cards(text))) > 4 + len("1227")]
    assert left == []


@pytest.mark.parametrize("kind", HARMLESS)
def test_numbers_as_people_write_them_stay(kind: str) -> None:
    assert sum(map(len, HARMLESS.values())) >= 200
    wrong = [text for text in HARMLESS[kind] if mask_cards(text) != text]
    assert wrong == []


def test_a_card_that_is_said_to_be_one_is_masked_whatever_a_tenants_numbers_look_like() -> None:
    own = compile_own_numbers(["41@-#####", "PS-####"])
    assert mask_cards("card 4111111111111111", own) == "card [card ····1111]"


@pytest.mark.parametrize("pattern", ["################", "4###############", "", "PS-"])
def test_a_pattern_that_could_be_anything_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="must begin with"):
        compile_own_numbers([pattern])


@pytest.mark.parametrize(
    "pump",
    ["4", "4 ", "4" * 19 + " ", "1" * 12 + "x", "4111 ", "4111,", "4:", "4111111111111111+", " ", "·", "DE89 ", "cvv "],
)
def test_no_text_takes_long(pump: str) -> None:
    assert_in_proportion(lambda size: (pump * size)[:size], mask_cards, 64_000)
