"""Key rings: several keys of one secret, of which the first one is current."""

from __future__ import annotations

import json

import pytest
from pydantic import BaseModel, Field, ValidationError

from schemas.key_ring import KeyRing, Keys


class Account(BaseModel):
    token: Keys
    other: Keys = Field(default_factory=KeyRing)


@pytest.mark.parametrize(
    ("value", "keys"),
    [
        ("one", ("one",)),
        (["one", "two"], ("one", "two")),
        (["one", ""], ("one",)),
        ("one\ntwo\n", ("one", "two")),
        (" one \r\n\r\n two", ("one", "two")),
        ("", ()),
        ([], ()),
    ],
)
def test_a_list_and_lines_are_keys_in_their_order(value: object, keys: tuple[str, ...]) -> None:
    ring = Account.model_validate({"token": value}).token
    assert ring.keys == keys
    assert ring.get_secret_value() == (keys[0] if keys else "")


@pytest.mark.parametrize("value", [1, None, {"a": "b"}, ["one", 2], [["one"]]])
def test_anything_else_is_refused_without_being_shown(value: object) -> None:
    with pytest.raises(ValidationError):
        Account.model_validate({"token": value})


def test_the_keys_are_never_shown() -> None:
    account = Account.model_validate({"token": ["canary-1", "canary-2"]})
    for shown in (
        repr(account),
        str(account.token),
        account.model_dump_json(),
        json.dumps(account.model_dump(mode="json")),
    ):
        assert "canary" not in shown
        assert "*" in shown


def test_all_keys_match_and_nothing_else_does() -> None:
    ring = KeyRing("one\ntwo")
    assert [ring.matches(text) for text in ("one", "two", "", "on", "one\ntwo", "\ud800")] == [True, True] + [False] * 4
    assert not KeyRing().matches("")


def test_a_ring_is_renewed_in_place_and_for_itself_alone() -> None:
    first, second = Account(token=KeyRing("a")), Account(token=KeyRing("b"))
    held = first.other
    assert held.renew(KeyRing("new\nold"))
    assert (first.other.keys, second.other.keys) == (("new", "old"), ())
    assert not held.renew(KeyRing("new\nold"))
