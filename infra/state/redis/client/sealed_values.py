"""Sealing and opening of Redis values, under the keys of contacts. What scripts look at stays readable: what stands
before the body, such as the state of a line or the time of an entry."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import orjson

from infra.state.redis.client import codec
from schemas.conversation import Origin
from schemas.envelope import Envelope
from schemas.errors import StateUnavailable
from schemas.privacy import sealed_events
from schemas.privacy.key_service import Owner, UnwrappedKey
from schemas.privacy.sealed_bodies import START, BodyOwner, BodySealer, SealedBody, parse_sealed, seal_body
from schemas.topics import TURN_COMPLETED

BodyKey = tuple[BodyOwner, UnwrappedKey]
LoadOrigin = Callable[[str], Awaitable[bytes | None]]
MAX_CONVERSATIONS = 50_000
"""Conversations whose contact a process remembers: about 15 MB."""
MAX_ORIGINS = 5_000
"""Sealed origins that a process keeps, because each message opens its conversation: about 5 MB."""
_SEALED_LINE = b" 0\n" + START
_NOTHING: Mapping[bytes, bytes] = {}


class SealedValues:
    """``load_origin`` reads the origin of a conversation as it is stored. Without ``creates_keys``, as during a
    rebuild, what belongs to a contact without a key stays plain."""

    sealer: BodySealer | None = None
    """Set once the keys of contacts can be read. Until then, and without one, values stay plain."""

    def __init__(self, load_origin: LoadOrigin, *, creates_keys: bool = True) -> None:
        self._load_origin = load_origin
        self._creates_keys = creates_keys
        self._owners: OrderedDict[str, BodyOwner] = OrderedDict()
        self._origins: OrderedDict[tuple[object, ...], bytes] = OrderedDict()

    def remember(self, conversation: str, tenant: str, contact: str) -> None:
        """Note who began a conversation."""
        self._owners[conversation] = BodyOwner(tenant, contact)
        self._owners.move_to_end(conversation)
        if len(self._owners) > MAX_CONVERSATIONS:
            self._owners.popitem(last=False)
        if self.sealer is not None and self.sealer.note_contact is not None and contact:
            self.sealer.note_contact(conversation, contact)

    def hash_name(self, name: str) -> str:
        """The name of a key that nobody has to read, and that may contain an address."""
        sealer = self.sealer
        return sealer.get_lookup("").hash_term(name) if sealer is not None and sealer.is_sealing else name

    async def seal(
        self, conversation: str, value: str | bytes, *, after: bytes = b"", readable: Iterable[tuple[str, object]] = ()
    ) -> bytes:
        """Seal what follows the first ``after``; plain where nothing is sealed, or nobody knows who began the
        conversation. Raises what ``ContactKeyService.get_or_create`` does."""
        (sealed,) = await self.seal_all(conversation, [value], after=after, readable=readable)
        return sealed

    async def seal_all(
        self,
        conversation: str,
        values: Sequence[str | bytes],
        *,
        after: bytes = b"",
        readable: Iterable[tuple[str, object]] = (),
    ) -> list[bytes]:
        """Do as ``seal`` for several values with one key."""
        plain = [value.encode() if isinstance(value, str) else value for value in values]
        found = await self.find_key(conversation) if plain else None
        return plain if found is None else [seal_value(value, found, after, readable) for value in plain]

    async def seal_for(self, owner: BodyOwner, value: str, readable: Iterable[tuple[str, object]] = ()) -> bytes:
        """Do as ``seal`` for a value of which the contact is known."""
        found = await self._load_key(owner)
        return value.encode() if found is None else seal_body(value.encode(), owner, found, readable)

    async def seal_line(self, conversation: str, line: bytes) -> bytes:
        """Do as the function ``seal_line`` with the key of the conversation."""
        return seal_line(line, await self.find_key(conversation))

    async def seal_origin(self, origin: Origin) -> bytes:
        """The origin of a conversation as JSON; its place is sealed, and the rest stays readable."""
        # Only strings: encoding it without the model takes a fifth of the time.
        fields = {
            "tenant": origin.tenant,
            "channel": origin.channel,
            "account": origin.account,
            "place": origin.place,
            "contact_id": origin.contact_id,
        }
        owner = BodyOwner(origin.tenant, origin.contact_id)
        key = await self._load_key(owner)
        if key is None:
            return orjson.dumps(fields)
        known = (*fields.values(), key.generation, key.is_erased)
        sealed = self._origins.get(known)
        if sealed is None:
            place = fields.pop("place")
            sealed = self._origins[known] = seal_body(place.encode(), owner, key, fields.items())
            if len(self._origins) > MAX_ORIGINS:
                self._origins.popitem(last=False)
        return sealed

    async def open_origin(self, stored: bytes | None, found: BodyKey | None = None) -> bytes | None:
        """A stored origin as plain JSON. The place of somebody who was erased is empty. ``found``: a key that the
        caller has looked up already, which is probably the one."""
        known = self.sealer.recall(stored) if self.sealer is not None and stored is not None else None
        sealed = parse_sealed(stored) if known is None and stored is not None else None
        if stored is None or sealed is None:
            return known or stored
        wanted: dict[Owner, int] = {sealed.owner: sealed.generation}
        keys = self._recall_keys(wanted, found) or await self._load_keys(wanted)
        place = sealed.open(keys[sealed.owner])
        plain = orjson.dumps({**sealed.readable_fields, "place": (place or b"").decode()})
        if place is not None and self.sealer is not None:
            self.sealer.remember(stored, sealed.owner, sealed.generation, plain)
        return plain

    async def open(self, value: bytes | None, *, after: bytes = b"") -> bytes | None:
        """The plain value; None if its contact was erased. Raises StateUnavailable without a secret key."""
        return (await self.open_all([value], after=after))[0]

    async def open_all(
        self, values: Sequence[bytes | None], *, after: bytes = b"", found: BodyKey | None = None
    ) -> list[bytes | None]:
        """Do as ``open`` for several values. ``found``: as for ``open_origin``."""
        opened: list[bytes | None] = list(values)
        sealed: list[tuple[int, int, SealedBody]] = []
        wanted: dict[Owner, int] = {}
        for place, value in enumerate(values):
            if value is None:
                continue
            start = value.index(after) + len(after) if after else 0
            seal = parse_sealed(value[start:] if start else value)
            if seal is not None:
                sealed.append((place, start, seal))
                if wanted.get(seal.owner, 0) < seal.generation:
                    wanted[seal.owner] = seal.generation
        if not sealed:
            return opened
        keys = self._recall_keys(wanted, found) or await self._load_keys(wanted)
        for place, start, seal in sealed:
            plain = seal.open(keys[seal.owner])
            opened[place] = None if plain is None else (values[place] or b"")[:start] + plain
        return opened

    async def open_lines(
        self, flat: Sequence[bytes], known: Mapping[bytes, bytes] = _NOTHING, found: BodyKey | None = None
    ) -> list[bytes]:
        """Triples of id, number and line, without the lines of somebody who was erased. ``known``: what this process
        has just sealed, by what it was sealed as. ``found``: as for ``open_origin``."""
        lines: list[bytes | None] = [known.get(line, line) for line in flat[2::3]]
        is_sealed = [line is not None and _is_sealed_line(line) for line in lines]
        if any(is_sealed):
            asked = [line if sealed else None for line, sealed in zip(lines, is_sealed, strict=True)]
            opened = await self.open_all(asked, after=b"\n", found=found)
            lines = [
                (line and _join_line(line)) if sealed else plain
                for line, sealed, plain in zip(opened, is_sealed, lines, strict=True)
            ]
        triples = zip(flat[::3], flat[1::3], lines, strict=True)
        return [part for id_, number, line in triples if line is not None for part in (id_, number, line)]

    async def open_outbox(self, entries: Sequence[bytes | None]) -> list[Envelope]:
        """The events of an outbox, in order, without those of somebody who was erased."""
        if not entries:
            return []
        # Turns are sealed like bodies, and so are changes of the owner.
        events = codec.unpack_outbox(await self.open_all(entries, after=b"\n"))
        seals = [sealed_events.find_seal(event) for event in events]
        wanted: dict[Owner, int] = {}
        for seal in seals:
            if seal is not None and wanted.get(seal[:2], 0) < seal[2]:
                wanted[seal[:2]] = seal[2]
        keys = await self._load_keys(wanted) if wanted else {}
        opened = [
            event if seal is None else sealed_events.open_event(event, keys[seal[:2]], seal)
            for event, seal in zip(events, seals, strict=True)
        ]
        return [event for event in opened if event is not None]

    async def open_line(self, line: bytes | None) -> bytes | None:
        """One line; None if there is none, or its contact was erased."""
        opened = await self.open_lines([b"", b"", line]) if line is not None else []
        return opened[2] if opened else None

    async def find_key(self, conversation: str) -> BodyKey | None:
        """The key with which to seal what belongs to a conversation; None where nothing is sealed, or nobody knows who
        began it. Raises what ``ContactKeyService.get_or_create`` does."""
        sealer = self.sealer
        if sealer is None or not sealer.is_sealing:
            return None
        owner = self._owners.get(conversation)
        if owner is None:
            origin = await self._load_origin(conversation)
            if origin is None:
                return None
            named = orjson.loads(origin)  # also of a sealed one
            self.remember(conversation, named["tenant"], named["contact_id"])
            owner = self._owners[conversation]
        key = await self._load_key(owner)
        return None if key is None else (owner, key)

    def confirm_key(self, found: BodyKey | None) -> BodyKey | None:
        """The same key if it still is the one of this process: it may have been erased during a call to Redis."""
        if found is None or self.sealer is None:
            return None
        return found if self.sealer.keys.get_cached(*found[0]) is found[1] else None

    async def _load_key(self, owner: BodyOwner) -> UnwrappedKey | None:
        """The key with which to seal; None where nothing is sealed."""
        sealer = self.sealer
        if sealer is None or not sealer.is_sealing or not owner.contact:
            return None
        if (cached := sealer.keys.get_usable(*owner)) is not None:
            return cached
        return await (sealer.keys.get_or_create(*owner) if self._creates_keys else sealer.keys.get(*owner))

    def _recall_keys(
        self, wanted: Mapping[Owner, int], found: BodyKey | None = None
    ) -> Mapping[Owner, UnwrappedKey | None] | None:
        """Do as ``_load_keys`` for what a turn reads: it belongs to one contact, whose key this process holds already.
        None where it does not."""
        if self.sealer is None or len(wanted) > 1:
            return None
        ((owner, generation),) = wanted.items()
        key = found[1] if found is not None and found[0] == owner else self.sealer.keys.get_cached(*owner)
        return {owner: key} if key is not None and key.generation >= generation else None

    async def _load_keys(self, wanted: Mapping[Owner, int]) -> Mapping[Owner, UnwrappedKey | None]:
        """The keys of these contacts, of these generations at least."""
        sealer = self.sealer
        if sealer is None:
            raise StateUnavailable("a value is encrypted", fix="set secret_key to the one with which it was written")
        return await sealer.keys.get_each(wanted)


def seal_value(value: bytes, found: BodyKey, after: bytes = b"", readable: Iterable[tuple[str, object]] = ()) -> bytes:
    """Seal what follows the first ``after``."""
    start = value.index(after) + len(after) if after else 0
    body = value[start:] if start else value
    return value[:start] + (seal_body(body, *found, readable) if body else b"")


def seal_entry(event: Envelope, found: BodyKey | None) -> bytes:
    """An event as an entry of the outbox. It is sealed as on the log, so that this is done once. Turns are sealed like
    bodies, because the script that empties the outbox keeps them."""
    if found is None:
        return codec.pack_envelope(event)
    owner, key = found
    if event.type != TURN_COMPLETED and sealed_events.is_sealable(event) and event.tenant == owner.tenant:
        named = sealed_events.find_contact(event) or owner.contact
        if named == owner.contact:
            return codec.pack_envelope(sealed_events.seal_event(event, owner.contact, key))
    return seal_value(codec.pack_envelope(event), found, b"\n")


def seal_line(line: bytes, found: BodyKey | None) -> bytes:
    """Seal text and fields of a line of the transcript, as transcript_lines.lua describes it. Without a key it stays
    plain."""
    if found is None:
        return line
    head, _, rest = line.partition(b"\n")
    start, _, length = head.rpartition(b" ")
    return b"%b 0\n%b" % (start, seal_body(length + b"\n" + rest, *found))


def _is_sealed_line(line: bytes) -> bool:
    # Only a line whose text is empty outside of the body: a contact may write what looks like a sealed body.
    head = line.find(b"\n")
    return line.startswith(_SEALED_LINE, head - 2)


def _join_line(line: bytes) -> bytes:
    """``state fingerprint 0``, the length of the text, and the rest, as the line that they were."""
    head, length, rest = line.split(b"\n", 2)
    return head.removesuffix(b"0") + length + b"\n" + rest
