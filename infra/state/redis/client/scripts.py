"""The Lua scripts: one per transition, read once from ``infra/state/lua`` and called by their hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from infra.state.redis.rebuild.schema import VERSION, Migration

_UNGUARDED = frozenset({"lease", "release", "leave", "note", "prepare", "finish", "schema_of"})
_FRAGMENTS = frozenset({"head", "create", "lines", "settle", "restore_head", "restore_each", "migrate"})
_CREATING = frozenset({"begin", "open"})
_WITH_LINES = frozenset({"begin", "transcript_add", "transcript_read"})
_SETTLING = frozenset({"journal_record", "restore_settled"})
_BUNDLED = frozenset(
    f"restore_{what}" for what in ("message", "delivery", "parked", "value", "intended", "settled", "count")
)
_ALSO_RESTORE = ("contact_find", "contact_get", "contact_put")
"""Scripts of normal operation that a rebuild uses too, under the name ``restore_…``."""


@dataclass(frozen=True, slots=True)
class Script:
    name: str
    source: str
    sha: str


@cache
def scripts() -> dict[str, Script]:
    """Every script by name, preceded by the check of the shard's head that its kind needs."""
    folder = files("infra.state") / "lua"
    sources = {
        entry.name.removesuffix(".lua"): entry.read_text() for entry in folder.iterdir() if entry.name.endswith(".lua")
    }
    sources |= {f"restore_{name}": sources[name] for name in _ALSO_RESTORE}
    return {name: _script(name, sources) for name in sources if name not in _FRAGMENTS}


def _script(name: str, sources: dict[str, str]) -> Script:
    own = (sources["settle"] if name in _SETTLING else "") + sources[name]
    if name in _UNGUARDED:
        source = own
    elif name.startswith("restore"):
        source = sources["restore_head"] + own + (sources["restore_each"] if name in _BUNDLED else "")
    else:
        source = sources["head"] + (sources["create"] if name in _CREATING else "")
        source += (sources["lines"] if name in _WITH_LINES else "") + own
    return _make_script(name, source.replace("@SCHEMA@", str(VERSION)))


def migration(step: Migration) -> Script:
    """The script that takes one migration step on one shard."""
    folder = files("infra.state") / "lua"
    own = (folder / f"{step.script}.lua").read_text() if step.script else ""
    return _make_script(f"migrate_{step.version}", (folder / "migrate.lua").read_text().replace("@STEP@", own))


def _make_script(name: str, source: str) -> Script:
    return Script(name, source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())
