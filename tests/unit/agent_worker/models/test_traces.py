"""The trace of a model call shows tokens and failures, never what people wrote."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import pytest
from structlog.testing import capture_logs

from schemas.runtime import tracing
from schemas.runtime.tracing import Kind, Value
from tests.simulators.models.server import Script
from tests.unit.agent_worker.models.conftest import Asking, LadderClient, Provider
from tests.unit.agent_worker.models.test_tool_calls import Shop, calls

SECRET = "My password is hunter2, where is A-17?"


class Recorder:
    """Implements schemas.runtime.tracing.Tracer and Span: what was recorded, by span."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Value]] = []

    @contextmanager
    def span(self, name: str, parent: str, kind: Kind, attributes: Mapping[str, Value]) -> Iterator[Recorder]:
        self.seen.append({"name": name, "kind": kind, **attributes})
        yield self

    def set(self, name: str, value: Value) -> None:
        self.seen[-1][name] = value

    def link(self, traceparents: Iterable[str]) -> None: ...

    def traceparent(self) -> str:
        return ""


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    made = Recorder()
    tracing.install(made)
    yield made
    tracing.install(None)


async def test_each_request_is_a_span_with_its_tokens(asking: Asking, recorder: Recorder) -> None:
    """Two steps, two spans; together they are what the turn is charged for."""
    asker: LadderClient = asking(may_act=True)
    asker.server.next_scripts = [calls("order_status", order="A-17")]
    draft = await asker.ask(SECRET, offers=Shop().offers)
    assert [(span["name"], span["kind"], span["gen_ai.request.model"]) for span in recorder.seen] == [
        ("model", "client", "remote"),
        ("model", "client", "remote"),
    ]
    tokens = [int(span[f"gen_ai.usage.{side}_tokens"]) for span in recorder.seen for side in ("input", "output")]
    assert sum(tokens) == draft.tokens > 0
    assert "hunter2" not in str(recorder.seen)


FAILURES = [
    Script(status=429),
    Script("garbage"),
    Script("cut", sentences=1),
    Script(text="Your password is hunter2 [1]."),
    Script(calls=(("order_status", '{"order": "hunter2'),)),
    Script(calls=(("hunter2", "{}"),)),
]


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google"])
async def test_no_failure_logs_what_people_wrote(
    asking: Asking, provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither our own lines nor those of the providers' clients."""
    caplog.set_level(logging.INFO)
    asker: LadderClient = asking(provider=provider, may_act=True)
    for script in FAILURES:
        asker.server.script = script
        with capture_logs() as ours:
            assert (await asker.ask(SECRET, offers=Shop().offers)).model == "local"
        assert ours, "it was logged"
        assert "hunter2" not in str(ours)
        assert "heat pack" not in str(ours)
    assert "hunter2" not in caplog.text
    assert "heat pack" not in caplog.text
