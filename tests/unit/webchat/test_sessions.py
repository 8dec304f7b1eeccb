"""Visitor tokens and signed identities."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import aiohttp
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from connectors.web.settings import WebAccount
from gateway.config.secret_keys import derive_key
from gateway.webchat.identity import verify_identity
from schemas import ids, topics
from schemas.errors import Unauthorized
from tests.unit.webchat.conftest import (
    IDENTITY_SECRET,
    Answer,
    Clock,
    Shop,
    Visitor,
    note_subscription,
    open_socket,
)


def identity(clock: Clock, secret: str = IDENTITY_SECRET, **claims: Any) -> str:
    """A token of the site; ``claims`` replace, None removes."""
    whole = {"sub": "ada", "exp": int(clock().timestamp()) + 600, **claims}
    return jwt.encode({name: value for name, value in whole.items() if value is not None}, secret, "HS256")


async def upload(visitor: Visitor) -> Answer:
    form = aiohttp.FormData()
    form.add_field("file", b"some words", filename="a.txt")
    return await visitor.call("POST", "attachments", data=form)


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


async def test_a_signed_in_visitor_resumes_without_the_token_of_before(shop: Shop) -> None:
    first = await shop.start(identity=identity(shop.clock))
    again = await shop.start(identity=identity(shop.clock))
    assert (first.status, again.status) == (201, 201), "nobody has said anything"
    visitor = await shop.visitor(identity=identity(shop.clock))
    await visitor.say("hello")
    resumed = await shop.start(identity=identity(shop.clock))
    assert (resumed.status, resumed.body["conversation_id"]) == (200, visitor.conversation)


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
        found = await shop.services.state.conversations.get(visitor.conversation)
        assert found is not None
        contact = await shop.services.state.contacts.get("shop", found.origin.contact_id)
        assert contact is not None
        names.append(contact.name)
    assert names == ["Ada Lovelace", "Ada Lovelace", "Ada King", "Ada King"]
    lines = await shop.services.state.transcript.read(visitor.conversation)
    assert lines[0].author.name == "Ada Lovelace"


async def test_an_anonymous_token_with_an_identity_moves_to_the_signed_in_conversation(shop: Shop) -> None:
    anonymous = await shop.visitor()
    signed_in = await shop.start(visitor_token=anonymous.token, identity=identity(shop.clock))
    assert signed_in.status == 201
    assert signed_in.body["conversation_id"] != anonymous.conversation
    back = await shop.start(visitor_token=anonymous.token)
    assert back.body["conversation_id"] == anonymous.conversation


async def test_a_signed_in_session_ends_with_the_identity_that_it_was_made_from(shop: Shop) -> None:
    exp = int(shop.clock().timestamp()) + 600
    started = await shop.start(identity=identity(shop.clock, exp=exp))
    assert started.body["expires_at"] == "2026-05-04T09:40:00.000Z"
    visitor = Visitor(shop, started.body["visitor_token"], started.body["conversation_id"])
    assert (await visitor.say("hello")).status == 202
    shop.clock.tick(300)
    renewed = await shop.start(visitor_token=visitor.token)
    assert (renewed.status, renewed.body["expires_at"]) == (200, started.body["expires_at"])
    shop.clock.tick(300)
    for token in (visitor.token, renewed.body["visitor_token"]):
        visitor.token = token
        for answer in (
            await visitor.call("GET", "messages"),
            await visitor.say("again", "m2"),
            await upload(visitor),
            await shop.start(visitor_token=token),
        ):
            assert (answer.status, answer.code) == (401, "unauthorized")
            assert "fresh" in answer.body["error"]["message"]


async def test_a_fresh_identity_goes_on_with_the_session_that_has_expired(shop: Shop) -> None:
    before = await shop.visitor(identity=identity(shop.clock))
    await before.say("hello")
    shop.clock.tick(3_600)
    after = await shop.start(visitor_token=before.token, identity=identity(shop.clock))
    assert (after.status, after.body["conversation_id"], after.body["seq"]) == (200, before.conversation, 1)
    assert (await shop.start(visitor_token=before.token)).status == 401


async def test_a_signed_in_token_of_an_earlier_release_is_not_valid_for_weeks_any_more(shop: Shop) -> None:
    """As commit ad158ba made them; those of anonymous visitors go on."""
    exp = int(shop.clock().timestamp()) + 86_400
    about = {"tenant": "shop", "account": "main", "locale": "", "exp": exp}
    for place, assurance, status in (("id:ada", "verified", 401), ("7f" * 16, "anonymous", 200)):
        conversation = ids.conversation_id("shop", "web", "main", place)
        claims = {"place": place, "conversation": conversation, "contact": "c", "assurance": assurance, **about}
        key = derive_key(shop.services.secret_key.get_secret_value(), "visitor")
        old = Visitor(shop, jwt.encode(claims, key, "HS256", headers={"typ": "visitor"}), conversation)
        assert (await old.call("GET", "messages")).status == status
        assert (await shop.start(visitor_token=old.token)).status == status
        if status == 200:
            assert (await shop.call("DELETE", "/v1/chat/shop/sessions", headers=bearer(old.token))).status == 204
            assert (await old.call("GET", "messages")).status == 401


@pytest.mark.parametrize("wait", [True, False])
async def test_a_wait_for_messages_ends_with_the_token(shop: Shop, wait: bool) -> None:
    """What is said after that is not shown."""
    visitor = await shop.visitor(identity=identity(shop.clock, exp=int(shop.clock().timestamp()) + 1))
    answer = await visitor.call("GET", f"messages?wait={25 if wait else 0}")
    assert (answer.status, answer.body["messages"]) == (200, [])


@pytest.mark.parametrize(
    ("account", "aud", "status"),
    [
        ("main", None, 201),
        ("main", "shop/main", 201),
        ("main", ["elsewhere", "shop/main"], 201),
        ("main", "another-service", 401),
        ("main", "shop/strict", 401),
        ("main", [], 401),
        ("main", 7, 401),
        ("main", "", 401),
        ("named", "the-chat", 201),
        ("named", None, 401),
        ("named", "shop/named", 401),
    ],
)
async def test_an_identity_that_was_signed_for_something_else_is_refused(
    shop: Shop, account: str, aud: object, status: int
) -> None:
    """Without an audience it is taken where the configuration asks for none."""
    answer = await shop.start(account=account, identity=identity(shop.clock, aud=aud))
    assert answer.status == status, answer.body
    if status == 401:
        assert "aud must be" in answer.body["error"]["message"]


async def test_an_identity_with_a_jti_is_used_by_one_visitor_only(shop: Shop) -> None:
    """They may reload the page with it; whoever else has it is refused, whatever they come with."""
    token = identity(shop.clock, jti="one-time")
    mine = await shop.start(identity=token)
    assert mine.status == 201
    anonymous, bob = await shop.visitor(), await shop.visitor(identity=identity(shop.clock, sub="bob"))
    for other in (None, anonymous.token, bob.token):
        answer = await shop.start(identity=token, visitor_token=other)
        assert (answer.status, answer.code) == (401, "unauthorized")
        assert "another visitor" in answer.body["error"]["message"]
    reloaded = mine
    for _ in range(3):
        shop.clock.tick(60)
        reloaded = await shop.start(identity=token, visitor_token=reloaded.body["visitor_token"])
        assert (reloaded.status, reloaded.body["conversation_id"]) == (200, mine.body["conversation_id"])
    assert (await shop.start(identity=identity(shop.clock, jti="another"))).status == 201


async def test_a_sign_in_whose_answer_was_lost_can_be_repeated(shop: Shop) -> None:
    token, anonymous = identity(shop.clock, jti="one-time"), await shop.visitor()
    answers = [await shop.start(identity=token, visitor_token=anonymous.token) for _ in range(2)]
    assert [answer.status for answer in answers] == [201, 201]
    assert answers[0].body["conversation_id"] == answers[1].body["conversation_id"]


@pytest.mark.parametrize("jti", ["", " ", 7, "x" * 201, "a\x00b", ["a"]], ids=repr)
async def test_a_jti_that_is_none_is_refused(shop: Shop, jti: object) -> None:
    answer = await shop.start(identity=identity(shop.clock, jti=jti))
    assert (answer.status, answer.code) == (401, "unauthorized")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("signed_in", [False, True])
async def test_signing_out_ends_every_token_of_the_session_and_no_other(shop: Shop, signed_in: bool) -> None:
    made = {"identity": identity(shop.clock)} if signed_in else {}
    visitor, other = await shop.visitor(**made), await shop.visitor(identity=identity(shop.clock))
    await visitor.say("hello")
    renewed = (await shop.start(visitor_token=visitor.token)).body["visitor_token"]
    for _ in range(2):
        assert (await visitor.call("DELETE", "sessions")).status == 204
    for token in (visitor.token, renewed):
        visitor.token = token
        for answer in (await visitor.call("GET", "messages"), await visitor.say("again", "m2"), await upload(visitor)):
            assert (answer.status, answer.code) == (401, "unauthorized")
        assert (await shop.start(visitor_token=token)).status == 401
    assert (await other.call("GET", "messages")).status == 200
    (event,) = [each for each in await shop.logged(topics.EVENTS) if each.type == topics.SESSION_ENDED]
    assert event.conversation == visitor.conversation


async def test_signing_out_on_one_edge_holds_on_all(serve: Callable[..., Awaitable[Shop]]) -> None:
    one, other = await serve(), await serve()
    visitor = await one.visitor()
    elsewhere = replace(visitor, shop=other)
    socket = await open_socket(elsewhere)
    assert (await elsewhere.call("GET", "messages")).status == 200
    assert (await visitor.call("DELETE", "sessions")).status == 204
    assert (await elsewhere.call("GET", "messages")).status == 401
    assert await socket.closed() == 4401


async def test_a_wait_that_began_before_the_sign_out_shows_nothing_that_came_after_it(shop: Shop) -> None:
    visitor, other = [await shop.visitor(identity=identity(shop.clock)) for _ in range(2)]
    subscribed = note_subscription(shop)
    waiting = asyncio.create_task(visitor.call("GET", "messages?wait=25"))
    async with asyncio.timeout(30):
        await subscribed.wait()
    await visitor.call("DELETE", "sessions")
    await shop.reply(other, "Your order is on its way.")
    answer = await waiting
    assert (answer.status, answer.code) == (401, "unauthorized")


async def test_a_visitor_who_signed_out_signs_in_again_with_a_fresh_identity_only(shop: Shop) -> None:
    anonymous = await shop.visitor()
    old = identity(shop.clock, jti="old")
    visitor = await shop.visitor(identity=old, visitor_token=anonymous.token)
    await visitor.call("DELETE", "sessions")
    for before in (None, visitor.token, anonymous.token):
        assert (await shop.start(identity=old, visitor_token=before)).status == 401
    assert (await anonymous.call("GET", "messages")).status == 200, "their anonymous conversation is another session"
    for number, before in enumerate((visitor.token, anonymous.token)):
        again = await shop.start(identity=identity(shop.clock, jti=f"new-{number}"), visitor_token=before)
        assert (again.status, again.body["conversation_id"]) == (201, visitor.conversation)
        visitor.token = again.body["visitor_token"]
        assert (await visitor.call("GET", "messages")).status == 200


async def test_only_a_good_token_signs_out(shop: Shop) -> None:
    visitor = await shop.visitor()
    for tenant, headers in (("shop", {}), ("shop", bearer("x")), ("other", bearer(visitor.token))):
        answer = await shop.call("DELETE", f"/v1/chat/{tenant}/sessions", headers=headers)
        assert (answer.status, answer.code) == (401, "unauthorized")
    assert (await visitor.call("GET", "messages")).status == 200
    shop.clock.tick(30 * 86_400)
    assert (await visitor.call("DELETE", "sessions")).status == 401


async def test_a_contact_exists_from_their_first_message_on(shop: Shop) -> None:
    """Until then they can read, upload, type and listen, and nothing is stored about them."""
    visitor = await shop.visitor(identity=identity(shop.clock, name="Ada Lovelace"))
    contact = ids.contact_id("shop", "web", "id:ada")
    assert (await visitor.call("GET", "messages")).body == {"messages": [], "seq": 0}
    stored = await upload(visitor)
    socket = await open_socket(visitor)
    await socket.send({"type": "typing"})
    await socket.send({"type": "read", "seq": 3})
    await socket.send({"type": "feedback", "message_id": "m", "value": "up"})
    await socket.frame("error")
    assert await shop.services.state.contacts.get("shop", contact) is None
    assert await shop.services.state.conversations.get(visitor.conversation) is None
    assert (await visitor.say("hello", attachments=[stored.body["attachment_id"]])).status == 202
    found, made = (
        await shop.services.state.contacts.get("shop", contact),
        await shop.services.state.conversations.get(visitor.conversation),
    )
    assert found is not None
    assert made is not None
    assert (found.name, made.origin.contact_id) == ("Ada Lovelace", contact)
    assert (await socket.frame("message"))["message"]["text"] == "hello"


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
        {"exp": 10**400},
        {"nbf": 10**11},
        {"nbf": 10**400},
        {"iat": 10**400},
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
    assert verify_identity(jwt.encode(claims, key, "ES256"), account, clock()).subject == "ada"
    stranger = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(Unauthorized):
        verify_identity(jwt.encode(claims, stranger, "ES256"), account, clock())
    # The public key as if it were a shared secret; the library refuses to make such a token, an attacker does not.
    body = jwt.encode(claims, "x" * 32, "HS256").rpartition(".")[0]
    digest = hmac.new(public, body.encode(), hashlib.sha256).digest()
    forged = f"{body}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
    with pytest.raises(Unauthorized):
        verify_identity(forged, account, clock())
    with pytest.raises(Unauthorized):
        verify_identity(jwt.encode(claims, "", "none"), account, clock())


def test_a_short_secret_of_the_site_still_works() -> None:
    clock = Clock()
    account = WebAccount.model_validate({"identity_secret": "short"})
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        signed = identity(clock, "short")
    assert verify_identity(signed, account, clock()).subject == "ada"
