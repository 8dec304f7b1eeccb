"""What a connection may be asked beside sending: who somebody is, and whether the account is as it should be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from schemas.messages import Address


@dataclass(frozen=True, slots=True)
class Profile:
    """What a vendor says somebody is called. ``locale`` as BCP 47 has it, empty where nothing is said."""

    name: str
    locale: str = ""


@runtime_checkable
class Profiled(Protocol):
    """A channel whose messages do not say what their author is called; its connections are Profilers."""

    def known_by(self, addresses: Sequence[Address]) -> Address | None:
        """Which of a contact's addresses the vendor can be asked about. Pure."""


@runtime_checkable
class Profiler(Protocol):
    """A connection that can ask the vendor what somebody is called."""

    async def profile(self, address: Address) -> Profile | None:
        """None where the vendor says nothing of them: nobody there, no consent. Raises SendDelayed (ask later),
        CredentialsRevoked (nothing of this kind is said to this account)."""


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing a vendor says about an account; ``fix`` says what to do about it."""

    status: Literal["ok", "warn", "fail"]
    detail: str
    fix: str = ""


@runtime_checkable
class Inspectable(Protocol):
    """A connection that can ask the vendor whether the account is set up as it must be."""

    async def inspect(self) -> list[Remark]:
        """Shows nothing to anybody. Raises a DeliveryError when the vendor cannot be asked."""
