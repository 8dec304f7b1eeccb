"""The state of each source between two syncs, in a file of the data folder."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from gateway.documents.document_sources import DocumentSource
from gateway.documents.document_store import write_atomically


class CrawlState(BaseModel):
    """The state of one source after a sync. It only holds for the settings with the hash ``under``.

    ``hashes``: document id → hash of what was published. ``noted``: notes of the code that reads the source."""

    under: str = ""
    hashes: dict[str, str] = {}
    noted: dict[str, Any] = {}


class CrawlStateStore:
    """The states of all sources of a tenant. If the file is lost, everything is read again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._states: dict[str, Any] = dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            self._states = {}

    def state_of(self, source: DocumentSource) -> CrawlState:
        settings = json.dumps([source.visibility, source.language, sorted(source.options.items())], default=str)
        under = hashlib.sha256(settings.encode()).hexdigest()  # a hash, because options may be secrets
        try:
            state = CrawlState.model_validate(self._states.get(source.label, {}))
        except ValidationError:
            state = CrawlState()
        return state if state.under == under else CrawlState(under=under)

    def set_state(self, source: DocumentSource, state: CrawlState) -> None:
        self._states[source.label] = state.model_dump(mode="json")

    def save(self) -> None:
        # A command may run without permission to write here.
        with contextlib.suppress(OSError):
            write_atomically(self._path, self._states)
