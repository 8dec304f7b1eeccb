"""Our histogram is the library's, only quicker."""

from __future__ import annotations

import prometheus_client as prometheus

from infra.metrics import Histogram

BOUNDS = (0.001, 0.25, 1, 60)


def test_the_page_is_what_the_librarys_histogram_would_write() -> None:
    """For amounts below, on, between and above the bounds, and for series that nobody has counted in yet."""
    ours, theirs = prometheus.CollectorRegistry(), prometheus.CollectorRegistry()
    about = ("took_seconds", "How long it took.", ("channel", "stage"))
    mine = Histogram(*about, BOUNDS)
    ours.register(mine)
    prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]
    library = prometheus.Histogram(*about, buckets=BOUNDS, registry=theirs)
    for amount in (0.0, 0.001, 0.0011, 0.25, 3, 60, 61.5):
        mine.labels(stage="load", channel="web").observe(amount)
        library.labels(stage="load", channel="web").observe(amount)
    mine.labels(channel='we"b', stage="")
    library.labels(channel='we"b', stage="")
    assert prometheus.generate_latest(ours) == prometheus.generate_latest(theirs)
