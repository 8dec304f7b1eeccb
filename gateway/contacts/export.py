"""The export of everything that is held about one contact, as JSON lines.

Each line says what it is (``kind``) and where it was found (``source``). A record of the log is of the kind that its
type names. The same message may come from several sources: nothing that is stored is left out. The last line says that
the export is complete. Only ids are kept in memory, and one file at a time."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import orjson

from gateway.access.audit_log import AuditLog
from gateway.contacts.directory import ContactDirectory, Person, is_with_contact_alone
from gateway.contacts.record_selection import Payload, RecordSelection
from gateway.wiring.engines import channels_of
from gateway.wiring.process_services import ProcessServices
from schemas import topics
from schemas.conversation import Conversation
from schemas.errors import NotFound
from schemas.ports import Record

STATE, AUDIT, FILES = "state", topics.AUDIT, "files"
_PAGE = 200
_MOST_PARKED = 100_000
"""Parked records of one conversation and consumer group."""
_CHUNK = 3 * 64 * 1024
"""Bytes of a file that are encoded at once: divisible by three, so that the parts join to one base64 text."""
_WRITTEN_AT_ONCE = 64 * 1024


class ContactExport:
    """One export. ``parts`` may be read once."""

    def __init__(self, services: ProcessServices, tenant: str, person: Person) -> None:
        self._services = services
        self._state = services.state
        self._tenant = tenant
        self._person = person
        self._directory = ContactDirectory(services.state)
        self._selection = RecordSelection(person.ids, person.contact.name, direct=(), rooms=())
        self._files: dict[str, None] = {}
        self._letters: set[str] = set()
        self._count = 0

    async def parts(self) -> AsyncIterator[bytes]:
        """The export in parts of a convenient size. Raises BusUnavailable, StateUnavailable, StateLost."""
        waiting, size = list[bytes](), 0
        async for part in self._all_parts():
            waiting.append(part)
            size += len(part)
            if size >= _WRITTEN_AT_ONCE:
                yield b"".join(waiting)
                waiting, size = [], 0
        yield b"".join(waiting)

    async def _all_parts(self) -> AsyncIterator[bytes]:
        begun = await self._directory.load_conversations(self._person.conversations)
        self._sort_conversations(begun)
        for line in self._contact_lines():
            yield line
        async for line in self._log_lines():
            yield line
        for conversation in await self._directory.load_conversations(sorted(self._selection.conversations)):
            async for line in self._conversation_lines(conversation):
                yield line
        async for line in self._dead_letter_lines():
            yield line
        async for line in self._audit_lines():
            yield line
        async for part in self._file_parts():
            yield part
        yield self._line("end", "export", {"lines": self._count + 1})

    def _sort_conversations(self, begun: list[Conversation]) -> None:
        """Tell rooms, where other people write too, from the other conversations. One that has not begun has only
        records of its own contact."""
        rooms = {each.id for each in begun if not is_with_contact_alone(each, self._person.contact)}
        self._selection.rooms |= rooms
        self._selection.direct |= set(self._person.conversations) - rooms

    def _contact_lines(self) -> Iterator[bytes]:
        contact = self._person.contact
        yield self._line("contact", STATE, contact.model_dump(mode="json") | {"ids": sorted(self._person.ids)})
        for is_former, addresses in ((False, contact.addresses), (True, contact.left)):
            for address in addresses:
                yield self._line("address", STATE, address.model_dump(mode="json") | {"former": is_former})

    async def _log_lines(self) -> AsyncIterator[bytes]:
        """What is on the log, topic by topic. Messages come first: they show which turns and sends are about whom."""
        config, bus = self._services.config, self._services.bus
        existing = await bus.describe_topics()
        channels = sorted({*channels_of(config), *config.desks.values()})
        for topic in (topics.inbound(channel) for channel in channels):
            if topic in existing:
                async for record in await bus.read(topic):
                    if not self._selection.is_known(record.key):
                        await self._find_conversation(record)
                    if line := self._record_line(record):
                        yield line
        for topic in (*map(topics.outbound, channels), topics.EVENTS, topics.STATE, topics.DEADLETTER):
            if topic in existing:
                async for record in await bus.read(topic, keys=self._selection.is_known):
                    if line := self._record_line(record):
                        yield line

    async def _find_conversation(self, record: Record) -> None:
        """Note a conversation in which the contact wrote and that is not known yet."""
        if not self._selection.names_contact(record):
            return
        conversation = await self._state.conversations.get(record.key)
        if conversation is None or is_with_contact_alone(conversation, self._person.contact):
            self._selection.direct.add(record.key)
        elif conversation.origin.contact_id in self._person.ids:
            self._selection.rooms.add(record.key)
        else:
            self._selection.visited.add(record.key)

    def _record_line(self, record: Record) -> bytes | None:
        if not self._selection.is_known(record.key):
            return None
        payload = self._selection.select(record)
        if payload is None:
            return None
        source = f"{record.topic}/{record.partition}/{record.offset}"
        return self._line(_name_kind(record), source, payload, **_describe(record))

    async def _conversation_lines(self, conversation: Conversation) -> AsyncIterator[bytes]:
        id_ = conversation.id
        if id_ not in self._selection.visited:
            yield self._line("conversation", STATE, conversation.model_dump(mode="json"), conversation_id=id_)
        for turn in await self._state.turns.list_newest(id_):
            if self._selection.has_turn(id_, turn):
                yield self._line("turn", STATE, turn.model_dump(mode="json"), conversation_id=id_)
        after = 0
        while lines := await self._state.transcript.read(id_, after=after, limit=_PAGE):
            after = lines[-1].seq
            for each in lines:
                if self._selection.has_line(id_, each):
                    yield self._line("message", STATE, each.model_dump(mode="json"), conversation_id=id_)
        async for line in self._waiting_lines(conversation):
            yield line

    async def _waiting_lines(self, conversation: Conversation) -> AsyncIterator[bytes]:
        """Events that are not published yet, and records that were set aside."""
        id_, channel = conversation.id, conversation.origin.channel
        for event in await self._state.conversations.read_outbox(id_):
            record = Record("outbox", 0, 0, id_, 0, event.headers(), event.data)
            payload = self._selection.select(record)
            if payload is not None:
                yield self._line(_name_kind(record), "outbox", payload, **_describe(record))
        groups = [topics.worker_group(channel), topics.sender_group(channel), topics.receipts_group(channel)]
        groups += map(topics.desk_group, sorted(set(self._services.config.desks.values())))
        for group in groups:
            for record in await self._state.parking.read(group, id_, limit=_MOST_PARKED):
                payload = self._selection.select(record)
                if payload is not None:
                    details = {"group": group, "type": _name_kind(record), "payload": payload}
                    yield self._line("parked", STATE, details, **_describe(record))

    async def _dead_letter_lines(self) -> AsyncIterator[bytes]:
        after, is_last = "", False
        while not is_last:
            letters, after = await self._state.dead_letters.list_page(self._tenant, after=after, limit=_PAGE)
            is_last = not after
            for letter in letters:
                payload = self._selection.select_letter(letter)
                if payload is not None:
                    self._letters.add(letter.id)
                    yield self._line("deadletter", STATE, payload, conversation_id=letter.conversation_id)

    async def _audit_lines(self) -> AsyncIterator[bytes]:
        """Who saw and did what with the contact's data."""
        subjects = {f"contact:{id_}" for id_ in self._person.ids}
        subjects |= {f"conversation:{id_}" for id_ in self._selection.direct | self._selection.rooms}
        subjects |= {f"deadletter:{id_}" for id_ in self._letters}
        async for record in AuditLog.from_services(self._services).read_all(self._tenant):
            if not subjects.isdisjoint(record.subject.split("/")):
                yield self._line("audit", AUDIT, record.model_dump(mode="json"))

    async def _file_parts(self) -> AsyncIterator[bytes]:
        """The files of all messages that were exported, and uploads that no message refers to yet."""
        blobs, now = self._services.blobs, self._services.clock()
        async for upload in blobs.uploads(before=now + timedelta(seconds=1)):
            if upload.tenant == self._tenant and self._selection.is_known(upload.conversation):
                try:
                    stored = await blobs.describe(self._tenant, upload.id)
                except NotFound:
                    continue
                if stored.uploader in self._person.ids:
                    self._files[upload.id] = None
        for id_ in self._files:
            try:
                attachment, data = await blobs.get(self._tenant, id_)
            except NotFound:
                yield self._line("file", FILES, {"id": id_, "missing": "it is not stored any more"})
                continue
            # A file of 10 MiB must not stand in memory three times.
            head = self._line("file", FILES, attachment.model_dump(mode="json") | {"base64": ""})
            before, after = head.rsplit(b'""', 1)
            yield before + b'"'
            for start in range(0, len(data), _CHUNK):
                yield base64.b64encode(data[start : start + _CHUNK])
            yield b'"' + after

    def _line(self, kind: str, source: str, data: Payload, **about: Any) -> bytes:
        self._count += 1
        self._collect_files(data)
        return orjson.dumps({"kind": kind, "source": source, **about, "data": data}) + b"\n"

    def _collect_files(self, value: Any) -> None:
        if isinstance(value, list):
            for each in value:
                self._collect_files(each)
        elif isinstance(value, dict):
            for name, each in value.items():
                if name == "attachments" and isinstance(each, list):
                    self._files |= {
                        file["id"]: None
                        for file in each
                        if isinstance(file, dict) and isinstance(file.get("id"), str) and not file.get("missing")
                    }
                elif isinstance(each, dict | list):
                    self._collect_files(each)


def _name_kind(record: Record) -> str:
    """``message.received`` for the type ``parley.message.received.v1``."""
    return record.headers.get("ce_type", "unknown").removeprefix("parley.").rpartition(".v")[0] or "unknown"


def _describe(record: Record) -> dict[str, str]:
    names = {"conversation_id": "ce_conversation", "channel": "ce_channel", "at": "ce_time", "id": "ce_id"}
    return {name: record.headers[header] for name, header in names.items() if header in record.headers}
