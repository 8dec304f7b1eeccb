"""The interface of simulated customers: what every channel's tests need beyond ``tests.simulators.vendor.Vendor``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar

from schemas import ids
from tests.simulators.vendor import ShownMessage, Vendor


class Customers:
    """Of one account. A new channel adds one of these, and no scenario.

    ``send``: the vendor's name for the request that shows a message, for faults. ``cannot``: scenarios that cannot
    happen there, by name, each with its reason."""

    channel: ClassVar[str]
    account: ClassVar[str] = "main"
    send: ClassVar[str]
    cannot: ClassVar[Mapping[str, str]] = {}
    sure: ClassVar[bool] = True
    """Whether what was not shown is always known not to be, so that it is sent again; else it may be left to people,
    and is not doubled."""
    over_socket: ClassVar[bool] = False
    """Whether the vendor tells what they do over a connection of ours, and until there is one tells nothing."""
    vendor: Any

    @classmethod
    def name(cls) -> str:
        return cls.channel if cls.account == "main" else f"{cls.channel}-{cls.account}"

    @property
    def hook(self) -> str:
        """What stands behind the address of the webhook."""
        return ""

    def place(self, person: str) -> str:
        """Parley's word for where they write."""
        raise NotImplementedError

    def places(self, person: str) -> list[str]:
        """Whichever of them is told first names the conversation."""
        return [self.place(person)]

    def conversations(self, tenant: str, person: str) -> list[str]:
        """What Parley may call theirs."""
        return [ids.conversation_id(tenant, self.channel, self.account, place) for place in self.places(person)]

    def screen(self, person: str) -> list[ShownMessage]:
        vendor: Vendor = self.vendor
        return vendor.ledger.at(vendor.place(person))

    async def choose(self, person: str, shown: ShownMessage, label: str) -> None:
        """Raises Undelivered if the vendor tells this person that nobody heard."""
        await self.vendor.choose(person, shown, label)

    def hear_again(self, shown: ShownMessage) -> None:
        """The vendor tells of our own message whatever it can, several times."""
        raise NotImplementedError

    def bot_says(self, text: str) -> str:
        """Another program writes where we read; where an answer would be seen."""
        raise NotImplementedError

    def revoke(self) -> None:
        """Our token no longer works."""
        raise NotImplementedError

    def restore(self) -> None:
        raise NotImplementedError

    def backwards(self) -> AbstractAsyncContextManager[None]:
        """Two things that happen inside are told in the other order."""
        raise NotImplementedError

    def beside_text(self, person: str) -> list[tuple[Callable[[], Any], str, str]]:
        """What this person can send that is neither text nor file: how, a part of the answer, and which field of the
        transcript has it."""
        raise NotImplementedError

    async def batch(
        self, said: Sequence[tuple[str, str]], shown: Sequence[tuple[str, ShownMessage]], notes: int
    ) -> None:
        """One request: what these people say, so many notes about what they were shown, and one malformed update in
        the middle."""
        raise NotImplementedError
