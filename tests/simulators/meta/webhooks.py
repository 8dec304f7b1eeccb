"""Webhooks of a Meta app: the handshake, batches, signatures, and retries that grow rarer until a vendor's limit."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import aiohttp

from tests.simulators.meta.ids import MetaIds
from tests.simulators.meta.signing import encode_payload, signatures
from tests.simulators.vendor_clock import VendorClock
from tests.simulators.webhook_delivery import Outcome, Webhook, WebhookDelivery

LARGEST_BATCH = 1000
DAY = 86_400.0
GIVE_UP = {"whatsapp_business_account": 7 * DAY, "instagram": 1.5 * DAY}
"""Seconds after which a delivery is dropped, by object."""
FIRST_WAIT, LONGEST_WAIT = 15.0, 6 * 3600.0


@dataclass(eq=False)
class App:
    """A Meta app. ``callbacks``: object → URL."""

    id: str
    secret: str
    verify_token: str
    callbacks: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Update:
    """One thing that happened. ``list`` is where it stands in its entry: changes, messaging or standby."""

    app: App
    object: str
    entry: str
    list: str
    value: dict[str, Any]
    lane: str = ""
    announces: str = ""
    """The id of the message that this update tells about first."""


class Webhooks:
    """``verify_first``: no delivery to an address that has not answered the handshake. While updates are held they
    pile up; on release they go out in batches, and WhatsApp's are merged as Meta does after a backlog."""

    def __init__(self, pace: VendorClock, ids: MetaIds) -> None:
        self.verify_first = True
        self.verified: set[str] = set()
        self.alter: Callable[[dict[str, str]], dict[str, str]] = lambda headers: headers
        """What becomes of the headers of a delivery: a forger's webhooks go here."""
        self.webhook_sender = WebhookDelivery(pace, _wait_after, before=self._handshake)
        self._pace = pace
        self._ids = ids
        self._limits: dict[Webhook, float] = {}
        self._apps: dict[str, App] = {}
        self._held: list[Update] | None = None
        self._announced: dict[str, Webhook] = {}

    def push(self, update: Update, *, at_once: bool = False) -> Webhook | None:
        """None while updates are held."""
        if self._held is not None:
            self._held.append(update)
            return None
        return self._send([update], at_once=at_once)

    @asynccontextmanager
    async def held(
        self, *, size: int = LARGEST_BATCH, merge: bool = True, shuffle: int | None = None
    ) -> AsyncIterator[None]:
        """Whatever happens inside goes out together at the end; ``shuffle`` is the seed of another order."""
        assert self._held is None, "updates are held already"
        self._held = []
        try:
            yield
        finally:
            updates, self._held = self._held, None
            if shuffle is not None:
                random.Random(shuffle).shuffle(updates)
            for batch in _batches(updates, min(size, LARGEST_BATCH)):
                self._send(batch, merge=merge)

    def redeliver(self, message: str, *, times: int = 1, at_once: bool = False) -> None:
        """The same bytes that announced this message, once more."""
        first = self._announced[message]
        for _ in range(times):
            self.webhook_sender.send(
                Webhook(first.url, first.body, first.headers, first.lane, patience=first.patience), at_once=at_once
            )

    async def verify(self, app: App, url: str, session: aiohttp.ClientSession) -> int:
        """The handshake that Meta does when an address is set. 200 only if the challenge came back as it was."""
        challenge = self._ids.digits(10, "1")
        query = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": app.verify_token}
        async with session.get(url, params=query, allow_redirects=False) as response:
            if response.status == 200 and await response.text() != challenge:
                return 406
            return response.status

    def _send(self, updates: Sequence[Update], *, merge: bool = True, at_once: bool = False) -> Webhook | None:
        app, kind = updates[0].app, updates[0].object
        url = app.callbacks.get(kind)
        if url is None:
            return None
        body = encode_payload({"object": kind, "entry": list(self._entries(updates, merge))})
        headers = {"Content-Type": "application/json", "User-Agent": "facebookexternalua", "Accept": "*/*"}
        headers = self.alter(headers | signatures(app.secret, body))
        parcel = Webhook(url, body, headers, updates[0].lane)
        self._apps[url] = app
        for update in updates:
            if update.announces:
                self._announced.setdefault(update.announces, parcel)
        return self.webhook_sender.send(parcel, at_once=at_once)

    def _entries(self, updates: Sequence[Update], merge: bool) -> Iterator[dict[str, Any]]:
        now = self._pace.now()
        for (entry, kind), group in groupby(updates, key=lambda each: (each.entry, each.list)):
            values = [each.value for each in group]
            is_instagram = updates[0].object == "instagram"
            yield {
                "id": entry,
                "time": int(now * 1000) if is_instagram else int(now),
                kind: values if not merge or is_instagram else list(_merged(values)),
            }

    async def _handshake(self, parcel: Webhook, session: aiohttp.ClientSession) -> Outcome | None:
        if not self.verify_first or parcel.url in self.verified:
            return None
        status = await self.verify(self._apps[parcel.url], parcel.url, session)
        if status != 200:
            return status
        self.verified.add(parcel.url)
        return None


def _batches(updates: Sequence[Update], size: int) -> Iterator[Sequence[Update]]:
    """A batch is of one app and one object."""
    for _, group in groupby(updates, key=lambda each: (each.app.id, each.object)):
        of_one = list(group)
        yield from (of_one[start : start + size] for start in range(0, len(of_one), size))


def _merged(changes: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Neighbours that tell about messages of one number become one change; a contact stands in it once."""
    last: dict[str, Any] | None = None
    for change in changes:
        if last is None or not _fits(last, change):
            last = {**change, "value": {**change["value"]}}
            yield last
            continue
        for name in ("contacts", "messages", "statuses"):
            more = change["value"].get(name, [])
            known = last["value"].get(name, [])
            if more:
                last["value"][name] = known + [each for each in more if name != "contacts" or each not in known]


def _fits(last: dict[str, Any], change: dict[str, Any]) -> bool:
    return (
        last["field"] == change["field"] == "messages"
        and last["value"]["metadata"] == change["value"]["metadata"]
        and "errors" not in change["value"]
    )


def _wait_after(parcel: Webhook) -> float | None:
    """At once, then after waits that double; nothing but a 200 counts as heard."""
    if parcel.outcomes[-1] == 200:
        return None
    tries = len(parcel.outcomes)
    wait = 0.0 if tries == 1 else min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** (tries - 2))
    object_ = "instagram" if b'"object":"instagram"' in parcel.body[:24] else "whatsapp_business_account"
    return wait if parcel.waited + wait <= GIVE_UP[object_] else None
