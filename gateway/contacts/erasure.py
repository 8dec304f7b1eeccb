"""The erasure of a contact, in every place where something is held about them.

The key comes first: from then on the log, its copies and its backups hold nothing that anybody can read. Then, once
every process has forgotten the key, what the state store and the file store hold is deleted. Each step may be repeated,
so an erasure that was interrupted goes on where a process finds it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from uuid import uuid4

import structlog

from gateway.contacts.desk_posts import DeskPosts
from gateway.contacts.directory import ContactDirectory
from gateway.contacts.erasure_records import Erasure, ErasureRecords, ErasureRequest
from gateway.contacts.record_selection import decode_payload, names_contact, read_speaker
from gateway.contacts.room_messages import RoomMessages
from gateway.wiring.engines import channels_of
from gateway.wiring.process_services import ProcessServices
from schemas import topics
from schemas.envelope import Envelope, envelope
from schemas.errors import Conflict, NotFound, Unavailable
from schemas.messages import TranscriptMessage
from schemas.privacy.key_service import CACHE_LIFETIME, ContactKeyService

log = structlog.get_logger("parley.gateway")
SWEEP_EVERY = 5.0
"""Seconds between two looks for erasures that are under way."""
LONGEST_WAIT = timedelta(hours=1)
"""The time after which an erasure begins although its last message could not be sent to the contact."""
_AT_ONCE = 25
"""Erasures of a tenant that are finished together."""
_PAGE = 200
_MOST_PARKED = 100_000
"""Parked records of one conversation and consumer group."""


class ContactErasureService:
    def __init__(self, services: ProcessServices) -> None:
        self._services = services
        self._state = services.state
        self._clock = services.clock
        self._directory = ContactDirectory(services.state)
        self.records = ErasureRecords(services.state.leases, services.secret_key, services.clock)
        self._desk_posts = DeskPosts(services, self.records)
        self._rooms = RoomMessages(services, self._delete_files_of)

    async def request(
        self, tenant: str, contact: str, *, by: str, id: str = "", request: ErasureRequest | None = None
    ) -> Erasure:
        """Begin to erase a contact; a repeat returns the erasure that is under way. Raises NotFound, and Conflict where
        the log is not encrypted, so that nothing there could be forgotten."""
        self._find_keys()
        for running in await self.records.list_all(tenant):
            # Nobody can read the contact once its key is erased.
            if running.state == "running" and contact in running.contact_ids:
                return running
        person = await self._directory.find(tenant, contact)
        erasure = Erasure(
            id=id or str(uuid4()),
            tenant=tenant,
            contact_id=person.contact.id,
            requested_at=self._clock(),
            requested_by=by,
            contact_ids=tuple(sorted(person.ids)),
            conversations=person.conversations,
            request=request,
        )
        return await self.records.add(erasure)

    async def get(self, tenant: str, id: str) -> Erasure:
        """Raises NotFound."""
        for erasure in await self.records.list_all(tenant):
            if erasure.id == id:
                return erasure
        raise NotFound("no such erasure")

    async def run(self) -> None:
        """Go on with erasures until cancelled, for a process without a supervisor."""
        while True:
            with suppress(Unavailable):
                await self.sweep()
            await self._services.sleep(SWEEP_EVERY)

    async def sweep(self, tenants: Iterable[str] | None = None) -> None:
        """Go on with the erasures that are under way, by default those of all configured tenants. Each look at the log
        serves all that need it."""
        for tenant in self._services.config.tenants if tenants is None else tenants:
            running = [each for each in await self.records.list_all(tenant) if each.state == "running"]
            begun = [each for each in running if each.keys_erased_at is not None]
            await self._begin([each for each in running if each.keys_erased_at is None])
            await self._finish([each for each in begun if self._is_forgotten(each)][:_AT_ONCE])

    def _is_forgotten(self, erasure: Erasure) -> bool:
        """Return whether no process can remember the keys any more."""
        return erasure.keys_erased_at is not None and self._clock() >= erasure.keys_erased_at + CACHE_LIFETIME

    async def _begin(self, erasures: Sequence[Erasure]) -> None:
        """Do what has to be done while events about the contacts can be read, then erase their keys."""
        announced = [each for each in erasures if await self._is_announced(each)]
        if not announced:
            return
        removed = await self._desk_posts.remove(announced)
        ready = [each for each in announced if each.id in removed]
        rooms = await self._rooms.find(ready) if ready else {}
        for each in ready:
            await self._erase_keys(each, removed[each.id], rooms[each.id], await self._list_files(each))

    async def _finish(self, erasures: Sequence[Erasure]) -> None:
        """Delete what the state store and the file store hold."""
        if not erasures:
            return
        for erasure in erasures:
            if not erasure.is_emptied:
                await self._erase_state(erasure)
        await self._state.contact_erasure.remove_copies()
        await self._services.bus.append([event for each in erasures for event in self._build_tombstones(each)])
        left = await self._count_readable(erasures)
        for erasure in erasures:

            def finish(known: Erasure, count: int = left[erasure.id]) -> Erasure:
                return self.records.finish(known.count({"log_records_from_before_encryption": count}))

            await self.records.update(erasure.tenant, erasure.id, finish)
            log.info("contact_erased", tenant=erasure.tenant, erasure=erasure.id)

    async def _erase_state(self, erasure: Erasure) -> None:
        """Delete what the state store holds, and note that it is done: a batch that a kill interrupts goes on with the
        next erasure."""
        for conversation in erasure.conversations:
            await self._count(erasure, await self._erase_conversation(conversation))
        await self._count(erasure, {"files": await self._delete_files(erasure)})
        for conversation in erasure.rooms:
            await self._count(erasure, {"parked": await self._unpark_own(erasure, conversation)})
        found = Counter(await self._rooms.redact(erasure))
        found["dead_letters"] += await self._remove_letters(erasure)
        for contact in erasure.contact_ids:
            found.update(await self._state.contact_erasure.erase_contact(erasure.tenant, contact))

        def note(known: Erasure) -> Erasure:
            return known if known.is_emptied else known.model_copy(update={"is_emptied": True}).count(dict(found))

        await self.records.update(erasure.tenant, erasure.id, note)

    async def _is_announced(self, erasure: Erasure) -> bool:
        """Return whether the contact who asked for the erasure was sent the last message, or has waited long enough."""
        own = erasure.request
        if own is None or self._clock() >= erasure.requested_at + LONGEST_WAIT:
            return True
        for turn in reversed(await self._state.turns.list_newest(own.conversation)):
            if any(each.key == own.action_key and each.outcome == "succeeded" for each in turn.actions):
                found = [await self._state.deliveries.outcome(own.conversation, reply.id) for reply in turn.replies]
                return all(outcome is not None and outcome.state != "unknown" for outcome in found)
        return False

    async def _erase_keys(
        self, erasure: Erasure, removed: dict[str, int], rooms: dict[str, list[str]], files: tuple[str, ...]
    ) -> Erasure:
        """Erase the keys. ``removed``: what was removed while events about the contact could be read; ``rooms`` and
        ``files``: what is to be emptied and deleted, and could not be found later."""
        keys = self._find_keys()
        for contact in erasure.contact_ids:
            await keys.erase(erasure.tenant, contact)
        now, count = self._clock(), len(erasure.contact_ids)

        def note(known: Erasure) -> Erasure:
            if known.keys_erased_at is not None:
                return known
            noted = known.model_copy(update={"keys_erased_at": now, "rooms": rooms, "files": files})
            return noted.count({"keys": count, **removed})

        return await self.records.update(erasure.tenant, erasure.id, note)

    async def _erase_conversation(self, conversation: str) -> dict[str, int]:
        found = Counter[str]()
        for group in self._list_groups():
            while parked := await self._state.parking.read(group, conversation, limit=_PAGE):
                await self._state.parking.unpark(group, conversation, parked)
                found["parked"] += len(parked)
        found.update(await self._state.contact_erasure.erase_conversation(conversation))
        return dict(found)

    async def _unpark_own(self, erasure: Erasure, conversation: str) -> int:
        """Remove what the contact wrote from the records that wait in somebody else's conversation."""
        count = 0
        for group in self._list_groups():
            parked = await self._state.parking.read(group, conversation, limit=_MOST_PARKED)
            own = [each for each in parked if read_speaker(decode_payload(each.value)) in erasure.contact_ids]
            if own:
                await self._state.parking.unpark(group, conversation, own)
                count += len(own)
        return count

    async def _list_files(self, erasure: Erasure) -> tuple[str, ...]:
        """The files in the conversations, which nobody can list once the keys are erased."""
        found: dict[str, None] = {}
        for conversation in erasure.conversations:
            after = 0
            while lines := await self._state.transcript.read(conversation, after=after, limit=_PAGE):
                after = lines[-1].seq
                found |= dict.fromkeys(each.id for line in lines for each in line.attachments if not each.missing)
        return tuple(found)

    async def _delete_files(self, erasure: Erasure) -> int:
        return sum([await self._services.blobs.delete(erasure.tenant, id_) > 0 for id_ in erasure.files])

    async def _delete_files_of(self, tenant: str, lines: list[TranscriptMessage]) -> int:
        count = 0
        for attachment in (each for line in lines for each in line.attachments if not each.missing):
            count += await self._services.blobs.delete(tenant, attachment.id) > 0
        return count

    async def _remove_letters(self, erasure: Erasure) -> int:
        count, cursor, own = 0, "", set(erasure.conversations)
        while True:
            letters, cursor = await self._state.dead_letters.list_page(erasure.tenant, after=cursor, limit=_PAGE)
            for letter in letters:
                if letter.conversation_id in own or names_contact(letter, erasure.contact_ids):
                    await self._state.dead_letters.remove(erasure.tenant, letter.id)
                    count += 1
            if not cursor:
                return count

    def _build_tombstones(self, erasure: Erasure) -> Iterator[Envelope]:
        """Tombstones, so that compaction removes the snapshots, also those of before the keys."""
        build = partial(envelope, payload=None, time=self._clock(), source=topics.ERASURE, tenant=erasure.tenant)
        for conversation in erasure.conversations:
            yield build(topics.CONVERSATION_SNAPSHOT, id=str(uuid4()), conversation=conversation)
        for contact in erasure.contact_ids:
            yield build(topics.CONTACT_SNAPSHOT, id=str(uuid4()), subject=f"contact:{contact}")

    async def _count_readable(self, erasures: Sequence[Erasure]) -> dict[str, int]:
        """Count what can still be read on the log: records of releases that did not encrypt. The topics' retention
        removes them."""
        bus, count = self._services.bus, dict.fromkeys((each.id for each in erasures), 0)
        own = {conversation: each for each in erasures for conversation in each.conversations}
        for topic in sorted((await bus.describe_topics()).keys() - {topics.KNOWLEDGE, topics.AUDIT, topics.KEYS}):
            async for record in await bus.read(topic, keys=own.__contains__):
                erasure = own[record.key]
                at = Envelope.from_wire(record.headers, None).time
                is_earlier = erasure.keys_erased_at is not None and at <= erasure.keys_erased_at
                count[erasure.id] += record.value is not None and is_earlier
        return count

    async def _count(self, erasure: Erasure, found: dict[str, int]) -> None:
        await self.records.update(erasure.tenant, erasure.id, lambda known: known.count(found))

    def _list_groups(self) -> Iterator[str]:
        config = self._services.config
        for channel in sorted({*channels_of(config), *config.desks.values()}):
            yield from (topics.worker_group(channel), topics.sender_group(channel), topics.receipts_group(channel))
            yield topics.desk_group(channel)

    def _find_keys(self) -> ContactKeyService:
        keys = self._services.contact_keys
        if keys is None or not self._services.config.encrypt_log:
            raise Conflict("what contacts said is not encrypted on the log", fix="leave encrypt_log out")
        return keys
