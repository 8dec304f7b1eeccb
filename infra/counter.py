"""What happened, counted for Prometheus: the library's own counter takes a lock and checks itself each time, and every
message is counted several times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector


class Count:
    """One combination of labels."""

    __slots__ = ("total",)

    def __init__(self) -> None:
        self.total = 0.0


class Counter(Collector):
    """For one thread, the event loop's."""

    def __init__(self, name: str, about: str, labels: Sequence[str]) -> None:
        self._name = name
        self._about = about
        self._labels = labels
        self._counts: dict[tuple[str, ...], Count] = {}

    def labels(self, **labels: str) -> Count:
        """Raises ValueError for labels that are not the counter's."""
        if labels.keys() != set(self._labels):
            raise ValueError(f"the labels of {self._name} are {', '.join(self._labels)}")
        return self._counts.setdefault(tuple(labels[name] for name in self._labels), Count())

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(self._name, self._about, labels=self._labels)
        for values, count in self._counts.items():
            family.add_metric(values, count.total)
        yield family
