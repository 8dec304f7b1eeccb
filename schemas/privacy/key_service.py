"""Make, unwrap and erase the keys of contacts. Every process asks for keys here; the secret key of the installation
wraps them, so that neither the log nor the state store nor a copy of them opens anything."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import uuid4

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from schemas import topics
from schemas.envelope import Envelope, envelope
from schemas.errors import StateLost, Unavailable
from schemas.ports import Bus, Clock, ContactKeys
from schemas.privacy.contact_keys import ContactKey
from schemas.privacy.lookup_keys import LookupKeys

log = structlog.get_logger("parley.keys")
SOURCE = "parley/keys"
KEY_BYTES = 32
NONCE_BYTES = 12
MAX_CACHED = 20_000
"""Keys that one process holds unwrapped, 3 KB each, for ``CACHE_LIFETIME``."""
CACHE_LIFETIME = timedelta(seconds=30)
"""The time after which a process notices that another one has erased a key."""
RETIRED_FOR = 2 * CACHE_LIFETIME
"""The time between the first and the last step of removing an unused key: by then no process that remembers it from
before may still seal with it."""
KEPT_AT_LEAST = timedelta(days=8)
"""The shortest retention of contacts: the key of a record that is younger is missing by mistake."""
LOG_LIFETIME = timedelta(seconds=60)
"""The time for which keys that were read from the log are used while the state store is rebuilt."""
REREAD_AFTER = timedelta(seconds=1)
"""The time after which a key that was not on the log is looked for there again: it may have been made since."""
CLOCK_SKEW = timedelta(seconds=5)

Owner = tuple[str, str]
"""Tenant and contact."""


@dataclass(frozen=True, slots=True)
class UnwrappedKey:
    """A key in the memory of a process. ``cipher`` is None once the key is erased."""

    generation: int
    cipher: AESGCM | None = field(repr=False)

    @property
    def is_erased(self) -> bool:
        return self.cipher is None


class ContactKeyService:
    """The keys of contacts, for one process. ``derive_secrets`` returns what wraps keys, derived from the key ring of
    the installation: the current secret first. ``lookups``: the keys under which contacts are found."""

    def __init__(
        self, *, bus: Bus, keys: ContactKeys, derive_secrets: Callable[[], Sequence[bytes]], clock: Clock
    ) -> None:
        self._bus = bus
        self._keys = keys
        self._derive_secrets = derive_secrets
        self._clock = clock
        self.lookups = LookupKeys(derive_secrets)
        self._cache: OrderedDict[Owner, tuple[datetime, UnwrappedKey]] = OrderedDict()
        self._logged: dict[Owner, ContactKey] = {}
        self._logged_at: datetime | None = None
        self._reading_log = asyncio.Lock()
        self._wrapped_by = ""

    def get_cached(self, tenant: str, contact: str) -> UnwrappedKey | None:
        """The key if this process has used it lately."""
        cached = self._cache.get((tenant, contact))
        return cached[1] if cached is not None and self._clock() < cached[0] else None

    def get_usable(self, tenant: str, contact: str) -> UnwrappedKey | None:
        """Do as ``get_cached`` for what is to be sealed; None also for an erased key: what is said after an erasure
        begins another generation."""
        cached = self._cache.get((tenant, contact))
        usable = cached is not None and cached[1].cipher is not None and self._clock() < cached[0]
        return cached[1] if cached is not None and usable else None

    async def get(
        self, tenant: str, contact: str, *, least: int = 1, made_at: datetime | None = None
    ) -> UnwrappedKey | None:
        """The newest key of a contact, which may be erased; None if there never was one. A process that remembers an
        earlier generation than ``least`` asks again. While the state store is rebuilt, keys come from the log.
        ``made_at``: when the key was already in use. Raises StateUnavailable, BusUnavailable, and Unavailable if no
        secret unwraps the key."""
        if (cached := self.get_cached(tenant, contact)) is not None and cached.generation >= least:
            return cached
        return self._take(await self._load(tenant, contact, least=least, made_at=made_at))

    def _take(self, stored: ContactKey | None) -> UnwrappedKey | None:
        """A key as the state store has it, which may be used; None if it is not on the log yet."""
        if stored is None or stored.stage == "made":
            return None
        # One that is being removed is not remembered, so that nothing is sealed with it.
        return self.remember(stored) if stored.retired_at is None else self.unwrap(stored)

    async def get_each(self, wanted: Mapping[Owner, int]) -> Mapping[Owner, UnwrappedKey | None]:
        """Do as ``get`` for several contacts at once, each with its least generation."""
        found: dict[Owner, UnwrappedKey | None] = {}
        missing: list[Owner] = []
        for owner, least in wanted.items():
            cached = found[owner] = self.get_cached(*owner)
            if cached is None or cached.generation < least:
                missing.append(owner)
        if missing:
            try:
                stored = await self._keys.get_each(missing)
            except StateLost:
                # Of some of them only. Each that is lost comes from the log.
                found |= {owner: await self.get(*owner, least=wanted[owner]) for owner in missing}
            else:
                found |= {owner: self._take(key) for owner, key in zip(missing, stored, strict=True)}
        return found

    async def get_or_create(self, tenant: str, contact: str, *, said_at: datetime | None = None) -> UnwrappedKey:
        """The newest key of a contact, made now if there is none. Once it is erased it stays so, unless something was
        ``said_at`` a time after the erasure: that begins the next generation. Raises what ``get`` does, and
        BusUnavailable."""
        if (cached := self.get_usable(tenant, contact)) is not None:
            return cached
        stored = await self._load(tenant, contact)
        if stored is None:
            stored = await self._keys.put(self.make_key(tenant, contact))
        elif stored.erased_at is not None and said_at is not None and said_at > stored.erased_at:
            following = self.make_key(tenant, contact, stored.generation + 1)
            stored = await self._keys.put(following.model_copy(update={"said_after": stored.erased_at}))
        if stored.stage == "made":
            # On the log before its first use, because what it seals outlives the state store. If the process that made
            # it was killed before this, whoever needs it next goes on.
            stored = await self._publish(stored.model_copy(update={"stage": "kept"}))
        while stored.retired_at is not None:
            stored = await self._keys.put(stored.retire(None))
        return self.remember(stored)

    async def erase(self, tenant: str, contact: str) -> ContactKey:
        """Erase the key of a contact in all processes, within ``CACHE_LIFETIME``. Also erases in advance for a contact
        without a key. May be repeated: the first time of erasure stays. Raises BusUnavailable, StateUnavailable,
        StateLost."""
        self._cache.pop((tenant, contact), None)
        now = self._clock()
        stored = await self._keys.get(tenant, contact)
        if stored is not None and stored.stage == "erased":
            # The log may lack it, if a process was killed between the two writes.
            await self._bus.append([self.wrap_record(stored)])
            return stored
        known = stored or ContactKey(tenant=tenant, contact_id=contact, created_at=now)
        # The state store comes first: from then on no process makes or wraps this key again.
        erased = await self._keys.put(known.erase(now))
        await self._bus.append([self.wrap_record(erased)])
        return erased

    async def retire(self, tenant: str, contact: str, *, is_used: bool) -> bool:
        """Remove the key of a contact whom retention has removed: call it until it returns True, which takes
        ``RETIRED_FOR`` at least. ``is_used``: the contact exists again, so the key stays. So does an erased one. What
        is sealed meanwhile begins the wait anew. Raises BusUnavailable, StateUnavailable, StateLost."""
        stored = await self._keys.get(tenant, contact)
        if is_used or (stored is not None and stored.stage == "erased"):
            if stored is not None and stored.retired_at is not None:
                await self._keys.put(stored.retire(None))
            return True
        if stored is not None:
            if stored.retired_at is None:
                await self._keys.put(stored.retire(self._clock()))
                return False
            if self._clock() < stored.retired_at + RETIRED_FOR or not await self._keys.remove(stored):
                return False
        await self._bus.append([self._build_tombstone(tenant, contact)])
        following = await self._keys.get(tenant, contact)
        if following is not None and following.stage != "made":
            # Made meanwhile, so that its record on the log may be older than the tombstone.
            await self._bus.append([self.wrap_record(following)])
        return True

    def may_be_removed(self, made_at: datetime) -> bool:
        """Tell whether retention may have removed the key of something that was written then."""
        return made_at < self._clock() - KEPT_AT_LEAST

    follow_every = 5.0
    """Seconds between two calls of ``follow_rotation``."""

    async def follow_rotation(self) -> None:
        """Wrap all keys anew once the key ring has another current secret. To be called regularly. Raises what
        ``rewrap_all`` does."""
        secrets = self._derive_secrets()
        current = _name_secret(secrets[0])
        if len(secrets) > 1 and self._wrapped_by != current:
            log.info("contact_keys.wrapped", keys=await self.rewrap_all())
        self._wrapped_by = current

    async def rewrap_all(self) -> int:
        """Wrap every key by the current secret that is wrapped by an earlier one, so that the earlier one may be left
        out. Returns how many were. Raises BusUnavailable, StateUnavailable, StateLost, and Unavailable if no secret
        opens a key."""
        count, current = 0, _name_secret(self._derive_secrets()[0])
        async for known in self._read_records():
            stored = await self._keys.get(known.tenant, known.contact_id)
            if stored is not None and stored.stage == "kept" and stored.key_id != current:
                await self._publish(self._wrap(stored, self._unwrap(stored), revision=stored.revision + 1))
                count += 1
        return count

    def make_key(self, tenant: str, contact: str, generation: int = 0) -> ContactKey:
        """A new key that is stored nowhere yet, of this generation at least."""
        now = self._clock()
        # Minutes, so that it is above those of a key that retention removed, of which nothing is left.
        generation = max(generation, int(now.timestamp()) // 60)
        made = ContactKey(tenant=tenant, contact_id=contact, generation=generation, stage="made", created_at=now)
        return self._wrap(made, os.urandom(KEY_BYTES))

    async def _load(
        self, tenant: str, contact: str, *, least: int = 1, made_at: datetime | None = None
    ) -> ContactKey | None:
        asked_at = self._clock()
        try:
            return await self._keys.get(tenant, contact)
        except StateLost:
            found = (await self._load_logged(since=asked_at - LOG_LIFETIME)).get((tenant, contact))
            if found is None or found.generation < least:
                # What was read may be older than the key: an earlier loss, of other shards perhaps, was the reason.
                needed = asked_at - REREAD_AFTER if made_at is None else min(asked_at, made_at + CLOCK_SKEW)
                found = (await self._load_logged(since=needed)).get((tenant, contact))
            return found

    async def _load_logged(self, *, since: datetime) -> Mapping[Owner, ContactKey]:
        """The keys on the log, read at that time or later."""
        async with self._reading_log:
            if self._logged_at is None or self._logged_at < since:
                begun = self._clock()
                self._logged = await self._read_log()
                self._logged_at = begun
            return self._logged

    async def _read_log(self) -> dict[Owner, ContactKey]:
        logged: dict[Owner, ContactKey] = {}
        async for found in self._read_records():
            before = logged.get((found.tenant, found.contact_id))
            if before is None or found.rank > before.rank:
                logged[found.tenant, found.contact_id] = found
        return logged

    async def _read_records(self) -> AsyncIterator[ContactKey]:
        """The keys on the log. The state of those before a tombstone is told by the state store alone."""
        async for record in await self._bus.read(topics.KEYS):
            if record.value is not None:
                yield ContactKey.model_validate_json(record.value)

    async def _publish(self, key: ContactKey) -> ContactKey:
        await self._bus.append([self.wrap_record(key)])
        return await self._keys.put(key)

    def _build_tombstone(self, tenant: str, contact: str) -> Envelope:
        return envelope(
            topics.CONTACT_KEY,
            None,
            id=str(uuid4()),
            time=self._clock(),
            source=SOURCE,
            tenant=tenant,
            subject=contact,
        )

    def wrap_record(self, key: ContactKey) -> Envelope:
        """The event that holds a key on the log."""
        return envelope(
            topics.CONTACT_KEY,
            key,
            id=str(uuid4()),
            time=self._clock(),
            source=SOURCE,
            tenant=key.tenant,
            subject=key.contact_id,
        )

    def _wrap(self, key: ContactKey, plain: bytes, *, revision: int = 0) -> ContactKey:
        secret, nonce = self._derive_secrets()[0], os.urandom(NONCE_BYTES)
        wrapped = nonce + AESGCM(secret).encrypt(nonce, plain, _bind(key))
        changes = {
            "wrapped": base64.b64encode(wrapped).decode(),
            "key_id": _name_secret(secret),
            "revision": revision,
        }
        return key.model_copy(update=changes)

    def _unwrap(self, key: ContactKey) -> bytes:
        wrapped = base64.b64decode(key.wrapped)
        for secret in self._derive_secrets():
            if _name_secret(secret) == key.key_id:
                try:
                    return _load_cipher(secret).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], _bind(key))
                except InvalidTag:
                    break
        raise Unavailable(
            "the key of a contact cannot be opened",
            fix="add the earlier secret_key behind the current one; without it what it protects cannot be read",
        )

    def unwrap(self, key: ContactKey) -> UnwrappedKey:
        """Unwrap a stored key. Raises Unavailable if no secret does."""
        return UnwrappedKey(key.generation, None if key.stage == "erased" else AESGCM(self._unwrap(key)))

    def remember(self, key: ContactKey) -> UnwrappedKey:
        """Unwrap a key as the state store has it for good, and hold it for ``CACHE_LIFETIME``. Raises Unavailable if no
        secret does."""
        unwrapped, place, now = self.unwrap(key), (key.tenant, key.contact_id), self._clock()
        self._cache[place] = now + CACHE_LIFETIME, unwrapped
        self._cache.move_to_end(place)
        while len(self._cache) > MAX_CACHED or next(iter(self._cache.values()))[0] <= now:
            self._cache.popitem(last=False)
        return unwrapped


def _bind(key: ContactKey) -> bytes:
    """The associated data: a wrapped key is of no use under another contact."""
    return f"key|{len(key.tenant)}:{key.tenant}|{key.contact_id}|{key.generation}".encode()


@lru_cache(maxsize=16)
def _load_cipher(secret: bytes) -> AESGCM:
    return AESGCM(secret)


@lru_cache(maxsize=16)
def _name_secret(secret: bytes) -> str:
    return hashlib.sha256(b"key id|" + secret).hexdigest()[:16]
