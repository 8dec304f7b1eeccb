"""Records that are given up on are kept for a replay, without the numbers of cards."""

from __future__ import annotations

import json

import pytest

from schemas.privacy.records import mask_record

CARD = "4111111111111111"
SNOWFLAKE = "5105105105105100"


def test_within_json_words_are_masked_and_ids_are_not() -> None:
    record = {
        "id": SNOWFLAKE,
        "place": SNOWFLAKE,
        "contact_id": CARD,
        "text": f"it is {CARD}",
        "files": [{"name": CARD}],
    }
    kept = json.loads(mask_record(json.dumps(record).encode()))
    assert kept == record | {"text": "it is [card ····1111]", "files": [{"name": "[card ····1111]"}]}


@pytest.mark.parametrize("value", [f"{{ {CARD}".encode(), f'"{CARD}'.encode(), b"\xff " + CARD.encode()])
def test_a_record_that_is_no_json_is_masked_as_text(value: bytes) -> None:
    kept = mask_record(value)
    assert CARD.encode() not in kept
    assert b"1111]" in kept


def test_digits_that_json_escapes_are_seen() -> None:
    escaped = "".join(f"\\u{ord(digit):04x}" for digit in CARD)
    assert mask_record(f'{{"text":"{escaped}"}}'.encode()) == '{"text":"[card ····1111]"}'.encode()


@pytest.mark.parametrize("value", [b"", b"{}", b'{"text":  "hello"}', b"\xff\xfe", b'{"id":"4111111111111111"}'])
def test_all_else_stays_as_it_was_to_the_byte(value: bytes) -> None:
    assert mask_record(value) == value
