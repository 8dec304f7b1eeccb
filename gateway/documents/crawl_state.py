"""What sources note between two readings of their places, beside the configuration's other data."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from gateway.documents.locations import Place
from gateway.documents.published import write_aside


class Reading(BaseModel):
    """``under``: a hash of how the place was configured then; under another configuration its documents may have to be
    others. ``hashes``: its documents as they were published; ``noted``: what the source noted for itself."""

    under: str = ""
    hashes: dict[str, str] = {}
    noted: dict[str, Any] = {}


class Memory:
    """May be lost at any time: then everything is read anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._readings: dict[str, Any] = dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            self._readings = {}

    def of(self, place: Place) -> Reading:
        said = json.dumps([place.visibility, place.language, sorted(place.options.items())], default=str)
        under = hashlib.sha256(said.encode()).hexdigest()  # options may be secrets
        try:
            found = Reading.model_validate(self._readings.get(place.label, {}))
        except ValidationError:
            found = Reading()
        return found if found.under == under else Reading(under=under)

    def keep(self, place: Place, reading: Reading) -> None:
        self._readings[place.label] = reading.model_dump(mode="json")

    def save(self) -> None:
        # A command may run where it must not write.
        with contextlib.suppress(OSError):
            write_aside(self._path, self._readings)
