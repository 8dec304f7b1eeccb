"""Headers of a webhook, as a channel's ``verify`` sees them."""

from __future__ import annotations

from multidict import CIMultiDict

from gateway.http.webhooks import normalize_headers


def test_names_are_in_lower_case() -> None:
    assert normalize_headers(CIMultiDict({"X-Signature": "a", "Host": "b"})) == {"x-signature": "a", "host": "b"}


def test_a_header_that_is_there_twice_is_neither_of_the_two() -> None:
    twice = CIMultiDict([("X-Signature", "wrong"), ("Host", "b"), ("x-signature", "right")])
    assert normalize_headers(twice) == {"x-signature": "wrong, right", "host": "b"}
