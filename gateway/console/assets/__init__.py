"""The files of the console: one style sheet, one script, one icon, served as they are written."""

from __future__ import annotations

import functools
from importlib.resources import files

from gateway.webchat.page import File

KINDS = {"console.css": "text/css", "console.js": "text/javascript", "icon.svg": "image/svg+xml"}


@functools.cache
def found() -> dict[str, File]:
    folder = files(__name__)
    return {name: File.of((folder / name).read_bytes(), kind) for name, kind in KINDS.items()}


def address(name: str) -> str:
    """Names the content too, so that browsers keep it until it changes."""
    return f"/console/assets/{name}?v={found()[name].tag}"
