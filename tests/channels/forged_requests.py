"""Requests that their vendor never signed, made from ones that it did."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from pydantic import SecretStr

from connectors.whatsapp.twilio.signature import is_json, parse_parameters
from schemas.errors import ParleyError
from schemas.key_ring import KeyRing
from schemas.ports import Account, RawRequest
from tests.channels import fixture_cases, fixture_translation

CHOICE = "x-twilio-webhooks-signature-settings"
"""Says which of the account's keys has signed, and proves nothing."""
MOST = 12
"""Bytes that are put before or behind."""


@dataclass(frozen=True, eq=False)
class GenuineRequest:
    """A request of a vendor, and the moment at which it is genuine."""

    channel: str
    case: str
    request: RawRequest
    account: Account
    told: dict[str, Any]

    def accepts(self, request: RawRequest, account: Account | None = None) -> bool:
        opened, clock = fixture_translation.open_channel_at(self.channel)
        clock.now = fixture_translation.moment(self.told)
        try:
            opened.verify(request, account or self.account)
        except ParleyError:
            return False
        return True

    @cached_property
    def proofs(self) -> list[str]:
        """The headers without which it is not believed."""
        own = [name for name in self.request.headers if name.startswith("x-") and name != CHOICE]
        return [name for name in own if not self.accepts(_remove_grouped(self, name))]

    @cached_property
    def is_signed(self) -> bool:
        """Whether a proof depends on the body. Some vendors send the shared secret itself, which proves only who
        sent it."""
        secrets = {value.get_secret_value() for _, value in self.account.settings if isinstance(value, SecretStr)}
        return any(self.request.headers[name] not in secrets for name in self.proofs)


def find_genuine_requests(channel: str) -> dict[str, list[GenuineRequest]]:
    """The accepted requests with a proof among a channel's fixtures, by the kind of account that they are for."""
    found: dict[str, list[GenuineRequest]] = {}
    for case in fixture_cases.cases(channel, "inbound"):
        request, told = fixture_translation.request(case)
        one = GenuineRequest(
            channel, case.name, request, fixture_translation.account(channel, told.get("account", "")), told
        )
        if request.body and one.accepts(request) and one.proofs:
            found.setdefault(type(one.account.settings).__name__, []).append(one)
    return found


Forger = Callable[[GenuineRequest, random.Random], RawRequest | None]
"""None where this cannot be done to the request."""


