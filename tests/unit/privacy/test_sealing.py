"""Sealed bodies are read whatever their owners are called, and an event is sealed once for the outbox and the log."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from schemas import topics
from schemas.envelope import Envelope
from schemas.ports import Record
from schemas.privacy.key_service import UnwrappedKey
from schemas.privacy.sealed_bodies import BodyOwner, parse_sealed, seal_body
from schemas.privacy.sealed_events import find_seal, open_event, open_record, seal_event

BODY = b'{"text":"canary","sealed":["shop","ada",1,"AQ=="]}'
ERASED = UnwrappedKey(7, None)


def make_key(generation: int = 7) -> UnwrappedKey:
    return UnwrappedKey(generation, AESGCM(os.urandom(32)))


def make_event() -> Envelope:
    at = datetime(2026, 5, 4, tzinfo=UTC)
    return Envelope("e-1", topics.MESSAGE_SEND, "parley/worker", "shop", BODY, at, conversation="c-1", extra={"x": "y"})


def read_back(event: Envelope) -> Envelope:
    return Envelope.from_wire(event.headers(), event.data)


@pytest.mark.parametrize("owner", [("shop", "ada"), ('a","b"]}', 'c",1,"'), ("é\\", ""), ("a", '"]}')])
@pytest.mark.parametrize("readable", [{}, {"channel": "web", "terms": ['"]}', "x"]}])
def test_a_sealed_body_is_read_with_its_owner_and_its_readable_fields(
    owner: tuple[str, str], readable: dict[str, object]
) -> None:
    key = make_key()
    sealed = seal_body(BODY, BodyOwner(*owner), key, readable.items())
    for stored in (sealed, sealed.decode()):
        found = parse_sealed(stored)
        assert found is not None
        assert (found.owner, found.generation, found.readable_fields) == (owner, 7, readable)
        assert found.open(key) == BODY
        assert found.open(ERASED) is found.open(make_key(8)) is found.open(make_key(7)) is None
    assert parse_sealed(BODY) is None


def test_a_sealed_body_that_is_cut_off_raises() -> None:
    for readable in ([], [("at", "noon")]):
        sealed = seal_body(BODY, BodyOwner("shop", "ada"), make_key(), readable)
        for length in range(len('{"sealed":["'), len(sealed)):
            with pytest.raises(ValueError, match=r"."):
                parse_sealed(sealed[:length])


def test_an_event_is_sealed_once_for_each_key() -> None:
    event, key = make_event(), make_key()
    first = seal_event(event, "ada", key)
    assert seal_event(event, "ada", key) is first
    assert BODY not in (first.data or b"")
    assert seal_event(event, "ada", ERASED).data == b"\x01", "nothing is left once the key is erased"
    for changed in (seal_event(event, "bob", key), seal_event(event, "ada", make_key(8))):
        assert changed.data != first.data
    assert seal_event(replace(event, data=b"{}"), "ada", key).data != first.data


def test_an_event_of_the_outbox_is_opened_by_its_key_alone() -> None:
    event, key = make_event(), make_key()
    written = seal_event(event, "ada", key)
    sealed = read_back(written)
    seal = find_seal(sealed)
    assert seal == ("shop", "ada", 7)
    assert open_event(sealed, key, seal) == event
    moved = replace(sealed, id="e-2")
    for stored, other in ((sealed, ERASED), (sealed, None), (sealed, make_key(8)), (sealed, make_key()), (moved, key)):
        assert open_event(stored, other, seal) is None
    record = Record("t", 0, 0, "c-1", 0, dict(written.headers()), written.data)
    assert open_record(record, key).value == BODY, "it is the form of the log"


@pytest.mark.parametrize("extra", [{}, {"ce_contact": "ada"}, {"ce_contact": "ada", "ce_keygeneration": "7"}])
def test_an_event_that_was_not_sealed_is_taken_as_it_is(extra: dict[str, str]) -> None:
    assert find_seal(read_back(replace(make_event(), extra=extra))) is None
