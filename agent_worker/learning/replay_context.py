"""The turn that is being replayed: answers what the turn asks from outside as it was answered before.

It follows the turn as a context variable, because many turns are replayed at once with the same services."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from schemas.messages import Attachment
from schemas.turn_recording import CallKind, RecordedCall, RecordedRequest, TurnRecording

NOT_RECORDED = "not recorded"
"""The answer to a call that was not made before."""


@dataclass(slots=True)
class TurnReplay:
    """``channel``: of the conversation. ``files``: those that the turn can see, by id. ``divergence``: the first call
    that was not recorded, empty if there was none."""

    recording: TurnRecording
    channel: str
    files: Mapping[str, Attachment] = field(default_factory=dict)
    divergence: str = ""
    _calls: dict[tuple[str, str, str], deque[RecordedCall]] = field(default_factory=lambda: defaultdict(deque))
    _requests: dict[str, deque[RecordedRequest]] = field(default_factory=lambda: defaultdict(deque))

    def __post_init__(self) -> None:
        for call in self.recording.calls:
            self._calls[call.kind, call.action, call.digest].append(call)
        for exchange in self.recording.exchanges:
            self._requests[exchange.request].append(exchange)

    def take_call(self, kind: CallKind, action: str, digest: str) -> RecordedCall | None:
        """The recorded call with these arguments. Each counts once, except that the last one stays."""
        return _take(self._calls.get((kind, action, digest)))

    def has_call(self, kind: CallKind, action: str) -> bool:
        return any(call.kind == kind and call.action == action for call in self.recording.calls)

    def take_request(self, request: str) -> RecordedRequest | None:
        """The recorded answer to exactly this request."""
        return _take(self._requests.get(request))

    def note_divergence(self, what: str) -> None:
        self.divergence = self.divergence or what


Item = TypeVar("Item")


def _take(queue: deque[Item] | None) -> Item | None:
    if not queue:
        return None
    return queue.popleft() if len(queue) > 1 else queue[0]


_replay: ContextVar[TurnReplay | None] = ContextVar("turn_replay", default=None)


@contextmanager
def replay_turn(recording: TurnRecording, channel: str) -> Iterator[TurnReplay]:
    """Answer what the block asks from outside as this recording has it."""
    replay = TurnReplay(recording, channel)
    token = _replay.set(replay)
    try:
        yield replay
    finally:
        _replay.reset(token)


def current_replay() -> TurnReplay | None:
    """The replayed turn, None in a worker."""
    return _replay.get()


def recorded_clock() -> datetime:
    """The time of the replayed turn."""
    replay = _replay.get()
    return datetime.now(UTC) if replay is None else replay.recording.clock
