"""API tokens in the state store: what is put is found, under its tenant alone, and what is revoked stays so."""

from __future__ import annotations

import asyncio
from typing import Any

from schemas.access import AccessToken
from schemas.ports import State
from tests.contracts.state.engines import ALL_SHARDS
from tests.contracts.state.samples import NOW, later, new_id


def token(tenant: str = "plantstore", **more: Any) -> AccessToken:
    fields = {
        "id": new_id(),
        "tenant": tenant,
        "name": "shop-backend",
        "scopes": ("read", "reply"),
        "hash": "9f" * 32,
        "created_at": NOW,
        "created_by": "admin",
        "expires_at": later(days=90),
    }
    return AccessToken.model_validate(fields | more)


def revoke(token: AccessToken) -> AccessToken:
    return token.model_copy(update={"revoked_at": later(1), "revoked_by": "console:anna"})


async def test_a_token_is_found_under_its_tenant_alone(state: State) -> None:
    kept = token()
    assert await state.access_tokens.get("plantstore", kept.id) is None
    await state.access_tokens.put(kept)
    assert await state.access_tokens.get("plantstore", kept.id) == kept
    assert await state.access_tokens.get("other", kept.id) is None
    assert await state.access_tokens.list_all("other") == []


async def test_the_newest_token_is_listed_first(state: State) -> None:
    tokens = [token(created_at=later(second), name=f"token {second}") for second in range(5)]
    await asyncio.gather(*(state.access_tokens.put(each) for each in tokens))
    assert await state.access_tokens.list_all("plantstore") == tokens[::-1]


async def test_a_revoked_token_stays_revoked(state: State) -> None:
    kept = token()
    for each in (kept, revoke(kept), kept, revoke(kept)):
        await state.access_tokens.put(each)
    assert await state.access_tokens.get("plantstore", kept.id) == revoke(kept)
    assert await state.access_tokens.list_all("plantstore") == [revoke(kept)]


async def test_a_removed_token_is_gone_and_the_others_stay(state: State) -> None:
    removed, kept = token(), token()
    for each in (removed, kept):
        await state.access_tokens.put(each)
    for _ in range(2):
        await state.access_tokens.remove("plantstore", removed.id)
    assert await state.access_tokens.get("plantstore", removed.id) is None
    assert await state.access_tokens.list_all("plantstore") == [kept]


async def test_a_rebuild_empties_the_tokens_and_restores_those_of_the_log(state: State) -> None:
    valid, revoked, lost = token(), token(), token()
    for each in (valid, revoked, lost):
        await state.access_tokens.put(each)
    await state.rebuild.prepare(ALL_SHARDS)
    for each in (valid, revoked, revoke(revoked), revoked):
        await state.rebuild.restore_access_token(each)
    await state.rebuild.finish(ALL_SHARDS)
    assert await state.access_tokens.get("plantstore", valid.id) == valid
    assert await state.access_tokens.get("plantstore", revoked.id) == revoke(revoked)
    assert await state.access_tokens.get("plantstore", lost.id) is None
