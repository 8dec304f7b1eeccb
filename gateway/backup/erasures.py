"""Keys and erasures of a restored installation: who was erased since the data was saved is erased there too."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from gateway.backup.contents import KeysManifest, read_keys
from gateway.contacts.erasure import ContactErasureService
from gateway.contacts.erasure_records import Erasure
from gateway.wiring.engines import channels_of
from gateway.wiring.process_services import ProcessServices
from infra.backup.encryption import BackupSecret
from infra.bus.sealed_bus import SealedBus
from schemas import topics
from schemas.errors import SetupError, Unavailable
from schemas.privacy.contact_keys import ContactKey
from schemas.privacy.key_service import CACHE_LIFETIME, ContactKeyService
from schemas.privacy.sealed_events import read_seal

Files = defaultdict[str, list[str]]
"""The ids of attachments by conversation."""
BY = "restore"
"""The requester, in the record of the erasures that a restore applies."""


@dataclass(frozen=True, slots=True)
class _ErasureSubject:
    """``ids``: also those of contacts that were merged into it."""

    id: str
    ids: frozenset[str]
    conversations: tuple[str, ...]


class ErasureReplay:
    """Applies a keys file to restored data that was saved at ``saved_at``. ``files``: the attachments that are to be
    deleted with each conversation, because nobody can list them without its keys."""

    def __init__(self, services: ProcessServices, saved_at: datetime, files: Files | None = None) -> None:
        self._files = files or Files(list)
        self._services = services
        self._saved_at = saved_at
        self._erasures = ContactErasureService(services)
        self._erased: defaultdict[str, set[str]] = defaultdict(set)

    async def restore_keys(self, path: Path, secret: BackupSecret, *, in_state: bool = True) -> int:
        """Put the keys into the log, and ``in_state`` unless that is rebuilt from it, and note who is erased. Returns
        their number. Raises SetupError if the secret key of this configuration does not open them."""
        count, service = 0, self._find_service()
        for page in read_keys(path, secret):
            kept = [key for key in page if key.stage != "made"]
            for key in kept:
                _check_opens(service, key)
                if self._is_erased(key):
                    self._erased[key.tenant].add(key.contact_id)
            if in_state:
                await asyncio.gather(*(self._services.state.contact_keys.put(key) for key in kept))
            await self._services.bus.append([service.wrap_record(key) for key in kept])
            count += len(kept)
        seal = self._services.state.seal_contacts
        if in_state and seal is not None:
            # The secret may be a later one than when the data was saved: then nobody would be found.
            for tenant in self._services.config.tenants:
                await seal(tenant)
        return count

    async def apply(self, manifest: KeysManifest) -> int:
        """Delete what state and files hold about everybody who was erased. Returns how many contacts were found."""
        found = 0
        for tenant in sorted({*manifest.erasures, *self._erased, *self._services.config.tenants}):
            people = await self._find_people(tenant)
            found += len(people)
            own = [await self._build_erasure(tenant, people)] if people else []
            erasures = [*manifest.erasures.get(tenant, ()), *own]
            await self._erasures.records.merge(tenant, erasures)
            for erasure in await self._erasures.records.list_all(tenant):
                if erasure.state == "running":
                    await self._skip_wait(erasure)
        await self._erasures.sweep({*manifest.erasures, *self._erased, *self._services.config.tenants})
        for tenant, contacts in self._erased.items():
            for contact in sorted(contacts):  # also those without conversations
                await self._services.state.contact_erasure.erase_contact(tenant, contact)
        return found

    def _is_erased(self, key: ContactKey) -> bool:
        """Whether what the data holds about a contact is from before an erasure. Somebody who wrote again after one has
        another key, and the data may already be of that time."""
        erasure = find_erasure(key)
        return erasure is not None and (key.stage == "erased" or erasure[1] > self._saved_at)

    async def _find_people(self, tenant: str) -> list[_ErasureSubject]:
        """The erased who have conversations in the state. Nobody can open them any more, but ids are readable."""
        search, erased = self._services.state.contact_search, sorted(self._erased[tenant])
        same = {contact: frozenset(await search.list_ids(tenant, contact)) for contact in erased}
        merged = {id_ for contact, ids in same.items() for id_ in ids if id_ != contact}
        conversations = await search.list_conversations(tenant, erased)
        return [
            _ErasureSubject(contact, same[contact], tuple(each.id for each in conversations.get(contact, ())))
            for contact in erased
            if contact not in merged and conversations.get(contact)
        ]

    async def _build_erasure(self, tenant: str, people: list[_ErasureSubject]) -> Erasure:
        """One erasure for all, so that the log is searched once."""
        now = self._services.clock()
        contacts = {id_ for person in people for id_ in person.ids}
        conversations = dict.fromkeys(id_ for person in people for id_ in person.conversations)
        return Erasure(
            id=str(uuid4()),
            tenant=tenant,
            contact_id=people[0].id if len(people) == 1 else "",
            requested_at=now,
            requested_by=BY,
            contact_ids=tuple(sorted(contacts)),
            conversations=tuple(conversations),
            rooms=await self._find_rooms(tenant, contacts, conversations.keys()),
            keys_erased_at=now - CACHE_LIFETIME,
        )

    async def _find_rooms(self, tenant: str, contacts: Set[str], own: Set[str]) -> dict[str, list[str]]:
        """The messages of the erased in conversations that others began. Nobody can read their records any more, but
        each still names whose key has sealed it."""
        bus = self._services.bus
        log = bus.log if isinstance(bus, SealedBus) else bus
        rooms: dict[str, list[str]] = {}
        for channel in channels_of(self._services.config):
            async for record in await log.read(topics.inbound(channel)):
                seal = read_seal(record)
                is_message = record.headers.get("ce_type") == topics.MESSAGE_RECEIVED
                if is_message and record.key not in own and seal and seal[0] == tenant and seal[1] in contacts:
                    rooms.setdefault(record.key, []).append(record.headers.get("ce_id", ""))
        return rooms

    async def _skip_wait(self, erasure: Erasure) -> None:
        """Let an erasure go on at once: no process runs that could remember a key."""
        if erasure.keys_erased_at is None:
            for contact in erasure.contact_ids:
                await self._find_service().erase(erasure.tenant, contact)
        passed = self._services.clock() - CACHE_LIFETIME
        erased_at = min(erasure.keys_erased_at or passed, passed)
        files = {id_ for conversation in erasure.conversations for id_ in self._files.get(conversation, ())}
        change = {"keys_erased_at": erased_at, "files": tuple(sorted(files.union(erasure.files)))}
        await self._erasures.records.update(erasure.tenant, erasure.id, lambda known: known.model_copy(update=change))

    def _find_service(self) -> ContactKeyService:
        if self._services.contact_keys is None:
            raise SetupError("there is no secret_key to open the keys of contacts with", fix="set `secret_key`")
        return self._services.contact_keys


def find_erasure(key: ContactKey) -> tuple[int, datetime] | None:
    """The generation of the key below which everything of a contact is erased, and what was said until when."""
    if key.erased_at is not None:
        return key.generation + 1, key.erased_at
    return (key.generation, key.said_after) if key.said_after is not None else None


def _check_opens(service: ContactKeyService, key: ContactKey) -> None:
    try:
        service.unwrap(key)
    except Unavailable as error:
        raise SetupError(
            "the keys of contacts do not open with the secret_key of this configuration",
            fix="set `secret_key` to that of the installation that was backed up",
        ) from error
