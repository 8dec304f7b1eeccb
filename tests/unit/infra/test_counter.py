"""Our counter is the library's, only quicker."""

from __future__ import annotations

import prometheus_client as prometheus

from infra.metrics import Counter


def test_the_page_is_what_the_librarys_counter_would_write() -> None:
    """For series that were counted once, several times, by more than one, and not at all yet."""
    ours, theirs = prometheus.CollectorRegistry(), prometheus.CollectorRegistry()
    about = ("sent_total", "What was sent.", ("channel", "result"))
    mine = Counter(*about)
    ours.register(mine)
    prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]
    library = prometheus.Counter(*about, registry=theirs)
    for amount, result in ((1, "sent"), (3, "failed"), (1, "sent"), (0.5, 'un"known')):
        mine.labels(result=result, channel="web").total += amount
        library.labels(result=result, channel="web").inc(amount)
    mine.labels(channel="slack", result="")
    library.labels(channel="slack", result="")
    assert prometheus.generate_latest(ours) == prometheus.generate_latest(theirs)
