"""A body is parsed as JSON, and nothing that only looks like it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from gateway.http.responses import decode_json
from schemas.errors import InvalidRequest


class Body(BaseModel):
    values: dict[str, Any]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999999x"])
def test_what_is_no_number_is_refused(number: str) -> None:
    with pytest.raises(InvalidRequest, match="the body is not valid JSON"):
        decode_json(Body, f'{{"values": {{"a": {number}}}}}'.encode())


@pytest.mark.parametrize("text", ["NaN", "To Infinity and beyond"])
def test_a_text_may_hold_such_words(text: str) -> None:
    assert decode_json(Body, f'{{"values": {{"a": "{text}"}}}}'.encode()).values == {"a": text}
