"""The state of each source between two syncs."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError

from gateway.documents.document_sources import DocumentSource
from gateway.documents.document_store import write_atomically


class CrawlState(BaseModel):
    """The state of one source after a sync. It only holds for the settings with the hash ``under``.

    ``hashes``: document id → hash of what was published. ``noted``: notes of the code that reads the source."""

    under: str = ""
    hashes: dict[str, str] = {}
    noted: dict[str, Any] = {}


class CrawlStates(Protocol):
    """The states of sources. What is ``set`` counts for the next sync once it was saved."""

    def state_of(self, source: DocumentSource) -> CrawlState: ...
    def set_state(self, source: DocumentSource, state: CrawlState) -> None: ...
    async def save(self) -> None: ...


def restore_state(stored: object, source: DocumentSource) -> CrawlState:
    """The stored state, or an empty one if it is of other settings or cannot be read."""
    settings = json.dumps([source.visibility, source.language, sorted(source.options.items())], default=str)
    under = hashlib.sha256(settings.encode()).hexdigest()  # a hash, because options may be secrets
    try:
        state = CrawlState.model_validate(stored)
    except ValidationError:
        state = CrawlState()
    return state if state.under == under else CrawlState(under=under)


class CrawlStateStore:
    """The states of all sources of a tenant in a file. If it is lost, everything is read again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._states: dict[str, Any] = dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            self._states = {}

    def state_of(self, source: DocumentSource) -> CrawlState:
        return restore_state(self._states.get(source.label, {}), source)

    def set_state(self, source: DocumentSource, state: CrawlState) -> None:
        self._states[source.label] = state.model_dump(mode="json")

    async def save(self) -> None:
        # A command may run without permission to write here.
        with contextlib.suppress(OSError):
            write_atomically(self._path, self._states)
