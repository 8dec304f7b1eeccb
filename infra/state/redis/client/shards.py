"""Keys and shards, and the check that a shard holds the same data as when we last saw it.

Each shard has a head with an ``epoch`` (a new one after every rebuild) and a ``seq`` that each transition raises. A
process remembers the last pair it saw. Every script checks it before anything else:

- no head, or one that is not ready: Redis was emptied, or is being rebuilt: ``StateLost``;
- the same epoch with a lower seq: Redis came back with older data: the shard is marked lost for all: ``StateLost``;
- another epoch: the shard was rebuilt; the new epoch is adopted at once. Work begun before cannot be committed, because
  fencing tokens of a rebuilt shard start above all earlier ones."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from infra.bus.partitioner import SHARDS, shard_of
from infra.state.redis.client.call import Argument, Call, is_state_lost
from infra.state.redis.client.pipelined_client import StateClient
from infra.state.redis.client.scripts import Script, scripts
from infra.state.redis.client.sealed_values import SealedValues
from schemas.errors import StateLost

ALL = range(SHARDS)
_UNKNOWN = (b"", 0)
_FIELDS = 50
"""Fields that one call reads: nobody else is served meanwhile."""
Place = tuple[int, str, str]
"""Shard, key of a hash there, and field."""


def tag(shard: int) -> str:
    return f"{{s{shard:02x}}}"


def quote_part(part: str) -> str:
    """Quote a part of a key that is not its last: colons must not make two different keys equal."""
    return part.replace("%", "%25").replace(":", "%3A") if ":" in part or "%" in part else part


class ShardCall(Call):
    """A script on a shard. Its answer is what follows epoch and seq, or StateLost."""

    __slots__ = ("_shards",)

    def __init__(self, shards: Shards, shard: int, command: tuple[Argument, ...], source: str) -> None:
        super().__init__(command, source, shard=shard)
        self._shards = shards

    def on_reply(self, reply: Any) -> None:
        self._shards.learn(self.shard, reply[0], int(reply[1]))
        self._give(reply[2:])

    def on_error(self, error: Exception) -> None:
        if is_state_lost(error):
            self._fail(StateLost("state is being rebuilt", shards=frozenset({self.shard})))
        else:
            super().on_error(error)


class FieldsCall(Call):
    """The script read_hash_fields.lua on the shards of its places. Its answer are the fields, or StateLost."""

    __slots__ = ("_places", "_shards")

    def __init__(self, shards: Shards, places: Sequence[Place], command: tuple[Argument, ...], source: str) -> None:
        super().__init__(command, source, shard=places[0][0])
        self._shards = shards
        self._places = places

    def on_reply(self, reply: Any) -> None:
        for (shard, _, _), epoch, seq in zip(self._places, reply[::3], reply[1::3], strict=True):
            self._shards.learn(shard, epoch, int(seq))
        self._give(reply[2::3])

    def on_error(self, error: Exception) -> None:
        if is_state_lost(error):
            self._fail(StateLost("state is being rebuilt", shards=frozenset(shard for shard, _, _ in self._places)))
        else:
            super().on_error(error)


class Shards:
    def __init__(self, client: StateClient, prefix: str) -> None:
        self.client = client
        self.prefix = prefix
        self._scripts = scripts(guarded=client.is_cluster)
        self._starts = [f"{prefix}:{tag(shard)}:" for shard in ALL]
        """The beginnings of keys, by shard."""
        self._guards = [self.guard(shard) for shard in ALL]
        self._known: dict[int, tuple[bytes, int]] = {}
        self.values = SealedValues(self._load_origin)

    def key(self, shard: int, kind: str, *parts: str) -> str:
        """``prefix:{sNN}:kind:part:part``; NN is the shard in hexadecimal, and what Redis Cluster hashes."""
        start = self._starts[shard] + kind
        if not parts:
            return start
        return ":".join((start, *(quote_part(part) for part in parts[:-1]), parts[-1]))

    def guard(self, shard: int) -> tuple[str, ...]:
        """The name of a key that never exists, for the calls of a cluster. While a slot moves to another node, some of
        its keys are here and some there, and a script would write to half of them. A node refuses a call before it
        begins if it names a key that is not there, but only then."""
        return (self._starts[shard] + "none",) if self.client.is_cluster else ()

    def head(self, shard: int) -> str:
        return self._starts[shard] + "shard"

    def run_for(
        self, conversation: str, script: str, kinds: Sequence[str], *arguments: Argument
    ) -> asyncio.Future[list[Any]]:
        """Run a script for one conversation. A kind ``x:`` is the conversation's own key, ``x`` one of the shard."""
        shard = shard_of(conversation)
        start = self._starts[shard]
        keys = [f"{start}{kind}{conversation}" if kind[-1] == ":" else start + kind for kind in kinds]
        return self.call(shard, script, keys, *arguments).answer

    def run(self, shard: int, script: str, keys: Sequence[str], *arguments: Argument) -> asyncio.Future[list[Any]]:
        """Run a script on a shard; returns what follows epoch and seq in its answer. Raises StateLost."""
        return self.call(shard, script, keys, *arguments).answer

    def call(self, shard: int, script: str, keys: Sequence[str], *arguments: Argument) -> ShardCall:
        """Start the call of ``run``, for callers that share its answer."""
        epoch, seq = self._known.get(shard, _UNKNOWN)
        known = self._scripts[script]
        keys = (self._starts[shard] + "shard", *keys, *self._guards[shard])
        command = ("EVALSHA", known.sha, len(keys), *keys, epoch, seq, *arguments)
        call = ShardCall(self, shard, command, known.source)
        self.client.send(call)
        return call

    async def read_fields(self, places: Sequence[Place]) -> list[bytes | None]:
        """One field of each of several hashes. A server is asked once, where it has all shards: a call for each would
        take longer than the rest of what a message needs them for. Raises StateLost if a shard is lost, perhaps another
        one than it names."""
        if self.client.is_cluster:
            answers = await asyncio.gather(
                *(self.run(shard, "read_hash_field", [key], field) for shard, key, field in places)
            )
            return [field for (field,) in answers]
        script = self._scripts["read_hash_fields"]
        calls = [self._send_fields(places[at : at + _FIELDS], script) for at in range(0, len(places), _FIELDS)]
        return [field for fields in await asyncio.gather(*calls) for field in fields]

    def _send_fields(self, places: Sequence[Place], script: Script) -> asyncio.Future[list[bytes | None]]:
        keys = [part for shard, key, _ in places for part in (self._starts[shard] + "shard", key)]
        arguments = [part for shard, _, field in places for part in (*self._known.get(shard, _UNKNOWN), field)]
        call = FieldsCall(self, places, ("EVALSHA", script.sha, len(keys), *keys, *arguments), script.source)
        self.client.send(call)
        return call.answer

    async def run_on_all(self, script: str, kinds: Sequence[str], *arguments: Argument) -> list[list[Any]]:
        """Run a script on every shard, in a few pipelines. Raises StateLost with all the shards that are lost."""
        return await self.run_on(ALL, script, kinds, *arguments)

    async def run_on(
        self, shards: Iterable[int], script: str, kinds: Sequence[str], *arguments: Argument
    ) -> list[list[Any]]:
        answers = await asyncio.gather(
            *(self.run(shard, script, [self.key(shard, kind) for kind in kinds], *arguments) for shard in shards),
            return_exceptions=True,
        )
        lost = [answer.shards for answer in answers if isinstance(answer, StateLost)]
        if lost:
            raise StateLost("state is being rebuilt", shards=frozenset().union(*lost))
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return answers  # type: ignore[return-value]

    async def run_unchecked(self, shard: int, script: str | Script, keys: Sequence[str], *arguments: Argument) -> Any:
        """Run a script that checks no head, or on a shard that is being rebuilt. Raises StateUnavailable; an error that
        begins with STATE_LOST comes as ``redis.exceptions.ResponseError``."""
        known = self._scripts[script] if isinstance(script, str) else script
        keys = (*keys, *self._guards[shard])
        command = ("EVALSHA", known.sha, len(keys), *keys, *arguments)
        return await self.client.send(Call(command, known.source, shard=shard)).answer

    async def _load_origin(self, conversation: str) -> bytes | None:
        (fields,) = await self.run_for(conversation, "get_conversation", ("c:",))
        origin: bytes | None = fields[0]
        return origin

    def learn(self, shard: int, epoch: bytes, seq: int) -> None:
        known = self._known.get(shard)
        if known is None or known[0] != epoch or known[1] < seq:
            self._known[shard] = (epoch, seq)
