"""The actions that wait until another one is done, and the arguments that they take over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    """The queue; its first action also gets what was stated for the code that it needs."""
    first = offer_of(then[0].action) if then else None
    if first is None:
        return list(then)
    fitting = {name: value for name, value in given.items() if name in first.parameters.get("properties", {})}
    return [then[0].model_copy(update={"given": {**fitting, **then[0].given}}), *then[1:]]


def queue_behind_check(filling: Filling | None) -> list[QueuedAction]:
    """The open action and those behind it, for when a code was checked first."""
    if filling is None:
        return []
    own = [QueuedAction(action=filling.action, given=filling.given)] if filling.action != SEND else []
    return [*own, *filling.then]
