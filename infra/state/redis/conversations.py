"""Conversations on Redis: each transition is one script on one shard. Messages of the transcript and turns are entries
of hashes, with an index of their order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from infra.state import rules
from infra.state.redis.client import codec, listing
from infra.state.redis.client.call import Argument
from infra.state.redis.client.sealed_values import seal_entry, seal_line, seal_value
from infra.state.redis.client.shards import Shards
from schemas import ids
from schemas.conversation import Conversation, Facts, Holder, Origin, Owner, Snapshot, Turn
from schemas.envelope import Envelope, as_json
from schemas.errors import IdReused, NotFound, StateUnavailable
from schemas.messages import Attachment, MessageState, TranscriptMessage
from schemas.ports import BegunConversation, CommitResult, OwnershipResult, Page, Publication
from schemas.privacy.sealed_bodies import keeps_body
from schemas.transcript import Lines

_CREATE = ("c:", "l", "k", "lc")
_OPEN = (*_CREATE, "cc")
_BEGIN = (*_CREATE, "h:", "x:", "t:", "n:", "p:", "cc")
_COMMIT = ("c:", "h:", "x:", "u", "l", "n:", "p:", "ap")
_PUBLISHED = ("x:", "u", "tu:", "tz:")
_OWN = ("c:", "x:", "u", "l", "k", "o:")
_SNAPSHOT = ("c:", "h:", "x:", "n:", "p:")
ATTEMPTS = 50
PRECEDING_STATES: dict[MessageState, str] = {
    new: f" {' '.join(old for old in rules.STATE_RANK if rules.may_become(old, new))} " for new in rules.STATE_RANK
}
"""The states from which each state may be entered, as scripts look them up."""


class RedisConversations:
    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def open(self, conversation: str, origin: Origin, *, now: datetime) -> None:
        packed = await self._shards.values.seal_origin(origin)
        await self._shards.run_for(conversation, "open_conversation", _OPEN, *_new(conversation, origin, packed, now))

    async def begin(
        self,
        conversation: str,
        origin: Origin,
        event_ids: Sequence[str],
        *,
        now: datetime,
        messages: Sequence[TranscriptMessage] = (),
        recent: int = 0,
    ) -> BegunConversation:
        values = self._shards.values
        values.remember(conversation, origin.tenant, origin.contact_id)
        packed = [(message.id, *codec.pack_line(message)) for message in messages]
        found = await values.find_key(conversation)
        sealed = [seal_line(line, found) for _, _, line in packed]
        # The front door opens conversations, so an origin is seldom needed, and not sealed for nothing.
        new = b"" if found is not None else await values.seal_origin(origin)
        arguments = (
            max(0, recent),
            len(event_ids),
            *map(rules.pack_id, event_ids),
            *[part for (id_, known, _), line in zip(packed, sealed, strict=True) for part in (id_, known, line)],
        )
        begun = await self._begin(conversation, origin, new, now, arguments)
        if not begun:
            begun = await self._begin(conversation, origin, await values.seal_origin(origin), now, arguments)
        token, known, outbox, fields, reused, stored = begun
        found = values.confirm_key(found)
        fields = await listing.open_fields(self._shards, fields, found)
        written = {line: plain for (_, _, plain), line in zip(packed, sealed, strict=True)}
        lines = await values.open_lines(stored, written, found)
        state = codec.conversation_of(conversation, fields)
        assert state is not None  # noqa: S101 (the script has just made it)
        if not state.origin.place:
            # The contact is back before their erased conversation is deleted.
            state = state.model_copy(update={"origin": origin})
        return BegunConversation(
            state,
            int(token),
            frozenset(event for event, is_known in zip(event_ids, known, strict=True) if is_known),
            await values.open_outbox(outbox),
            frozenset(id_.decode() for id_ in reused),
            Lines(lambda: codec.unpack_lines(lines)) if lines else (),
            codec.deleted_among(lines),
        )

    def _begin(
        self, conversation: str, origin: Origin, new: bytes, now: datetime, arguments: Sequence[Argument]
    ) -> asyncio.Future[list[Any]]:
        """``new``: the origin as it is stored if there is no such conversation yet; without it the answer is empty
        then."""
        created = _new(conversation, origin, new, now)
        return self._shards.run_for(conversation, "begin_conversation", _BEGIN, *created, *arguments)

    async def commit(
        self,
        conversation: str,
        *,
        token: int,
        version: int,
        epoch: int,
        facts: Facts,
        handled: Sequence[str],
        outbox: Sequence[Envelope],
        now: datetime,
        publication: Publication | None = None,
    ) -> CommitResult:
        values = self._shards.values
        plain_facts = as_json(facts)
        found = await values.find_key(conversation)
        body = plain_facts if found is None else seal_value(plain_facts, found)
        entries = [seal_entry(event, found) for event in outbox]
        verdict, *left = await self._shards.run_for(
            conversation,
            "commit_conversation",
            _COMMIT,
            conversation,
            rules.to_micros(now),
            token,
            version,
            epoch,
            body,
            rules.commit_key(token, version, handled),
            rules.to_micros(rules.handled_floor(now)),
            codec.KEEP,
            rules.RECENT_SEQS,
            rules.first_approval_expiry(facts) or "",
            len(handled),
            *map(rules.pack_id, handled),
            *[part for event, entry in zip(outbox, entries, strict=True) for part in (event.id, entry)],
        )
        if verdict != b"committed":
            return CommitResult("stale")
        fields, known, pending, numbers, promised = left
        # Without a list it is surely this commit that was made, and not an earlier one with the same key.
        events = outbox if pending is None else await values.open_outbox(pending)
        if fields[-2] == body and keeps_body(body):
            fields[-2] = plain_facts  # they were just sealed
        fields = await listing.open_fields(self._shards, fields, values.confirm_key(found))
        return CommitResult("committed", codec.packed_snapshot(conversation, fields, known, events, numbers, promised))

    async def read_outbox(self, conversation: str) -> list[Envelope]:
        (entries,) = await self._shards.run_for(conversation, "read_outbox", ("x:",))
        return await self._shards.values.open_outbox(entries)

    async def published(self, conversation: str, event_ids: Sequence[str], *, turns: Sequence[Turn] = ()) -> None:
        if event_ids or turns:
            turn_arguments = [
                part for turn in turns for part in (turn.id, rules.to_micros(turn.at), ids.turn_record_id(turn.id))
            ]
            await self._shards.run_for(
                conversation,
                "remove_published",
                _PUBLISHED,
                conversation,
                rules.TURNS_KEPT,
                len(turns),
                *turn_arguments,
                *event_ids,
            )

    async def list_unpublished(self, *, before: datetime, limit: int) -> list[str]:
        return [member for _, member in await listing.read_due(self._shards, "u", rules.to_micros(before), limit)]

    async def list_expiring(self, *, before: datetime, limit: int) -> list[str]:
        return [member for _, member in await listing.read_due(self._shards, "ap", rules.to_micros(before), limit)]

    async def postpone(self, conversation: str, until: datetime) -> None:
        await self._shards.run_for(conversation, "postpone_due", ("ap",), conversation, rules.to_micros(until))

    async def own(
        self,
        conversation: str,
        to: Owner,
        *,
        expected_epoch: int,
        request_id: str,
        by: str,
        name: str = "",
        reason: str = "",
        now: datetime,
    ) -> OwnershipResult:
        holder = Holder(by=by, name=name, reason=reason, since=now)
        held = await self.get(conversation)
        if held is None:
            raise NotFound("no such conversation")
        epoch = expected_epoch + 1
        event = rules.build_owner_changed(held, to, holder, epoch=epoch, request_id=request_id)
        values = self._shards.values
        entry = await values.seal(conversation, codec.pack_envelope(event), after=b"\n")
        written = await values.seal(conversation, holder.model_dump_json())
        answer = await self._shards.run_for(
            conversation,
            "change_owner",
            _OWN,
            conversation,
            rules.to_micros(now),
            to,
            expected_epoch,
            request_id,
            event.id,
            entry,
            # The result for an epoch of -1 tells whether this owner raises the floor.
            int(rules.agent_floor_after(to, epoch, -1) == epoch),
            codec.KEEP,
            written,
        )
        if len(answer) == 1:
            raise NotFound("no such conversation")
        won, owner, now_epoch = answer
        return OwnershipResult(bool(won), owner.decode(), int(now_epoch))

    async def get(self, conversation: str) -> Conversation | None:
        (fields,) = await self._shards.run_for(conversation, "get_conversation", ("c:",))
        return codec.conversation_of(conversation, await listing.open_fields(self._shards, fields))

    async def snapshot(self, conversation: str) -> Snapshot | None:
        fields, handled, outbox, numbers, promised = await self._shards.run_for(
            conversation, "read_snapshot", _SNAPSHOT, rules.RECENT_SEQS
        )
        fields = await listing.open_fields(self._shards, fields)
        events = await self._shards.values.open_outbox(outbox)
        return codec.snapshot_of(conversation, fields, handled, events, numbers, promised)

    async def list_page(
        self, tenant: str, *, owner: Owner | None = None, channel: str = "", after: str = "", limit: int = 50
    ) -> Page:
        owners = [owner] if owner else list(rules.OWNERS)
        ids, next_ = await listing.read_newest(self._shards, tenant, owners, channel, after, max(1, limit))
        items = await listing.load(self._shards, ids)
        return Page([item for item in items if item is not None], next_)

    async def count(self, tenant: str, owner: Owner, *, channel: str = "") -> int:
        arguments = (listing.quote_part(tenant), listing.quote_part(channel), owner)
        return sum(
            int(number) for (number,) in await self._shards.run_on_all("count_conversations", ("l", "lc"), *arguments)
        )

    async def counts(self) -> dict[Owner, int]:
        total: dict[Owner, int] = dict.fromkeys(rules.OWNERS, 0)
        for (counted,) in await self._shards.run_on_all("read_hash", ("k",)):
            for owner, count in codec.pairs(counted):
                total[owner.decode()] += int(count)  # type: ignore[index]
        return total


def _new(conversation: str, origin: Origin, packed: bytes, now: datetime) -> tuple[Argument, ...]:
    """The arguments of ``includes/create_conversation.lua``."""
    tenant, channel = listing.quote_part(origin.tenant), listing.quote_part(origin.channel)
    return conversation, rules.to_micros(now), packed, tenant, channel


class RedisTranscript:
    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def add(self, conversation: str, message: TranscriptMessage) -> int:
        known, line = codec.pack_line(message)
        line = await self._shards.values.seal_line(conversation, line)
        (number,) = await self._shards.run_for(
            conversation, "transcript_add", ("c:", "t:", "n:", "p:"), message.id, known, line
        )
        if number == b"reused":
            raise IdReused("the same message id was used with different content")
        return int(number)

    async def mark(self, conversation: str, message_ids: Sequence[str], state: MessageState) -> None:
        if message_ids:
            await self._shards.run_for(
                conversation, "transcript_mark", ("t:",), state, PRECEDING_STATES[state], *message_ids
            )

    async def edit(self, conversation: str, message_id: str, text: str, *, revision: int = 0) -> bool:
        def change(before: TranscriptMessage) -> TranscriptMessage | None:
            if revision and revision < before.revision:
                return None
            return before.model_copy(update={"text": text, "revision": revision or before.revision})

        return await self._change(conversation, message_id, change, is_erased=not text) is not None

    async def attach(
        self, conversation: str, message_id: str, attachments: Sequence[Attachment]
    ) -> TranscriptMessage | None:
        return await self._change(conversation, message_id, lambda before: rules.attach_files(before, attachments))

    async def _change(
        self,
        conversation: str,
        message_id: str,
        change: Callable[[TranscriptMessage], TranscriptMessage | None],
        *,
        is_erased: bool = False,
    ) -> TranscriptMessage | None:
        """Change a line in one step, whoever else does. None if there is none, or ``change`` returns None."""
        values = self._shards.values
        for _ in range(ATTEMPTS):
            stored, seq = await self._shards.run_for(conversation, "transcript_find", ("t:", "n:"), message_id)
            line = await values.open_line(stored)
            if line is None:
                return None
            before = codec.unpack_line(line, int(seq))
            after = change(before)
            if after is None or (after == before and not is_erased):
                return after
            new = await values.seal_line(conversation, codec.repack_line(line, after, is_erased=is_erased))
            # Not done when the line is no longer as it was read.
            (done,) = await self._shards.run_for(conversation, "transcript_swap", ("t:",), message_id, stored, new)
            if done:
                return after
        raise StateUnavailable("a message changes faster than it can be written")

    async def redact(self, conversation: str, message_id: str) -> bool:
        """Empty a line. Returns whether it was not empty before."""
        was_empty = True

        def change(before: TranscriptMessage) -> TranscriptMessage | None:
            nonlocal was_empty
            was_empty = rules.is_redacted(before)
            return None if was_empty else rules.redact(before)

        return await self._change(conversation, message_id, change, is_erased=True) is not None and not was_empty

    async def find(self, conversation: str, message_id: str) -> TranscriptMessage | None:
        line, seq = await self._shards.run_for(conversation, "transcript_find", ("t:", "n:"), message_id)
        line = await self._shards.values.open_line(line)
        return None if line is None else codec.unpack_line(line, int(seq))

    async def read(self, conversation: str, *, after: int = 0, limit: int = 200) -> list[TranscriptMessage]:
        return await self._lines(conversation, "after", after, limit)

    async def read_recent(self, conversation: str, *, limit: int = 20) -> list[TranscriptMessage]:
        return await self._lines(conversation, "last", 0, limit)

    async def head(self, conversation: str) -> int:
        (head,) = await self._shards.run_for(conversation, "read_hash_field", ("c:",), "head")
        return int(head or 0)

    async def _lines(self, conversation: str, side: str, number: int, limit: int) -> list[TranscriptMessage]:
        if limit <= 0:
            return []
        (found,) = await self._shards.run_for(conversation, "transcript_read", ("t:", "n:"), side, number, limit)
        return codec.unpack_lines(await self._shards.values.open_lines(found))


class RedisTurns:
    """Turns on Redis: the newest of each conversation, for people to look up."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def add(self, conversation: str, turn: Turn) -> None:
        body = await self._shards.values.seal(conversation, turn.model_dump_json())
        at = rules.to_micros(turn.at)
        await self._shards.run_for(conversation, "turn_add", ("tu:", "tz:"), turn.id, body, at, rules.TURNS_KEPT)

    async def list_newest(self, conversation: str, *, limit: int = 200) -> list[Turn]:
        (found,) = await self._shards.run_for(conversation, "turn_list", ("tu:", "tz:"), max(1, limit))
        bodies = await self._shards.values.open_all(found)
        return [Turn.model_validate_json(body) for body in bodies if body is not None]
