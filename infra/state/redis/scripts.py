"""The Lua scripts: one a transition, read once from ``infra/state/lua`` and called by their hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_UNGUARDED = frozenset({"lease", "release", "leave", "note", "prepare", "finish"})
_FRAGMENTS = frozenset({"head", "create", "lines", "restore_head", "restore_each"})
_CREATING = frozenset({"begin", "open"})
_WITH_LINES = frozenset({"begin", "transcript_add", "transcript_read"})
_BUNDLED = frozenset({"restore_message", "restore_delivery", "restore_parked", "restore_value"})
_ALSO_RESTORE = ("contact_find", "contact_get", "contact_put")
"""Scripts of normal work that a rebuild uses too, under the name ``restore_…``."""


@dataclass(frozen=True, slots=True)
class Script:
    name: str
    source: str
    sha: str


@cache
def scripts() -> dict[str, Script]:
    """Every script by name, each with the check of the shard's head in front that its kind needs."""
    folder = files("infra.state") / "lua"
    sources = {
        entry.name.removesuffix(".lua"): entry.read_text() for entry in folder.iterdir() if entry.name.endswith(".lua")
    }
    sources |= {f"restore_{name}": sources[name] for name in _ALSO_RESTORE}
    return {name: _script(name, sources) for name in sources if name not in _FRAGMENTS}


def _script(name: str, sources: dict[str, str]) -> Script:
    if name in _UNGUARDED:
        source = sources[name]
    elif name.startswith("restore"):
        source = sources["restore_head"] + sources[name] + (sources["restore_each"] if name in _BUNDLED else "")
    else:
        source = sources["head"] + (sources["create"] if name in _CREATING else "")
        source += (sources["lines"] if name in _WITH_LINES else "") + sources[name]
    return Script(name, source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())
