"""The actions that wait until another one is done, and the arguments that they take over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from agent_worker.actions.one_time_codes import SEND
from schemas.actions import Filling, QueuedAction
from schemas.ports import ActionOffer


def without_none(given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments without the parameters that need not be given."""
    return {name: value for name, value in given.items() if value is not None}


def add_given(
    then: Sequence[QueuedAction], offer_of: Callable[[str], ActionOffer | None], given: Mapping[str, Any]
) -> list[QueuedAction]:
    """The queue; its first action also gets what was stated for the code that it needs, which is newer."""
    first = offer_of(then[0].action) if then else None
    if first is None:
        return list(then)
    fitting = {name: value for name, value in given.items() if name in first.parameters.get("properties", {})}
    return [then[0].model_copy(update={"given": {**then[0].given, **fitting}}), *then[1:]]


def correct_first(filling: Filling, found: Mapping[str, Any], now: datetime) -> Filling | None:
    """The first action of the queue in place of the open one, if ``found`` changes one of its arguments."""
    first, given = filling.then[0], filling.then[0].given
    if not any(name in given and given[name] != value for name, value in found.items()):
        return None
    start = {"action": first.action, "given": {**given, **found}, "asked": "", "misunderstood": 0}
    return filling.model_copy(update={**start, "then": filling.then[1:], "at": now})


def queue_behind_check(filling: Filling | None) -> list[QueuedAction]:
    """The open action and those behind it, for when a code was checked first."""
    if filling is None:
        return []
    own = QueuedAction(action=filling.action, given=filling.given, alternatives=filling.alternatives)
    return [own, *filling.then] if filling.action != SEND else list(filling.then)
