"""Rules for the journal of actions that every state store shares. Pure."""

from __future__ import annotations

from datetime import timedelta

from schemas.actions import ActionSettled
from schemas.conversation import HANDLED_HORIZON_DAYS

HORIZON = timedelta(days=HANDLED_HORIZON_DAYS)
COUNTED = timedelta(days=2)
"""Time for which the counts of a day are kept: past its end, whatever the clocks say."""


def replaces_outcome(old: ActionSettled | None, new: ActionSettled) -> bool:
    """Return whether ``record`` writes ``new``."""
    return old is None or (old.outcome == "unknown" and (new.outcome != "unknown" or new.resolved))


def stays_due(old: ActionSettled | None, new: ActionSettled) -> bool:
    """Return whether the entry stays unresolved after ``record``, if it was before."""
    return not new.resolved and (new.outcome == "unknown" or old is not None)
