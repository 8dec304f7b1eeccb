"""Logs hold ids and no content; metrics have exactly the names and labels others rely on."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from infra.telemetry import PrometheusMetrics, set_up_logging
from schemas.errors import Unavailable
from schemas.runtime.tracing import LogContext

NAMES = {
    "parley_inbound_total": {"tenant", "channel"},
    "parley_turn_seconds": {"channel", "stage"},
    "parley_outbound_total": {"channel", "result"},
    "parley_lag_records": {"topic", "group"},
    "parley_worker_load": {"channel"},
    "parley_oldest_waiting_seconds": {"channel"},
    "parley_deadletters_total": {"code"},
    "parley_duplicates_total": {"where"},
    "parley_conversations": {"owner"},
}
MORE = {
    "parley_turns_total": {"channel", "route", "outcome", "model"},
    "parley_actions_total": {"tenant", "action", "outcome"},
    "parley_handoffs_total": {"tenant", "channel", "ended"},
    "parley_handoff_first_reply_seconds": {"tenant"},
    "parley_handoff_seconds": {"tenant"},
    "parley_desk_unreachable_total": {"tenant"},
    "parley_ratings_total": {"tenant", "score"},
    "parley_model_failures_total": {"model"},
    "parley_refused_total": {"status"},
    "parley_send_seconds": {"channel"},
    "parley_ready": {"role", "part"},
    "parley_backfilled_total": {"channel"},
    "parley_voice_notes_total": {"tenant", "result"},
    "parley_knowledge_sync_runs_total": {"tenant", "source", "result"},
    "parley_knowledge_sync_documents_total": {"tenant", "source", "outcome"},
    "parley_knowledge_sync_age_seconds": {"tenant", "source"},
    "parley_knowledge_sync_stale": {"tenant", "source"},
    "parley_knowledge_sync_held": {"tenant", "source"},
    "parley_receipts_unmatched_total": {"channel", "state"},
    "parley_accounts_heard": {"tenant", "channel", "account"},
}
"""Ours, beside those of the contract: dashboards and alerts rely on them too."""


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    set_up_logging(stream=stream)
    yield stream
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers[:] = handlers
    root.setLevel(level)


def only(stream: io.StringIO) -> dict[str, Any]:
    (line,) = stream.getvalue().splitlines()
    loaded = json.loads(line)
    assert isinstance(loaded, dict)
    return loaded


def test_an_event_is_one_json_line_with_the_bound_ids(lines: io.StringIO) -> None:
    with LogContext(tenant="shop", channel="web", conversation_id="c1", correlation_id="t1"):
        structlog.get_logger("parley.test").info("turn.done", replies=2)
    line = only(lines)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "turn.done",
        "level": "info",
        "tenant": "shop",
        "channel": "web",
        "conversation_id": "c1",
        "correlation_id": "t1",
        "replies": 2,
    }


def test_every_line_has_the_promised_fields(lines: io.StringIO) -> None:
    structlog.get_logger().warning("started")
    assert list(only(lines)) == [
        "event",
        "level",
        "timestamp",
        "tenant",
        "channel",
        "conversation_id",
        "correlation_id",
    ]


def test_message_text_is_never_logged(lines: io.StringIO) -> None:
    structlog.get_logger().info("received", text="my card is 4111", payload={"a": "4111"}, body=b"4111")
    assert "4111" not in lines.getvalue()
    assert only(lines)["text"] == "<15>"


def test_a_foreign_exception_shows_its_kind_and_place_but_not_its_text(lines: io.StringIO) -> None:
    try:
        raise ValueError("input was: my card is 4111")
    except ValueError:
        structlog.get_logger().exception("failed")
    line = only(lines)
    assert line["exception"] == "ValueError"
    assert line["stack"][-1].startswith("test_telemetry.py:")
    assert "4111" not in lines.getvalue()


def test_one_of_our_failures_shows_its_message(lines: io.StringIO) -> None:
    structlog.get_logger().error("failed", exc_info=Unavailable("the log cannot be reached"))
    assert only(lines)["exception"] == "Unavailable: the log cannot be reached"


def test_libraries_log_in_the_same_shape(lines: io.StringIO) -> None:
    logging.getLogger("aiokafka").warning("broker %s is gone", 3)
    logging.getLogger("aiokafka").info("chatter")
    line = only(lines)
    assert (line["event"], line["level"]) == ("broker 3 is gone", "warning")


def test_a_terminal_gets_lines_for_eyes() -> None:
    stream = io.StringIO()
    set_up_logging(human=True, stream=stream)
    try:
        structlog.get_logger().info("started", port=8080)
    finally:
        structlog.reset_defaults()
        logging.getLogger().handlers.clear()
    assert "started" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_every_promised_metric_is_reported_with_its_labels() -> None:
    metrics = PrometheusMetrics()
    for name, labels in (NAMES | MORE).items():
        values = dict.fromkeys(labels, "x")
        if name.endswith("_total"):
            metrics.count(name, 2, **values)
        elif name.endswith(("_turn_seconds", "_send_seconds", "_reply_seconds", "_handoff_seconds")):
            metrics.observe(name, 0.2, **values)
        else:
            metrics.gauge(name, 0.5, **values)
    own = {
        family.name + ("_total" if family.type == "counter" else ""): {
            label for sample in family.samples for label in sample.labels if label != "le"
        }
        for family in metrics.registry.collect()
        if family.name.startswith("parley_")
    }
    assert own == NAMES | MORE
    page = metrics.render().decode()
    assert 'parley_inbound_total{channel="x",tenant="x"} 2.0' in page
    assert 'parley_turn_seconds_count{channel="x",stage="x"} 1.0' in page
    assert "_created" not in page


def test_an_undeclared_metric_is_a_programming_error() -> None:
    with pytest.raises(KeyError):
        PrometheusMetrics().count("parley_typo_total")
    with pytest.raises(ValueError, match="label"):
        PrometheusMetrics().count("parley_inbound_total", channel="web")


def test_two_instances_do_not_share_their_numbers() -> None:
    one, other = PrometheusMetrics(), PrometheusMetrics()
    one.count("parley_duplicates_total", where="edge")
    assert b'where="edge"' not in other.render()


def test_a_gauge_that_is_not_ours_any_more_disappears() -> None:
    metrics = PrometheusMetrics()
    metrics.gauge("parley_worker_load", 0.5, channel="web")
    metrics.forget("parley_worker_load", channel="web")
    assert b'parley_worker_load{channel="web"}' not in metrics.render()


def test_ids_are_those_of_the_innermost_block_and_end_with_it(lines: io.StringIO) -> None:
    log = structlog.get_logger("parley.test")
    with LogContext(conversation_id="c1"):
        with LogContext(conversation_id="c2"):
            log.info("inside")
        log.info("outside")
    log.info("after")
    assert [json.loads(line)["conversation_id"] for line in lines.getvalue().splitlines()] == ["c2", "c1", ""]


def test_batched_observations_count_like_single_ones() -> None:
    together, alone = PrometheusMetrics(), PrometheusMetrics()
    for seconds in ({"load": 0.002, "answer": 1.5}, {"load": 0.02}):
        together.observe_many("parley_turn_seconds", "stage", seconds, channel="web")
        for stage, each in seconds.items():
            alone.observe("parley_turn_seconds", each, channel="web", stage=stage)
    for metrics in (together, alone):
        metrics.observe("parley_turn_seconds", 3.0, stage="total", channel="web")

    def told(metrics: PrometheusMetrics) -> list[str]:
        return [line for line in metrics.render().decode().splitlines() if line.startswith("parley_turn_seconds")]

    assert told(together) == told(alone)
