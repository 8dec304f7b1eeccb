"""Records of erasures: where each stands, and its signed proof. They are kept in the state store, as a note of each
tenant, and name the contact by its id alone."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal, TypeVar
from uuid import uuid4

from pydantic import TypeAdapter

from gateway.config.secret_keys import SigningKeys
from schemas.errors import InvalidRequest, Unavailable
from schemas.key_ring import KeyRing
from schemas.messages import WireModel
from schemas.ports import Clock, Leases

T = TypeVar("T")
KEPT = 500
"""The newest erasures of a tenant that are kept, besides those that are under way."""
_SIGNED_USE = "erasure"
_UNPROVEN = {"contact_ids", "conversations", "rooms", "files", "request", "desk", "is_emptied", "proof"}
"""The fields that a proof leaves out."""
_LEASE_SECONDS = 10.0
_ATTEMPTS = 100
_PAUSE = 0.05


class ErasureRequest(WireModel):
    """The contact asked for the erasure in this conversation, by the action with this key. It waits for the last
    message, which says that it begins."""

    conversation: str
    action_key: str


class DeskProgress(WireModel):
    """The desk was asked to close these conversations, and then to remove the posts about them. ``posts``: how many
    each of the events names that ask for it, by conversation and event; None until they are known."""

    asked_at: datetime
    conversations: tuple[str, ...]
    posts: dict[str, dict[str, int]] | None = None


class Erasure(WireModel):
    """One erasure. What it is about, apart from ``contact_id``, is left out once it is done. ``rooms``: messages of the
    contact in conversations that somebody else began. ``is_emptied``: the state store holds nothing of it any more.
    ``stores``: how much was deleted, by kind."""

    id: str
    tenant: str
    contact_id: str
    state: Literal["running", "done"] = "running"
    requested_at: datetime
    requested_by: str
    contact_ids: tuple[str, ...] = ()
    conversations: tuple[str, ...] = ()
    rooms: dict[str, list[str]] = {}
    files: tuple[str, ...] = ()
    request: ErasureRequest | None = None
    desk: DeskProgress | None = None
    keys_erased_at: datetime | None = None
    is_emptied: bool = False
    done_at: datetime | None = None
    stores: dict[str, int] = {}
    proof: str = ""

    def count(self, found: dict[str, int]) -> Erasure:
        """Return the record with further numbers."""
        return self.model_copy(
            update={"stores": self.stores | {kind: self.stores.get(kind, 0) + n for kind, n in found.items()}}
        )


_LIST = TypeAdapter(list[Erasure])


def read_proof(proof: str, secret_key: KeyRing) -> Erasure:
    """Return the erasure that a proof is about. Raises InvalidRequest unless it was signed with a key of this ring, and
    has not been changed since."""
    body, _, signature = proof.strip().partition(".")
    if not SigningKeys(secret_key, _SIGNED_USE).verify(signature, body):
        raise InvalidRequest(
            "the proof is not valid: it was changed, or signed with another secret key",
            fix="compare it with `GET erasures/{id}`; if `secret_key` was replaced since, add the old one to it",
        )
    return Erasure.model_validate_json(base64.urlsafe_b64decode(body))


class ErasureRecords:
    def __init__(self, leases: Leases, secret_key: KeyRing, clock: Clock) -> None:
        self._leases = leases
        self._keys = SigningKeys(secret_key, _SIGNED_USE)
        self._clock = clock

    async def list_all(self, tenant: str) -> list[Erasure]:
        """The erasures of a tenant, the oldest first."""
        note = await self._leases.read_note(name_note(tenant))
        return _LIST.validate_json(note) if note else []

    async def add(self, erasure: Erasure) -> Erasure:
        """Store an erasure unless it is known, or one of the same contact is under way; returns the one that is."""

        def add(known: list[Erasure]) -> Erasure:
            for each in known:
                if each.id == erasure.id or (each.state == "running" and each.contact_id == erasure.contact_id):
                    return each
            known.append(erasure)
            return erasure

        return await self._change(erasure.tenant, add)

    async def update(self, tenant: str, id: str, change: Callable[[Erasure], Erasure]) -> Erasure:
        """Change an erasure in one step, whoever else does. What is done stays as it is."""

        def update(known: list[Erasure]) -> Erasure:
            place = next(n for n, each in enumerate(known) if each.id == id)
            if known[place].state == "running":
                known[place] = change(known[place])
            return known[place]

        return await self._change(tenant, update)

    async def merge(self, tenant: str, erasures: Sequence[Erasure]) -> None:
        """Add erasures of a backup that is newer than the state. What is under way on either side goes on."""

        def merge(known: list[Erasure]) -> None:
            running = [each for each in known if each.state == "running"]
            merged = {each.id: each for each in (*known, *erasures, *running)}
            known[:] = sorted(merged.values(), key=lambda each: each.requested_at)

        await self._change(tenant, merge)

    def finish(self, erasure: Erasure) -> Erasure:
        """Return the record of an erasure that is done, with its proof: a JSON document and its signature."""
        done = erasure.model_copy(
            update={
                "state": "done",
                "done_at": self._clock(),
                "contact_ids": (),
                "conversations": (),
                "rooms": {},
                "files": (),
                "request": None,
                "desk": None,
            }
        )
        body = base64.urlsafe_b64encode(done.model_dump_json(exclude=_UNPROVEN).encode())
        return done.model_copy(update={"proof": f"{body.decode()}.{self._keys.sign(body.decode())}"})

    async def _change(self, tenant: str, change: Callable[[list[Erasure]], T]) -> T:
        name, holder = name_note(tenant), uuid4().hex
        for _ in range(_ATTEMPTS):
            token = await self._leases.acquire(name, holder, ttl=_LEASE_SECONDS, now=self._clock())
            if token is not None:
                try:
                    known = await self.list_all(tenant)
                    changed = change(known)
                    if await self._leases.save_note(name, token, _LIST.dump_json(_shorten(known)).decode()):
                        return changed
                finally:
                    await self._leases.release(name, holder)
            await asyncio.sleep(_PAUSE)
        raise Unavailable("the record of an erasure is being changed by others")


def name_note(tenant: str) -> str:
    """The name under which the erasures of a tenant are kept."""
    return f"erasures:{tenant}"


def _shorten(known: list[Erasure]) -> list[Erasure]:
    recent = {each.id for each in known[-KEPT:]}
    return [each for each in known if each.state == "running" or each.id in recent]
