"""Erasing what is stored about a contact, on Redis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from infra.state.redis.client.shards import Shards
from infra.state.redis.contact_search import contacts_key, contacts_shard, index_key, list_changes
from infra.state.redis.conversations import contact_keys
from infra.state.redis.transcript import RedisTranscript
from schemas.conversation import Contact
from schemas.errors import StateUnavailable

_SHARED = ("l", "k", "u", "ap", "i", "ji", "cc")
"""Keys of the shard that name conversations."""
_COUNTED = {"t:": "messages", "tu:": "turns", "d:": "deliveries", "j:": "actions", "x:": "outbox"}
_OTHERS = ("n:", "p:", "h:", "o:", "dt:", "tz:", "jo:", "jt:")
_ATTEMPTS = 50


class RedisContactErasure:
    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def erase_conversation(self, conversation: str) -> Mapping[str, int]:
        kinds = ("c:", *_SHARED, *_COUNTED, *_OTHERS)
        existed, *counts = await self._shards.run_for(conversation, "erase_conversation", kinds, conversation)
        return {
            "conversations": int(existed),
            **{kind: int(count) for kind, count in zip(_COUNTED.values(), counts, strict=True)},
        }

    async def redact(self, conversation: str, messages: Sequence[str], turns: Sequence[str]) -> Mapping[str, int]:
        transcript = RedisTranscript(self._shards)
        counts = {"redacted_messages": 0, "turns": 0}
        for message in messages:
            counts["redacted_messages"] += await transcript.redact(conversation, message)
        if turns:
            (counts["turns"],) = map(
                int, await self._shards.run_for(conversation, "turns_remove", ("tu:", "tz:"), *turns)
            )
        return counts

    async def erase_contact(self, tenant: str, contact: str) -> Mapping[str, int]:
        shard, index = contacts_shard(tenant), index_key(self._shards, tenant)
        start = contacts_key(self._shards, tenant)
        for _ in range(_ATTEMPTS):
            ((ids,),) = await self._shards.run(shard, "contact_same", [index], contact)
            (bodies,) = await self._shards.run(shard, "contact_bodies", [start], *ids)
            read = {id_: body for id_, body in zip(ids, bodies, strict=True) if body is not None}
            if not read:
                return {"contacts": 0, "addresses": 0}
            known = [Contact.model_validate_json(body) for body in read.values() if body[:1] != b">"]
            addresses = [address for each in known for address in (*each.addresses, *each.left)]
            keys = [start, *contact_keys(self._shards, tenant, addresses)[1:], index]
            rows = [part for row in read.items() for part in row]
            terms = list_changes(known, [])
            (done, count) = await self._shards.run(shard, "erase_contact", keys, len(read), *rows, *terms)
            if done:
                return {"contacts": len(read), "addresses": int(count)}
        raise StateUnavailable("a contact changes faster than it can be erased")

    async def remove_copies(self) -> None:
        """Ask for a new append-only file. Redis refuses where it rewrites one already, and where our user may not."""
        with suppress(StateUnavailable):
            await self._shards.client.command("BGREWRITEAOF")
