"""The parts of a turn show in its trace, each under its cause."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from schemas.runtime import tracing
from tests.unit.agent_worker.actions.shop import Shop


@dataclass
class Recorder:
    """Implements schemas.runtime.tracing.Tracer: which span ran inside which."""

    running: list[str] = field(default_factory=lambda: [""])
    inside: list[tuple[str, str]] = field(default_factory=list)
    attributes: dict[str, tracing.Value] = field(default_factory=dict)

    @contextmanager
    def span(
        self, name: str, parent: str, kind: tracing.Kind, attributes: Mapping[str, tracing.Value]
    ) -> Iterator[Recorder]:
        self.inside.append((self.running[-1], name))
        self.attributes |= attributes
        self.running.append(name)
        try:
            yield self
        finally:
            self.running.pop()

    def set(self, name: str, value: tracing.Value) -> None:
        self.attributes[name] = value

    def link(self, traceparents: Iterable[str]) -> None: ...

    def traceparent(self) -> str:
        return ""


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    made = Recorder()
    tracing.install(made)
    yield made
    tracing.install(None)


async def test_the_call_of_an_action_is_a_span_inside_the_turn(shop: Shop, recorder: Recorder) -> None:
    pending = await shop.ask()
    assert ("turn", "retrieve") in recorder.inside
    assert ("turn", "answer") in recorder.inside
    recorder.inside.clear()
    await shop.hear(shop.yes(pending))
    assert ("act", "action") in recorder.inside
    assert ("turn", "act") in recorder.inside
    assert recorder.attributes["parley.action"] == "refund"
    assert "A-1001" not in str(recorder.attributes), "spans name what was done, never to what"
