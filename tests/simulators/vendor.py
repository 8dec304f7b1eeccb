"""The interface of every simulated vendor: people who write, a ledger of what they were shown, faults by script.

The ledger is the judge of "sent once": an entry is what a person has on the screen, whatever the answer to the request
that put it there was.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

FaultKind = Literal["refuse", "limit", "drop", "lose", "fail_after", "drop_after", "slow", "garbage"]


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to a request instead of, or beside, what it asks for.

    Nothing is done: ``refuse`` (answer ``status``), ``limit`` (the vendor's own 429 with ``retry_after`` seconds),
    ``drop`` (the connection is cut before anything), ``lose`` (a proxy's HTML page with ``status``).
    It is done, and then: ``fail_after`` (answer ``status``), ``drop_after`` (the connection is cut), ``slow`` (the
    answer comes ``seconds`` later), ``garbage`` (the answer is not JSON).
    ``operation`` is the vendor's name for it, such as ``chat.postMessage``; "" is any."""

    kind: FaultKind
    operation: str = ""
    status: int = 500
    retry_after: float = 1.0
    seconds: float = 0.0
    code: str = ""
    """The vendor's own error code, where the answer carries one."""


@dataclass(slots=True)
class Request:
    """One request that the vendor got: ``did`` says whether it was carried out."""

    operation: str
    account: str
    body: Any
    at: float = field(default_factory=time.monotonic)
    status: int = 0
    did: bool = False
    fault: Fault | None = None


@dataclass(slots=True)
class File:
    name: str
    type: str
    data: bytes


@dataclass(slots=True)
class ShownMessage:
    """What a person sees from us. ``text`` as it stands now; ``choices`` are the labels that can be picked. ``marker``
    is our own mark on it (metadata, nonce, tag) where the vendor carries one; ``native`` the vendor's own message."""

    id: str
    account: str
    place: str
    text: str
    choices: list[str] = field(default_factory=list)
    files: list[File] = field(default_factory=list)
    marker: str = ""
    reply_to: str = ""
    at: float = field(default_factory=time.monotonic)
    deleted: bool = False
    streamed: bool = False
    native: Any = None


class Faults:
    """Scripts for requests to come: the first fault that fits is used up by the request that meets it."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self.always: Callable[[Request], Fault | None] = lambda _: None
        """Asked when no scripted fault fits; a seeded storm goes here."""

    def next(self, *faults: Fault) -> None:
        self._waiting.extend(faults)

    def meet(self, request: Request) -> Fault | None:
        for index, fault in enumerate(self._waiting):
            if fault.operation in ("", request.operation):
                request.fault = self._waiting.pop(index)
                return request.fault
        request.fault = self.always(request)
        return request.fault

    def clear(self) -> None:
        """What no request has met is not going to happen."""
        self._waiting.clear()

    @property
    def left(self) -> int:
        return len(self._waiting)


class Ledger:
    """What was asked and what people were shown. Tests wait on conditions over it."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.shown: list[ShownMessage] = []
        self._news = asyncio.Event()

    def note(self, request: Request) -> Request:
        self.requests.append(request)
        self.changed()
        return request

    def show(self, shown: ShownMessage) -> ShownMessage:
        self.shown.append(shown)
        self.changed()
        return shown

    def changed(self) -> None:
        """Wake who waits. Called after every change, also of an entry that is there already."""
        self._news.set()
        self._news = asyncio.Event()

    def at(self, place: str) -> list[ShownMessage]:
        """What is on this place's screen, oldest first."""
        return [each for each in self.shown if each.place == place and not each.deleted]

    async def until(self, true: Callable[[], Any], *, deadline: float = 60) -> Any:
        """Waits until ``true()`` is truthy and returns it. Raises TimeoutError."""
        async with asyncio.timeout(deadline):
            while not (result := true()):
                news = self._news
                # The condition may also look at what is outside the ledger.
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.25):
                        await news.wait()
        return result


class Vendor(Protocol):
    """How the one harness drives any channel. ``person`` is a name of the test's choosing; the vendor gives each an
    identity of its own kind, and a place where they talk to the account. Ids are the vendor's."""

    name: str
    """The channel's name in Parley."""

    ledger: Ledger
    faults: Faults

    def serving(self, port: int = 0) -> AbstractAsyncContextManager[Any]:
        """Listen on loopback; ends every socket on leaving."""

    def settings(self) -> dict[str, Any]:
        """Of a Parley account at this vendor, as they stand under ``channels: NAME: main:`` in parley.yaml, with
        addresses and secrets."""

    def call(self, url: str) -> None:
        """Where webhooks go from now on (``http://127.0.0.1:PORT/v1/webhooks/NAME/TENANT/ACCOUNT``). Vendors that push
        over a socket do nothing here."""

    def place(self, person: str) -> str:
        """Where this person sees our messages: ``Shown.place``."""

    async def say(self, person: str, text: str, *, files: Sequence[File] = (), reply_to: str = "") -> str: ...
    async def edit(self, person: str, message: str, text: str) -> None:
        """Raises NotImplementedError where customers cannot edit on this channel."""

    async def delete(self, person: str, message: str) -> None: ...
    async def react(self, person: str, message: str, emoji: str, *, take_back: bool = False) -> None: ...
    async def choose(self, person: str, shown: ShownMessage, label: str) -> str:
        """Pick a choice of one of our messages in the vendor's native way."""

    async def settled(self, *, deadline: float = 30) -> None:
        """Until every webhook (or socket event) sent so far was accepted, retries included."""

    def redeliver(self, message: str, *, times: int = 1, at_once: bool = False) -> None:
        """Send what announced this message again, as the vendor does when it believes it was not heard."""


@asynccontextmanager
async def all_of(*vendors: Vendor) -> AsyncIterator[None]:
    """Several vendors at once."""
    async with AsyncExitStack() as stack:
        for vendor in vendors:
            await stack.enter_async_context(vendor.serving())
        yield
