"""The Lua scripts: one per transition, read once from ``infra/state/lua`` and called by their hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from infra.state.redis.rebuild.schema import VERSION, Migration

_FOLDER = files("infra.state") / "lua"
_UNCHECKED = frozenset(
    {
        "lease_acquire",
        "lease_release",
        "lease_save_note",
        "lease_read_note",
        "prepare_rebuild",
        "finish_rebuild",
        "save_checkpoint",
        "read_schema_version",
        "check_primary",
        "read_hash_fields",
    }
)
"""Scripts that run whatever the state of the shard, or look at it themselves."""
_CREATING = frozenset({"begin_conversation", "open_conversation"})
_WITH_LINES = frozenset(
    {
        "begin_conversation",
        "record_delivery",
        "transcript_add",
        "transcript_read",
        "retention_look",
        "retention_read",
    }
)
_REMOVING = frozenset({"retention_read", "retention_remove"})
_SETTLING = frozenset({"journal_record", "restore_settled"})
_BUNDLED = frozenset(
    f"restore_{what}" for what in ("message", "delivery", "parked", "value", "intended", "settled", "count")
)
_ALSO_RESTORE = (
    "access_token_put", "contact_find", "contact_get", "contact_key_put", "contact_put", "get_conversation",
    "letter_add", "transcript_find",
)  # fmt: skip
"""Scripts of normal operation that a rebuild uses too, under the name ``restore_…``."""


@dataclass(frozen=True, slots=True)
class Script:
    name: str
    source: str
    sha: str


_DROP_GUARD = "KEYS[#KEYS] = nil\n"


@cache
def scripts(*, guarded: bool = False) -> dict[str, Script]:
    """Every script by name, preceded by the pieces of ``includes`` that its kind needs. ``guarded``: each call names
    one key more than the script uses, the last one; see ``Shards.guard``."""
    sources, includes = _read_folder(_FOLDER), _read_folder(_FOLDER / "includes")
    sources |= {f"restore_{name}": sources[name] for name in _ALSO_RESTORE}
    start = _DROP_GUARD if guarded else ""
    return {name: _make_script(name, start + _assemble(name, source, includes)) for name, source in sources.items()}


def _read_folder(folder: Traversable) -> dict[str, str]:
    entries = (entry for entry in folder.iterdir() if entry.name.endswith(".lua"))
    return {entry.name.removesuffix(".lua"): entry.read_text() for entry in entries}


def _assemble(name: str, source: str, includes: dict[str, str]) -> str:
    own = (includes["settle_action"] if name in _SETTLING else "") + source
    if name in _UNCHECKED:
        whole = own
    elif name.startswith("restore"):
        whole = includes["restore_head"] + own + (includes["restore_each"] if name in _BUNDLED else "")
    else:
        whole = includes["shard_head"] + (includes["create_conversation"] if name in _CREATING else "")
        whole += includes["transcript_lines"] if name in _WITH_LINES else ""
        whole += (includes["awaited_work"] if name in _REMOVING else "") + own
    return whole.replace("@SCHEMA@", str(VERSION))


def migration(step: Migration, *, guarded: bool = False) -> Script:
    """The script that takes one migration step on one shard."""
    own = (_FOLDER / f"{step.script}.lua").read_text() if step.script else ""
    source = (_FOLDER / "includes" / "migrate_shard.lua").read_text()
    start = _DROP_GUARD if guarded else ""
    return _make_script(f"migrate_{step.version}", start + source.replace("@STEP@", own))


def _make_script(name: str, source: str) -> Script:
    return Script(name, source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())
