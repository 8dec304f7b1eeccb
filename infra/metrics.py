"""The metrics of a process, kept for Prometheus. docs/operations.md says what each is for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import prometheus_client as prometheus

CONTENT_TYPE = prometheus.CONTENT_TYPE_LATEST

COUNTERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "parley_inbound_total": ("Messages accepted from contacts.", ("tenant", "channel")),
    "parley_outbound_total": ("Messages handed to a channel, by result.", ("channel", "result")),
    "parley_deadletters_total": ("Dead-lettered records, by code.", ("code",)),
    "parley_duplicates_total": ("Duplicates that were recognized and dropped.", ("where",)),
    "parley_receipts_unmatched_total": (
        "Vendors' receipts for messages that are not ours, such as a campaign's from the same number.",
        ("channel", "state"),
    ),
    "parley_turns_total": (
        "Completed turns, by route, outcome and model.",
        ("channel", "route", "outcome", "model"),
    ),
    "parley_actions_total": ("Actions, by outcome.", ("tenant", "action", "outcome")),
    "parley_handoffs_total": (
        "Handoffs, by how they ended: resolved, returned or closed.",
        ("tenant", "channel", "ended"),
    ),
    "parley_desk_unreachable_total": ("Failures to post a card to a desk.", ("tenant",)),
    "parley_ratings_total": ("Contacts' ratings of handoffs, 1 to 5.", ("tenant", "score")),
    "parley_model_failures_total": ("Failed model calls.", ("model",)),
    "parley_voice_notes_total": (
        "Voice notes that a transcriber was asked for, by result: transcribed, or why not.",
        ("tenant", "result"),
    ),
    "parley_backfilled_total": ("Messages read from a vendor's history after an interruption.", ("channel",)),
    "parley_refused_total": ("Requests and frames that were refused: 429 over a limit, 503 unavailable.", ("status",)),
    "parley_knowledge_sync_runs_total": (
        "Syncs of a source of documents, by result: succeeded, incomplete or failed.",
        ("tenant", "source", "result"),
    ),
    "parley_knowledge_sync_documents_total": (
        "Documents of syncs, by outcome: added, changed, unchanged, removed, refused or held.",
        ("tenant", "source", "outcome"),
    ),
}
HISTOGRAMS: dict[str, tuple[str, tuple[str, ...]]] = {
    "parley_turn_seconds": (
        "Duration of each stage of a turn; total is from the first message's append to the published reply.",
        ("channel", "stage"),
    ),
    "parley_send_seconds": ("Duration of a channel's send request.", ("channel",)),
    "parley_handoff_first_reply_seconds": ("Time from a handoff to the first reply of a person.", ("tenant",)),
    "parley_handoff_seconds": ("Duration of handoffs.", ("tenant",)),
}
GAUGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "parley_lag_records": ("Records not yet committed by a consumer group.", ("topic", "group")),
    "parley_worker_load": ("Load of the worker, 0 to 1.", ("channel",)),
    "parley_oldest_waiting_seconds": ("Age of the oldest record that the worker group has not handled.", ("channel",)),
    "parley_conversations": ("Conversations, by owner.", ("owner",)),
    "parley_accounts_heard": (
        "1 while this process receives the account's events, or makes sure that none is missed.",
        ("tenant", "channel", "account"),
    ),
    "parley_knowledge_sync_age_seconds": (
        "Time since the last successful sync of a source, or since the source was first seen.",
        ("tenant", "source"),
    ),
    "parley_knowledge_sync_stale": (
        "1 while a source has not been synced successfully for three of its intervals and at least an hour, else 0.",
        ("tenant", "source"),
    ),
    "parley_knowledge_sync_held": ("Documents whose removal waits for an operator's decision.", ("tenant", "source")),
    "parley_ready": ("1 while this part of the process is ready, else 0.", ("role", "part")),
}
_HUMAN_DURATIONS = frozenset({"parley_handoff_first_reply_seconds", "parley_handoff_seconds"})
_HUMAN_BUCKETS = (30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400, 259_200)
"""Seconds: what people do takes minutes and hours."""
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class PrometheusMetrics:
    """``schemas.ports.Metrics`` on a registry of its own, so that two instances in one process do not mix."""

    def __init__(self) -> None:
        # Without the time at which each series began: nobody reads it, and it would double the counters on the page.
        prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = own = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=own)
        self._counters = {name: prometheus.Counter(name, *about, registry=own) for name, about in COUNTERS.items()}
        self._gauges = {name: prometheus.Gauge(name, *about, registry=own) for name, about in GAUGES.items()}
        self._histograms = {
            name: prometheus.Histogram(
                name, *about, buckets=_HUMAN_BUCKETS if name in _HUMAN_DURATIONS else _BUCKETS, registry=own
            )
            for name, about in HISTOGRAMS.items()
        }
        # Finding a series by its labels takes the library longer than counting in it, and a turn counts a dozen times.
        self._find_counter = cache(lambda name, *labels: self._counters[name].labels(**dict(labels)))
        self._find_histogram = cache(lambda name, *labels: self._histograms[name].labels(**dict(labels)))

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        self._find_counter(name, *labels.items()).inc(amount)

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        self._find_histogram(name, *labels.items()).observe(seconds)

    def observe_many(self, name: str, by: str, seconds: Mapping[str, float], **labels: str) -> None:
        common = labels.items()
        for value, amount in seconds.items():
            self._find_histogram(name, (by, value), *common).observe(amount)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        self._gauges[name].labels(**labels).set(value)

    def forget(self, name: str, **labels: str) -> None:
        """Stop reporting one gauge series: a partition or a channel that is no longer ours."""
        gauge = self._gauges[name]
        gauge.remove(*(labels[label] for label in GAUGES[name][1]))

    def render(self) -> bytes:
        """The page for ``/metrics``."""
        return prometheus.generate_latest(self.registry)
