"""A secret that can be replaced while the installation runs: the current key, and other keys that are accepted."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BeforeValidator, SecretStr, WithJsonSchema


class KeyRing(SecretStr):
    """Keys in the order of the configuration. The first one is current: it signs, and it is sent to vendors. All of
    them are accepted.

    The configuration writes several keys as a list, or one per line in a file. A ring is renewed in place, so whoever
    uses it asks for its keys every time and keeps none."""

    def __init__(self, secret_value: str = "") -> None:
        super().__init__(secret_value)
        self._ring = _split(secret_value)

    def get_secret_value(self) -> str:
        """The current key; empty if there is none."""
        return self._ring[0] if self._ring else ""

    @property
    def keys(self) -> tuple[str, ...]:
        """All keys that are accepted, the current one first."""
        return self._ring

    def matches(self, given: str) -> bool:
        """Whether a text is one of the keys. Takes the same time for each text of the same length."""
        return is_any(given, self._ring)

    def renew(self, other: KeyRing) -> bool:
        """Take over the keys of another ring, and return whether that changes anything."""
        is_changed = self._ring != other.keys
        self._ring = other.keys
        return is_changed


def is_any(given: str, expected: Iterable[str]) -> bool:
    """Whether a text equals one of others, which are all compared, each in constant time."""
    text = given.encode("utf-8", "surrogatepass")
    return True in [hmac.compare_digest(text, each.encode("utf-8", "surrogatepass")) for each in expected]


def _split(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _join(value: Any) -> Any:
    """One text for a list. An element may be empty, such as a variable without a value."""
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return "\n".join(value)
    return value


_SECRET_SCHEMA = {"type": "string", "format": "password", "writeOnly": True}
Keys = Annotated[
    KeyRing,
    BeforeValidator(_join),
    WithJsonSchema({"anyOf": [_SECRET_SCHEMA, {"type": "array", "items": _SECRET_SCHEMA}]}),
]
"""The type of a setting that holds a key ring."""
