"""The metrics of a process, kept for Prometheus. docs/operations.md says what each is for."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import prometheus_client as prometheus
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

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
    "parley_backfilled_total": ("Messages read from a vendor's history after an interruption.", ("channel",)),
    "parley_refused_total": ("Requests and frames that were refused: 429 over a limit, 503 unavailable.", ("status",)),
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
    "parley_ready": ("1 while this part of the process is ready, else 0.", ("role", "part")),
}
_HUMAN_DURATIONS = frozenset({"parley_handoff_first_reply_seconds", "parley_handoff_seconds"})
_HUMAN_BUCKETS = (30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400, 259_200)
"""Seconds: what people do takes minutes and hours."""
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class PrometheusMetrics:
    """``schemas.ports.Metrics`` on a registry of its own, so that two instances in one process do not mix."""

    def __init__(self) -> None:
        self.registry = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=self.registry)
        own = self.registry
        self._counters = {name: Counter(name, *about) for name, about in COUNTERS.items()}
        self._gauges = {name: prometheus.Gauge(name, *about, registry=own) for name, about in GAUGES.items()}
        self._histograms = {
            name: Histogram(name, about, labels, _HUMAN_BUCKETS if name in _HUMAN_DURATIONS else _BUCKETS)
            for name, (about, labels) in HISTOGRAMS.items()
        }
        for each in (*self._counters.values(), *self._histograms.values()):
            own.register(each)
        self._counted: dict[tuple[Any, ...], Count] = {}
        self._observed: dict[tuple[Any, ...], Series] = {}
        self._groups: dict[tuple[Any, ...], dict[str, Series]] = {}
        """By the common labels, then by the label that differs."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        # The library looks a series up under a lock, after sorting its labels; several times a message that adds up.
        key = (name, *labels.items())
        series = self._counted.get(key)
        if series is None:
            series = self._counted[key] = self._counters[name].labels(**labels)
        series.total += amount

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        key = (name, *labels.items())
        series = self._observed.get(key)
        if series is None:
            series = self._observed[key] = self._histograms[name].labels(**labels)
        series.observe(seconds)

    def observe_many(self, name: str, by: str, seconds: Mapping[str, float], **labels: str) -> None:
        key = (name, by, *labels.items())
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = {}
        for value, amount in seconds.items():
            series = group.get(value)
            if series is None:
                series = group[value] = self._histograms[name].labels(**{by: value}, **labels)
            series.observe(amount)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        self._gauges[name].labels(**labels).set(value)

    def forget(self, name: str, **labels: str) -> None:
        """Stop reporting one gauge series: a partition or a channel that is no longer ours."""
        gauge = self._gauges[name]
        gauge.remove(*(labels[label] for label in GAUGES[name][1]))

    def render(self) -> bytes:
        """The page for ``/metrics``."""
        return prometheus.generate_latest(self.registry)


# Counters for one thread: the library's own takes a lock and checks itself each time, and every message is counted
# several times.
class Count:
    """One combination of labels."""

    __slots__ = ("total",)

    def __init__(self) -> None:
        self.total = 0.0


class Counter(Collector):
    """A counter without locks, for the event loop's thread only."""

    def __init__(self, name: str, about: str, labels: Sequence[str]) -> None:
        self._name = name
        self._help = about
        self._labels = labels
        self._counts: dict[tuple[str, ...], Count] = {}

    def labels(self, **labels: str) -> Count:
        """Raises ValueError for labels that are not the counter's."""
        if labels.keys() != set(self._labels):
            raise ValueError(f"the labels of {self._name} are {', '.join(self._labels)}")
        return self._counts.setdefault(tuple(labels[name] for name in self._labels), Count())

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(self._name, self._help, labels=self._labels)
        for values, count in self._counts.items():
            family.add_metric(values, count.total)
        yield family


# Histograms for one thread: the library's own takes a lock and tests bucket by bucket, and every stage of a turn is
# observed.
class Series:
    """One combination of labels. ``counts``: observations in each bucket, and at last in none."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, amount: float) -> None:
        self.counts[bisect_left(self._bounds, amount)] += 1
        self.total += amount


class Histogram(Collector):
    """A histogram without locks, for the event loop's thread only."""

    def __init__(self, name: str, about: str, labels: Sequence[str], bounds: Sequence[float]) -> None:
        self._name = name
        self._help = about
        self._labels = labels
        self._bounds = bounds
        self._ends = [*map(floatToGoString, bounds), "+Inf"]
        self._series: dict[tuple[str, ...], Series] = {}

    def labels(self, **labels: str) -> Series:
        return self._series.setdefault(tuple(labels[name] for name in self._labels), Series(self._bounds))

    def collect(self) -> Iterator[HistogramMetricFamily]:
        family = HistogramMetricFamily(self._name, self._help, labels=self._labels)
        for values, series in self._series.items():
            family.add_metric(values, list(zip(self._ends, _cumulate(series.counts), strict=True)), series.total)
        yield family


def _cumulate(counts: Sequence[int]) -> Iterator[int]:
    total = 0
    for count in counts:
        total += count
        yield total
