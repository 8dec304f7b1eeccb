"""Visitor tokens and signed identities."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from connectors.web.settings import WebAccount
from gateway.identity import identity_of
from schemas.errors import Unauthorized
from tests.unit.gateway_chat.conftest import IDENTITY_SECRET, Clock, Shop


def identity(clock: Clock, secret: str = IDENTITY_SECRET, **claims: Any) -> str:
    """A token of the site; ``claims`` replace, None removes."""
    whole = {"sub": "ada", "exp": int(clock().timestamp()) + 600, **claims}
    return jwt.encode({name: value for name, value in whole.items() if value is not None}, secret, "HS256")


async def test_a_new_visitor_gets_a_session_of_the_contract(shop: Shop) -> None:
    answer = await shop.start()
    assert answer.status == 201
    assert set(answer.body) == {"visitor_token", "conversation_id", "expires_at", "seq"}
    assert answer.body["seq"] == 0
    assert answer.body["expires_at"] == "2026-06-03T09:30:00.000Z"


async def test_two_visitors_have_two_conversations(shop: Shop) -> None:
    assert (await shop.visitor()).conversation != (await shop.visitor()).conversation


async def test_a_visitor_token_resumes_its_conversation(shop: Shop) -> None:
    visitor = await shop.visitor()
    await visitor.say("hello")
    again = await shop.start(visitor_token=visitor.token)
    assert again.status == 200
    assert again.body["conversation_id"] == visitor.conversation
    assert again.body["seq"] == 1


async def test_a_token_of_a_named_account_resumes_without_naming_it(shop: Shop) -> None:
    visitor = await shop.visitor(account="plain")
    assert (await shop.start(visitor_token=visitor.token)).body["conversation_id"] == visitor.conversation
    assert (await shop.start(visitor_token=visitor.token, account="main")).status == 401


@pytest.mark.parametrize("token", ["x", "a.b.c", "é" * 20, "x" * 8_000])
async def test_a_token_that_is_none_is_refused(shop: Shop, token: str) -> None:
    answer = await shop.start(visitor_token=token)
    assert (answer.status, answer.code) == (401, "unauthorized")


async def test_a_token_without_signature_is_refused(shop: Shop) -> None:
    visitor = await shop.visitor()
    claims = jwt.decode(visitor.token, options={"verify_signature": False})
    unsigned = jwt.encode(claims, "", algorithm="none")
    assert (await shop.start(visitor_token=unsigned)).status == 401
    head, body, signature = visitor.token.split(".")
    other = "B" if signature[0] == "A" else "A"
    assert (await shop.start(visitor_token=f"{head}.{body}.{other}{signature[1:]}")).status == 401


async def test_an_expired_token_is_refused_everywhere(shop: Shop) -> None:
    visitor = await shop.visitor()
    shop.clock.tick(30 * 86_400)
    assert (await shop.start(visitor_token=visitor.token)).status == 401
    assert (await visitor.say("hello")).status == 401
    assert (await visitor.call("GET", "messages")).status == 401


async def test_a_token_of_another_tenant_is_refused_everywhere(shop: Shop) -> None:
    visitor = await shop.visitor()
    assert (await shop.start("other", visitor_token=visitor.token)).status == 401
    visitor.tenant = "other"
    assert (await visitor.say("hello")).status == 401
    assert (await visitor.call("GET", "messages")).status == 401
    assert (await visitor.call("POST", "attachments", data=b"")).status == 401


@pytest.mark.parametrize("tenant", ["nobody", "silent", "%00", "..%2f", "%ff"])
async def test_an_unknown_tenant_is_not_found(shop: Shop, tenant: str) -> None:
    answer = await shop.call("POST", f"/v1/chat/{tenant}/sessions", json={})
    assert (answer.status, answer.code) == (404, "not_found")


async def test_an_unknown_account_is_not_found(shop: Shop) -> None:
    assert (await shop.start(account="nobody")).status == 404


async def test_a_signed_in_visitor_has_one_conversation_on_two_devices(shop: Shop) -> None:
    one = await shop.visitor(identity=identity(shop.clock))
    two = await shop.start(identity=identity(shop.clock))
    other = await shop.visitor(identity=identity(shop.clock, sub="bob"))
    assert two.body["conversation_id"] == one.conversation
    assert other.conversation != one.conversation


async def test_a_signed_in_visitor_is_called_what_the_site_calls_them(shop: Shop) -> None:
    """The name is for people to read; a later identity without one leaves it, and what would mislead is left out."""
    names = []
    visitor = await shop.visitor(identity=identity(shop.clock))
    for told in ("Ada Lovelace", None, "Ada\u202e\nKing", 7):
        visitor = await shop.visitor(identity=identity(shop.clock, name=told))
        await visitor.say("hello")
        shop.clock.tick(60)
        found = await shop.parts.state.conversations.get(visitor.conversation)
        assert found is not None
        contact = await shop.parts.state.contacts.get("shop", found.origin.contact_id)
        assert contact is not None
        names.append(contact.name)
    assert names == ["Ada Lovelace", "Ada Lovelace", "Ada King", "Ada King"]
    lines = await shop.parts.state.transcript.read(visitor.conversation)
    assert lines[0].author.name == "Ada Lovelace"


async def test_an_anonymous_token_with_an_identity_moves_to_the_signed_in_conversation(shop: Shop) -> None:
    anonymous = await shop.visitor()
    signed_in = await shop.start(visitor_token=anonymous.token, identity=identity(shop.clock))
    assert signed_in.status == 201
    assert signed_in.body["conversation_id"] != anonymous.conversation
    back = await shop.start(visitor_token=anonymous.token)
    assert back.body["conversation_id"] == anonymous.conversation


async def test_the_site_alone_prolongs_a_signed_in_session(shop: Shop) -> None:
    before = await shop.start(identity=identity(shop.clock))
    shop.clock.tick(86_400)
    alone = await shop.start(visitor_token=before.body["visitor_token"])
    assert (alone.status, alone.body["expires_at"]) == (200, before.body["expires_at"])
    vouched = await shop.start(visitor_token=before.body["visitor_token"], identity=identity(shop.clock))
    assert vouched.status == 200
    assert vouched.body["expires_at"] > before.body["expires_at"]


@pytest.mark.parametrize(
    "claims",
    [
        {"secret": "another-secret-of-another-site-entirely"},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": True},
        {"exp": 1},
        {"exp": 10**12},
        {"exp": 1e400},
        {"nbf": 10**11},
        {"iat": 1},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "a\x00b"},
        {"sub": "x" * 201},
    ],
    ids=str,
)
async def test_an_identity_that_proves_nothing_is_refused(shop: Shop, claims: dict[str, Any]) -> None:
    answer = await shop.start(identity=identity(shop.clock, **claims))
    assert (answer.status, answer.code) == (401, "unauthorized")


async def test_an_identity_may_be_valid_for_an_hour_at_most(shop: Shop) -> None:
    now = int(shop.clock().timestamp())
    assert (await shop.start(identity=identity(shop.clock, exp=now + 3600))).status == 201
    assert (await shop.start(identity=identity(shop.clock, exp=now + 3700))).status == 401


async def test_an_identity_that_was_valid_is_not_valid_later(shop: Shop) -> None:
    token = identity(shop.clock)
    shop.clock.tick(601)
    assert (await shop.start(identity=token)).status == 401


async def test_an_account_that_requires_an_identity_refuses_everybody_else(shop: Shop) -> None:
    assert (await shop.start(account="members")).status == 401
    member = await shop.visitor(account="members", identity=identity(shop.clock))
    assert (await member.say("hello")).status == 202
    assert (await shop.start(account="members", visitor_token=member.token)).status == 401


async def test_an_identity_is_refused_where_no_key_is_configured(shop: Shop) -> None:
    answer = await shop.start(account="plain", identity=identity(shop.clock))
    assert answer.status == 401
    assert "does not accept signed identities" in answer.body["error"]["message"]


def test_es256_identities_are_verified_and_never_taken_for_hmac() -> None:
    clock = Clock()
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    account = WebAccount(identity_public_key=public.decode())
    claims = {"sub": "ada", "exp": int(clock().timestamp()) + 600}
    assert identity_of(jwt.encode(claims, key, "ES256"), account, clock()).subject == "ada"
    stranger = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(Unauthorized):
        identity_of(jwt.encode(claims, stranger, "ES256"), account, clock())
    # The public key as if it were a shared secret; the library refuses to make such a token, an attacker does not.
    body = jwt.encode(claims, "x" * 32, "HS256").rpartition(".")[0]
    digest = hmac.new(public, body.encode(), hashlib.sha256).digest()
    forged = f"{body}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
    with pytest.raises(Unauthorized):
        identity_of(forged, account, clock())
    with pytest.raises(Unauthorized):
        identity_of(jwt.encode(claims, "", "none"), account, clock())


def test_a_short_secret_of_the_site_still_works() -> None:
    clock = Clock()
    account = WebAccount.model_validate({"identity_secret": "short"})
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        signed = identity(clock, "short")
    assert identity_of(signed, account, clock()).subject == "ada"
