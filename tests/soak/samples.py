"""Samples of what an installation uses while it runs, and whether the end is as flat as the middle."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_LISTENS = "0A"
"""A listening socket's state in /proc/net/tcp."""
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
    """Private memory in MiB and open descriptors of all processes together, without the connections that visitors hold
    open: a slower machine needs more of them for the same rate."""
    memory = descriptors = 0
    for pid in pids:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        memory += sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon:"))
        targets = [_target(each) for each in Path(f"/proc/{pid}/fd").iterdir()]
        accepted = _accepted(pid, targets)
        descriptors += sum(target not in accepted for target in targets)
    return {"memory_mib": memory / 1024, "descriptors": float(descriptors)}


def _target(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink())
    except FileNotFoundError:
        return ""  # closed meanwhile


def _accepted(pid: int, targets: Sequence[str]) -> set[str]:
    """The sockets that the process has accepted, as its descriptors name them."""
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    sockets = [(row[1].rpartition(":")[2], row[3] == _LISTENS, f"socket:[{row[9]}]") for row in rows]
    ports = {port for port, listens, name in sockets if listens and name in targets}
    return {name for port, listens, name in sockets if port in ports and not listens}


def read_file(path: Path) -> dict[str, float]:
    """The size of the embedded file in MiB, without the write-ahead log, which is bounded by itself."""
    return {"file_mib": path.stat().st_size / 1024**2}
