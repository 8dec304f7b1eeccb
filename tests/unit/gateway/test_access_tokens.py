"""API tokens of tenants over the admin API: created once, limited to their scopes and their tenant, revoked at once."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from gateway.access.routes import ADMIN_ROUTES
from gateway.access.tokens import KEEP_ENDED, MAX_TOKENS, TokenService
from gateway.insights import insight_reader
from schemas import topics
from schemas.access import SCOPES, AccessToken, Permission, Scope
from tests.harness.installation import ADMIN_TOKEN
from tests.unit.gateway.conftest import Answer, Instance
from tests.unit.gateway.test_admin_deadletters import letter

FORGERIES = 20_000


async def create(instance: Instance, *scopes: Scope, tenant: str = "shop", **more: Any) -> Answer:
    body = {"name": "backend", "scopes": list(scopes or ("read",))} | more
    return await instance.call("POST", f"/v1/admin/{tenant}/tokens", body)


async def create_token(instance: Instance, *scopes: Scope, tenant: str = "shop") -> str:
    answer = await create(instance, *scopes, tenant=tenant)
    assert answer.status == 201
    return str(answer.body["token"])


async def list_tokens(instance: Instance, tenant: str = "shop") -> list[Any]:
    items: list[Any] = (await instance.call("GET", f"/v1/admin/{tenant}/tokens")).body["items"]
    return items


async def use(instance: Instance, token: str, tenant: str = "shop") -> int:
    return (await instance.call("GET", f"/v1/admin/{tenant}/conversations", token=token)).status


async def test_a_token_is_shown_once_and_only_its_hash_is_stored(instance: Instance) -> None:
    answer = await create(instance, "read", "reply")
    text = answer.body["token"]
    assert re.fullmatch(r"parley_shop_[0-9a-f]{16}_[0-9a-f]{64}", text)
    assert await list_tokens(instance) == [{key: value for key, value in answer.body.items() if key != "token"}]
    assert await use(instance, text) == 200
    secret = text.rpartition("_")[2].encode()
    files = [path for path in instance.services.config.data_path.rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if secret in path.read_bytes()] == []


async def test_without_a_time_a_token_lasts_ninety_days(instance: Instance) -> None:
    text = await create_token(instance)
    instance.clock.tick(timedelta(days=90).total_seconds() - 1)
    assert await use(instance, text) == 200
    instance.clock.tick(1)
    assert await use(instance, text) == 401


@pytest.mark.parametrize(
    "body",
    [
        {"scopes": []},
        {"scopes": ["owner"]},
        {"scopes": ["everything"]},
        {"name": ""},
        {"name": "x" * 101},
        {"expires_at": "2026-05-04T09:30:00Z"},
        {"expires_at": "2027-05-06T09:30:01Z"},
        {"expires_at": "2026-06-01T00:00:00"},
        {"more": 1},
    ],
    ids=str,
)
async def test_a_malformed_token_is_refused(instance: Instance, body: dict[str, Any]) -> None:
    answer = await create(instance, **body) if "scopes" not in body else await create(instance, "read", **body)
    assert (answer.status, answer.code) == (400, "invalid_request")
    assert await list_tokens(instance) == []


@pytest.mark.parametrize("scope", [None, *SCOPES])
async def test_a_token_may_do_what_its_scope_says_and_nothing_else(
    instance: Instance, scope: Scope | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(insight_reader, "is_installed", lambda: False)  # no process is started for each report
    token = await create_token(instance, scope) if scope is not None else ADMIN_TOKEN
    allowed: set[Permission] = {*SCOPES, "owner"} if scope is None else {*SCOPES} if scope == "admin" else {scope}
    wrong = []
    for (method, path), permission in ADMIN_ROUTES.items():
        where = re.sub(r"{\w+}", "some-id", path)
        for tenant in ("shop", "other", "nobody"):
            answer = await instance.call(method, f"/v1/admin/{tenant}{where}", {}, token=token)
            reaches = scope is None or tenant == "shop"
            is_refused = answer.status == 403 and answer.code == "forbidden"
            if is_refused == (reaches and permission in allowed) or answer.status == 401:
                wrong.append((method, path, tenant, answer.status))
    assert wrong == []


async def test_a_token_never_reaches_another_tenant_and_does_not_learn_which_there_are(instance: Instance) -> None:
    token = await create_token(instance, "admin")
    known = await instance.call("GET", "/v1/admin/other/conversations", token=token)
    unknown = await instance.call("GET", "/v1/admin/nobody/conversations", token=token)
    assert (known.status, known.body) == (unknown.status, unknown.body)
    assert known.status == 403


async def test_a_token_of_a_tenant_cannot_see_or_replay_what_belongs_to_no_tenant(instance: Instance) -> None:
    await instance.services.state.dead_letters.add(letter(instance, tenant="", id_="dead-0"))
    token = await create_token(instance, "admin")
    for method, path in (
        ("GET", "/deadletters?unassigned=true"),
        ("GET", "/deadletters/dead-0"),
        ("POST", "/deadletters/dead-0/replay"),
    ):
        assert (await instance.admin(method, path, token=token)).status in (403, 404), path
        assert (await instance.admin(method, path)).status in (200, 202), path


async def test_a_revoked_token_is_refused_from_the_next_request_on(instance: Instance) -> None:
    text = await create_token(instance)
    (item,) = await list_tokens(instance)
    # Another process has a service of its own over the same store.
    elsewhere = TokenService(instance.services)
    assert await elsewhere.verify(text) is not None
    for _ in range(2):
        assert (await instance.admin("DELETE", f"/tokens/{item['id']}")).status == 204
    assert await elsewhere.verify(text) is None
    assert await use(instance, text) == 401
    (revoked,) = await list_tokens(instance)
    assert (revoked["revoked_at"], revoked["revoked_by"]) == ("2026-05-04T09:30:00.000Z", "admin")


async def test_a_token_of_another_tenant_cannot_be_revoked(instance: Instance) -> None:
    text = await create_token(instance, tenant="other")
    (item,) = await list_tokens(instance, "other")
    answer = await instance.admin("DELETE", f"/tokens/{item['id']}")
    assert (answer.status, answer.code) == (404, "not_found")
    assert await use(instance, text, "other") == 200


async def test_creation_and_revocation_are_on_the_log_without_the_secret(instance: Instance) -> None:
    text = await create_token(instance, "knowledge")
    (item,) = await list_tokens(instance)
    await instance.admin("DELETE", f"/tokens/{item['id']}")
    logged = [payload for event, payload in await instance.logged(topics.STATE) if event.type == topics.TOKEN_SNAPSHOT]
    assert [(token.id, token.scopes, token.revoked_at is None) for token in logged] == [
        (item["id"], ("knowledge",), True),
        (item["id"], ("knowledge",), False),
    ]
    assert text.rpartition("_")[2] not in str(logged)


async def test_tokens_that_ended_long_ago_make_room(instance: Instance) -> None:
    service, tokens = TokenService(instance.services), instance.services.state.access_tokens
    now = instance.clock()
    for number in range(MAX_TOKENS):
        await tokens.put(
            AccessToken(
                id=f"{number:016x}",
                tenant="shop",
                name="old",
                scopes=("read",),
                hash="",
                created_at=now,
                created_by="admin",
                expires_at=now + timedelta(days=1),
            )
        )
    assert (await create(instance)).code == "conflict"
    instance.clock.tick((KEEP_ENDED + timedelta(days=1)).total_seconds())
    assert await list_tokens(instance) == []
    text = await create_token(instance)
    assert [token.name for token in await tokens.list_all("shop")] == ["backend"]
    assert await service.verify(text) is not None


@pytest.fixture
async def genuine(instance: Instance) -> list[str]:
    """A valid, an expired and a revoked token."""
    valid, revoked = await create_token(instance, "admin"), await create_token(instance, "admin")
    expired = await create(instance, expires_at=(instance.clock() + timedelta(hours=1)).isoformat())
    instance.clock.tick(3600)
    await instance.admin("DELETE", f"/tokens/{revoked.split('_')[2]}")
    return [valid, str(expired.body["token"]), revoked]


def forge(genuine: list[str], seed: int) -> Iterator[str]:
    """Endless texts that look like tokens: other secrets, flipped and swapped characters, other tenants, pieces."""
    rng = random.Random(seed)
    digits, ids = "0123456789abcdef", [text.split("_")[2] for text in genuine]
    while True:
        text = rng.choice(genuine)
        _, tenant, id_, secret = text.split("_")
        at = rng.randrange(len(text))
        yield f"parley_{tenant}_{rng.choice(ids)}_{''.join(rng.choices(digits, k=64))}"
        yield text[:at] + chr(ord(text[at]) ^ (1 << rng.randrange(7))) + text[at + 1 :]
        yield text[:at] + text[at + 1 :]
        yield text[:at] + rng.choice(digits) + text[at:]
        yield f"parley_other_{id_}_{secret}"
        yield f"parley_{tenant}_{''.join(rng.choices(digits, k=16))}_{secret}"
        yield rng.choice([text.upper(), text[::-1], secret, id_, f"{text}\n", f" {text}x", f"{text}\x00", "ÿ" * at])


async def test_no_forged_or_ended_token_of_twenty_thousand_is_accepted(instance: Instance, genuine: list[str]) -> None:
    service = TokenService(instance.services)
    valid, *ended = genuine
    tried, accepted = 0, []
    for text in forge(genuine, seed=20):
        if text != valid:
            tried += 1
            if await service.verify(text) is not None:
                accepted.append(text)
        if tried == FORGERIES:
            break
    assert accepted == []
    assert [await service.verify(text) for text in ended] == [None, None]
    assert await service.verify(valid) is not None


async def test_forged_tokens_are_refused_over_http(instance: Instance, genuine: list[str]) -> None:
    valid, *ended = genuine
    forged = [text for text, _ in zip(forge(genuine, seed=21), range(200), strict=False) if text != valid]
    sendable = [text for text in (*ended, *forged) if text.isascii() and text.isprintable() and text.strip() == text]
    statuses = await asyncio.gather(*(use(instance, text) for text in sendable))
    # Many wrong tokens at once are also slowed down.
    assert set(statuses) <= {401, 429}
    assert len(sendable) > 150
    assert await use(instance, valid) == 200
