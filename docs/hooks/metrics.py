"""The metrics reference: every metric of a process."""

from __future__ import annotations

from docs.hooks.tables import table
from infra.metrics import COUNTERS, GAUGES, HISTOGRAMS

INTRODUCTION = """# Metrics

Every metric at `/metrics`, generated from the code. Each process reports its own. Besides these there are the process
metrics of the Prometheus client (`process_cpu_seconds_total`, `process_resident_memory_bytes`, …).
[Operations](../operations.md#traces-logs-metrics) says which of them to watch, and `infra/deploy/prometheus` has the
alerts.
"""
KINDS = {"Counters": COUNTERS, "Gauges": GAUGES, "Histograms": HISTOGRAMS}


def build() -> str:
    """The whole page."""
    return INTRODUCTION + "".join(_render(kind, metrics) for kind, metrics in KINDS.items())


def _render(kind: str, metrics: dict[str, tuple[str, tuple[str, ...]]]) -> str:
    rows = [
        (f"`{name}`", ", ".join(f"`{label}`" for label in labels), about) for name, (about, labels) in metrics.items()
    ]
    return f"\n## {kind}\n\n{table(('metric', 'labels', 'meaning'), rows, stacked=True)}"
