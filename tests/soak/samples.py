"""Samples of what an installation uses while it runs, and whether the end is as flat as the middle."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ALLOWED = 1.05
"""The last quarter's mean may be this times that of the second quarter."""


@dataclass
class Samples:
    """Values by name, in the order in which they were taken."""

    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, sample: Mapping[str, float]) -> None:
        for name, value in sample.items():
            self.values.setdefault(name, []).append(value)

    def ratios(self) -> dict[str, float]:
        """By name, the mean of the last quarter over that of the second."""
        return {name: _ratio(values) for name, values in self.values.items() if len(values) >= 8}

    def find_growth(self) -> list[str]:
        """The names of what has grown."""
        return [name for name, ratio in self.ratios().items() if ratio > ALLOWED]


def _ratio(values: Sequence[float]) -> float:
    quarter = len(values) // 4
    second, last = values[quarter : 2 * quarter], values[-quarter:]
    return statistics.fmean(last) / max(statistics.fmean(second), 1.0)


def read_processes(pids: Iterable[int]) -> dict[str, float]:
    """Private memory in MiB and open descriptors of all processes together."""
    memory = descriptors = 0
    for pid in pids:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        memory += sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon:"))
        descriptors += len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return {"memory_mib": memory / 1024, "descriptors": float(descriptors)}


def read_file(path: Path) -> dict[str, float]:
    """The size of the embedded file in MiB, without the write-ahead log, which is bounded by itself."""
    return {"file_mib": path.stat().st_size / 1024**2}
