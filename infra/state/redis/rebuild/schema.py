"""The schema version of the state in Redis, and the steps from each version to the next.

The head of every shard carries the version (``schema``; none is the first), and every script compares it with its own
before it reads anything. So no process works on keys of another version, whenever that changes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Migration:
    """One step, run on each shard. ``script`` names the Lua script (``infra/state/lua``) that takes it, whose keys are
    the shard's head and the start of the shard's keys; empty: nothing stored changes but the version."""

    version: int
    name: str
    script: str = ""


MIGRATIONS = (Migration(1, "the keys of the first version"),)
"""In order, without gaps. A released step is never changed. To change what keys hold, append one."""

VERSION = MIGRATIONS[-1].version
