"""The steps that follow a rotation of the secret key: after them nothing needs the earlier secret."""

from __future__ import annotations

from collections.abc import Collection

from schemas.ports import State
from schemas.privacy.key_service import ContactKeyService


class KeyRotation:
    """For one process. ``follow`` is to be called regularly; it does nothing while the secret stays the same."""

    def __init__(self, keys: ContactKeyService, state: State, tenants: Collection[str]) -> None:
        self._keys = keys
        self._state = state
        self._tenants = tenants
        self._sealed: dict[str, str] = {}
        """By tenant, the name of the key under which all contacts are found."""

    async def follow(self) -> None:
        """Seal the contacts in the state store anew, and only then wrap their keys, which is logged. Raises what
        ``ContactKeyService.rewrap_all`` does."""
        for tenant in self._tenants:
            name = self._keys.lookups.get(tenant).names[0]
            if self._state.seal_contacts is not None and self._sealed.get(tenant) != name:
                await self._state.seal_contacts(tenant)
                self._sealed[tenant] = name
        await self._keys.follow_rotation()
