"""Slack's ids and timestamps from a seeded generator, so that a run can be repeated."""

from __future__ import annotations

import random
import string
import uuid
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
ALPHABET = string.ascii_uppercase + string.digits


class Ids:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._last = 0

    def new(self, prefix: str, length: int = 10) -> str:
        return prefix + "".join(self._random.choices(ALPHABET, k=length))

    def secret(self, prefix: str = "", length: int = 32) -> str:
        return prefix + "".join(self._random.choices(string.hexdigits[:16], k=length))

    def uuid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def ts(self, now: float) -> str:
        """A message's timestamp. It is its id as well, so no two are alike, and later ones sort later."""
        self._last = max(int(now * 1_000_000), self._last + 1)
        return f"{self._last // 1_000_000}.{self._last % 1_000_000:06d}"

    def choice(self, among: Sequence[T]) -> T:
        return self._random.choice(among)

    def shuffle(self, what: list[T]) -> None:
        self._random.shuffle(what)
