"""Durations counted by size, for Prometheus: the library's own histogram takes a lock and asks bucket by bucket, and a
turn is counted by its stages."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class Series:
    """One combination of labels. ``counts``: how many fell into each bucket, and at last into none."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, amount: float) -> None:
        self.counts[bisect_left(self._bounds, amount)] += 1
        self.total += amount


class Histogram(Collector):
    """For one thread, the event loop's."""

    def __init__(self, name: str, about: str, labels: Sequence[str], bounds: Sequence[float]) -> None:
        self._name = name
        self._about = about
        self._labels = labels
        self._bounds = bounds
        self._ends = [*map(floatToGoString, bounds), "+Inf"]
        self._series: dict[tuple[str, ...], Series] = {}

    def labels(self, **labels: str) -> Series:
        return self._series.setdefault(tuple(labels[name] for name in self._labels), Series(self._bounds))

    def collect(self) -> Iterator[HistogramMetricFamily]:
        family = HistogramMetricFamily(self._name, self._about, labels=self._labels)
        for values, series in self._series.items():
            family.add_metric(values, list(zip(self._ends, _running(series.counts), strict=True)), series.total)
        yield family


def _running(counts: Sequence[int]) -> Iterator[int]:
    total = 0
    for count in counts:
        total += count
        yield total