def _flip(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def _cut(data: bytes, rng: random.Random) -> bytes:
    kept = rng.randrange(len(data))
    return data[:kept] if rng.random() < 0.5 else data[len(data) - kept :]


def _grow(data: bytes, rng: random.Random) -> bytes:
    more = rng.randbytes(rng.randint(1, MOST))
    return data + more if rng.random() < 0.5 else more + data


def _of_body(change: Callable[[bytes, random.Random], bytes]) -> Forger:
    def forge(one: GenuineRequest, rng: random.Random) -> RawRequest | None:
        changed = replace(one.request, body=change(one.request.body, rng))
        return None if _says_the_same(one, changed) else changed

    return forge


def _of_proof(change: Callable[[bytes, random.Random], bytes]) -> Forger:
    def forge(one: GenuineRequest, rng: random.Random) -> RawRequest:
        name = rng.choice(one.proofs)
        value = change(one.request.headers[name].encode("latin-1"), rng).decode("latin-1")
        return _with(one, **{name: value})

    return forge


def _missing(one: GenuineRequest, rng: random.Random) -> RawRequest:
    return _remove_grouped(one, rng.choice(one.proofs))


def _doubled(one: GenuineRequest, rng: random.Random) -> RawRequest:
    """Two headers of one name as a proxy hands them on: joined."""
    name = rng.choice(one.proofs)
    right = one.request.headers[name]
    other = right if rng.random() < 0.5 else _flip(right.encode(), rng).decode("latin-1")
    return _with(one, **{name: rng.choice((", ", ",", " ", "\n")).join(rng.sample([right, other], 2))})


def _other_proof(one: GenuineRequest, rng: random.Random) -> RawRequest | None:
    """The proof of another request."""
    other = rng.choice(genuine_like(one))
    if other.request.body == one.request.body:
        return None
    return _with(one, **{name: other.request.headers.get(name, "") for name in one.proofs})


def _other_address(one: GenuineRequest, rng: random.Random) -> RawRequest | None:
    """Only who signs the address minds."""
    if "x-twilio-signature" not in one.proofs:
        return None
    at = rng.randrange(len("https://"), len(one.request.url.partition("#")[0]))
    changed = one.request.url[:at] + rng.choice("abc/?&=%") + one.request.url[at:]
    return replace(one.request, url=changed)


FORGERS: dict[str, Forger] = {
    "a bit of the body": _of_body(_flip),
    "a shorter body": _of_body(_cut),
    "a longer body": _of_body(_grow),
    "a bit of the proof": _of_proof(_flip),
    "a shorter proof": _of_proof(_cut),
    "a longer proof": _of_proof(_grow),
    "no proof": _missing,
    "two proofs": _doubled,
    "another's proof": _other_proof,
    "another address": _other_address,
}


OF_SIGNATURES = frozenset({"a bit of the body", "a shorter body", "a longer body", "another's proof"})
"""Only a signature rules these out."""


def forge_requests(one: GenuineRequest, rng: random.Random) -> Iterator[tuple[str, RawRequest]]:
    """One of each kind."""
    for name, forger in FORGERS.items():
        if name in OF_SIGNATURES and not one.is_signed:
            continue
        made = forger(one, rng)
        if made is not None and made != one.request:
            yield name, made


def build_strangers_account(one: GenuineRequest, rng: random.Random) -> Account:
    """The same account with secrets that differ in one character."""
    return _replace_secrets(one, lambda secret: _other_letter(secret, rng))


def build_account_with_next_secrets(one: GenuineRequest, rng: random.Random) -> Account:
    """The same account with other secrets before its own."""
    return _replace_secrets(one, lambda secret: f"{_other_letter(secret, rng)}\n{secret}")


def _replace_secrets(one: GenuineRequest, change: Callable[[str], str]) -> Account:
    changed: dict[str, Any] = {}
    for name, value in one.account.settings:
        if isinstance(value, SecretStr) and value.get_secret_value():
            changed[name] = KeyRing(change(value.get_secret_value()))
        elif isinstance(value, dict):
            changed[name] = {key: KeyRing(change(each.get_secret_value())) for key, each in value.items()}
    return replace(one.account, settings=one.account.settings.model_copy(update=changed))


def genuine_like(one: GenuineRequest) -> list[GenuineRequest]:
    return _known(one.channel)[type(one.account.settings).__name__]


_seen: dict[str, dict[str, list[GenuineRequest]]] = {}


def _known(channel: str) -> dict[str, list[GenuineRequest]]:
    if channel not in _seen:
        _seen[channel] = find_genuine_requests(channel)
    return _seen[channel]


def _remove_grouped(one: GenuineRequest, gone: str) -> RawRequest:
    return replace(one.request, headers={name: text for name, text in one.request.headers.items() if name != gone})


def _with(one: GenuineRequest, **headers: str) -> RawRequest:
    return replace(one.request, headers={**one.request.headers, **headers})


def _other_letter(text: str, rng: random.Random) -> str:
    at = rng.randrange(len(text))
    return text[:at] + rng.choice([each for each in "0123456789abcdef" if each != text[at]]) + text[at + 1 :]


def _says_the_same(one: GenuineRequest, changed: RawRequest) -> bool:
    """Twilio signs what a form says, not how it is written: %2b is %2B, and a field said twice is said once."""
    if "x-twilio-signature" not in one.proofs or is_json(one.request):
        return changed.body == one.request.body
    try:
        return set(parse_parameters(changed)) == set(parse_parameters(one.request))
    except ParleyError:
        return False
