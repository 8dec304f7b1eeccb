"""Fair shares of what is scarce: turns go by tenant, then channel, account, party and item.

A party is whoever could flood the others on an account: all visitors at one network address, a workspace, a server, or
else one conversation. Channels name theirs in a header, so that every process shares by it, also after a restart.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from sys import intern
from typing import Any, Generic, TypeVar

PARTY_HEADER = "ce_party"
Party = tuple[str, str, str, str]
"""Tenant, channel, account, and the party among those who write to the account."""
T = TypeVar("T")


def party_of(headers: Mapping[str, str], conversation: str) -> Party:
    """The party of a record: the one that its channel named, or the conversation."""
    get = headers.get
    return (
        intern(get("ce_tenant", "")),
        intern(get("ce_channel", "")),
        intern(get("ce_account", "")),
        get(PARTY_HEADER) or conversation,
    )


def waiting_key(party: Party) -> str:
    """The key under which the limiter counts a party's unanswered messages."""
    return ":".join(("waiting", *party))


class FairRotation(Generic[T]):
    """Waiting items, each under a path such as a Party. At each level of the path those that wait take turns, whatever
    the length of their queues; items with the same path keep their order. All paths have the same length."""

    def __init__(self) -> None:
        self._root: OrderedDict[Hashable, Any] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Any]:
        """The first parts of the paths, in the order of their turns."""
        return iter(self._root)

    def __contains__(self, first: object) -> bool:
        return first in self._root

    def put(self, path: Sequence[Hashable], item: T) -> None:
        level = self._root
        for key in path[:-1]:
            level = level.setdefault(key, OrderedDict())
        level.setdefault(path[-1], deque()).append(item)
        self._count += 1

    def take(self, first: Hashable) -> T:
        """Remove and return the next item whose path begins with ``first``. Its relatives come last from now on."""
        self._count -= 1
        taken: T = _take(self._root, first)
        return taken

    def remove(self, leaving: Callable[[T], bool]) -> None:
        """Remove the items for which ``leaving`` is true."""
        self._count -= _remove(self._root, leaving)


def _take(level: OrderedDict[Hashable, Any], key: Hashable) -> Any:
    below = level.pop(key)
    item = below.popleft() if isinstance(below, deque) else _take(below, next(iter(below)))
    if below:
        level[key] = below
    return item


def _remove(level: OrderedDict[Hashable, Any], leaving: Callable[[Any], bool]) -> int:
    removed = 0
    for key, below in list(level.items()):
        if isinstance(below, deque):
            staying = [item for item in below if not leaving(item)]
            removed += len(below) - len(staying)
            below = level[key] = deque(staying)
        else:
            removed += _remove(below, leaving)
        if not below:
            del level[key]
    return removed
