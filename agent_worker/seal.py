"""From when on a turn can no longer begin again (design §7)."""

from __future__ import annotations

import asyncio

from agent_worker.fold import Fold
from agent_worker.interruption import Interruption
from agent_worker.settings import FoldRules
from schemas.errors import Fenced, Unavailable

GIVEN_UP = 5.0
"""Seconds in which a turn that begins again ends what it was doing."""


async def seal(fold: Fold, interruption: Interruption, rules: FoldRules) -> None:
    """To be awaited before the first write of a turn: messages that have arrived are read first, those that arrive from
    then on wait for the next turn. Raises Unavailable when another process is to go on."""
    if fold.sealed:
        return
    if fold.batch.hurry.is_set():
        raise Unavailable("the partition moves on; its next owner acts")
    if fold.batch.arrived.is_set() and fold.may_restart(rules):
        interruption.ring()
        await asyncio.sleep(GIVEN_UP)
        raise Fenced("messages arrived before the first write of the turn")
    fold.sealed = True
