"""Keys of contacts as they are stored: each wrapped by the installation's secret key, or erased."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from schemas.messages import WireModel

Stage = Literal["made", "kept", "erased"]
"""The stage of a key: ``made`` is in the state store alone and must not be used yet; ``kept`` is also on the log, so
that a rebuild restores it; ``erased`` is gone for good."""
SEALED = "application/vnd.parley.sealed"
"""The content type of a payload that is sealed under the key of a contact. Data of a release before contact keys has
the content type of JSON, and stays readable."""
_STAGES: tuple[Stage, ...] = ("made", "kept", "erased")


class ContactKey(WireModel):
    """``parley.contact.key.v1``: the key of everything that is said by, to or about one contact. ``wrapped`` is
    encrypted (base64), and empty once the key is erased.

    ``generation`` is higher for each later key of a contact: somebody who writes again after an erasure gets the next
    one, and ``said_after`` is the time of that erasure. ``revision`` counts the changes of the same key. ``key_id``
    names the secret that wraps it. ``retired_at``: the time at which retention began to remove the key; whoever seals
    with it after that keeps it."""

    tenant: str
    contact_id: str
    generation: int = 1
    revision: int = 0
    stage: Stage = "kept"
    wrapped: str = ""
    key_id: str = ""
    created_at: datetime
    erased_at: datetime | None = None
    said_after: datetime | None = None
    retired_at: datetime | None = None

    @property
    def rank(self) -> str:
        """A text that sorts after that of every record which this one replaces. All have the same length."""
        return f"{self.generation:08d}{_STAGES.index(self.stage)}{self.revision:08d}"

    def is_forgotten(self, said_at: datetime | None) -> bool:
        """Tell whether something that was said then, or is no message at all, is forgotten with an earlier erasure."""
        if self.erased_at is not None:
            return said_at is None or said_at <= self.erased_at
        return self.said_after is not None and said_at is not None and said_at <= self.said_after

    def erase(self, now: datetime) -> ContactKey:
        """Return the record that remains of an erased key."""
        changes = {"stage": "erased", "wrapped": "", "key_id": "", "erased_at": now, "retired_at": None}
        return self.model_copy(update=changes)

    def retire(self, at: datetime | None) -> ContactKey:
        """Return the key as retention begins to remove it; with None, as somebody uses it again."""
        return self.model_copy(update={"retired_at": at, "revision": self.revision + 1})
