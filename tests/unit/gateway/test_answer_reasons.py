"""The console shows why the agent answered as it did."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from gateway.console.pages.transcript import TranscriptView
from gateway.storage.attachments import AttachmentService
from schemas.conversation import ActionRecord, Turn
from schemas.messages import Author, TranscriptMessage

NO_FILES = cast(AttachmentService, None)
AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def render_reasons(**fields: Any) -> str:
    line = TranscriptMessage(id="m", author=Author(kind="contact"), text="Hello", created_at=AT)
    return TranscriptView(NO_FILES).render("shop", [line], [Turn(id="t", handled=["m"], at=AT, **fields)])


@pytest.mark.parametrize(
    ("route", "outcome", "said"),
    [
        ("person", "person", "Why: person"),
        ("person", "declined", "Why: person, declined"),
        ("local", "answer", "Why: local, answer"),
        ("local", "", "Why: local"),
    ],
)
def test_route_and_outcome_are_named_once(route: str, outcome: str, said: str) -> None:
    assert f"<summary>{said}</summary>" in render_reasons(route=route, outcome=outcome)


def test_an_action_is_shown_by_its_title_and_its_name() -> None:
    """One of an older release has no title."""
    new = ActionRecord(name="refund_order", title="Refund an order", outcome="succeeded")
    assert "Refund an order (refund_order)" in render_reasons(route="local", actions=[new])
    assert "<dd>refund_order</dd>" in render_reasons(route="local", actions=[new.model_copy(update={"title": ""})])
