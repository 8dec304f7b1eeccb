"""The files of the console: a style sheet, a script and an icon."""

from __future__ import annotations

import functools
from importlib.resources import files

from gateway.http.static_files import StaticFile

MEDIA_TYPES = {"console.css": "text/css", "console.js": "text/javascript", "icon.svg": "image/svg+xml"}


@functools.cache
def load_assets() -> dict[str, StaticFile]:
    folder = files(__name__)
    return {name: StaticFile.from_bytes((folder / name).read_bytes(), kind) for name, kind in MEDIA_TYPES.items()}


def build_url(name: str) -> str:
    """Build a URL that changes with the content, so that browsers may cache the file."""
    return f"/console/assets/{name}?v={load_assets()[name].etag}"
