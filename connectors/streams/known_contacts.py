"""What is known of an account's contacts, for whoever asks a vendor's history."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from schemas.messages import Address
from schemas.ports import Account, Clock, State

PAGE = 200
MOST_PAGES = 25
MOST_PLACES = 500
"""Where somebody wrote last; a history is asked place by place."""


class KnownContacts:
    """See schemas.ports.Acquaintance."""

    def __init__(
        self, state: State, account: Account, clock: Clock, session: Callable[[], Mapping[str, Any]] = dict
    ) -> None:
        self._state = state
        self._session = session
        self._account = account
        self._clock = clock

    @property
    def session(self) -> Mapping[str, Any]:
        return self._session()

    async def places(self) -> Sequence[str]:
        found: list[str] = []
        after, account = "", self._account
        for _ in range(MOST_PAGES):
            page = await self._state.conversations.listing(
                account.tenant, channel=account.channel, after=after, limit=PAGE
            )
            found += [each.origin.place for each in page.items if each.origin.account == account.name]
            after = page.next
            if not after or len(found) >= MOST_PLACES:
                break
        return found[:MOST_PLACES]

    async def addresses(self, place: str, addresses: Sequence[Address]) -> Sequence[Address]:
        account = self._account
        contact, _ = await self._state.contacts.resolve(
            account.tenant, account.channel, account.name, place, addresses, now=self._clock()
        )
        return contact.addresses
