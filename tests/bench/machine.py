"""Measurements of the machine: processor time and memory of a process, the speed of its disk."""

from __future__ import annotations

import os
import platform
import re
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.figures import quantile

PAGE = os.sysconf("SC_PAGE_SIZE")


def processor_seconds(pid: int) -> float:
    """Processor time that all threads of a process have used (Linux)."""
    return time.clock_gettime((~pid << 3) | 2)


def written_bytes(pid: int) -> int:
    """Bytes that a process has caused to be sent to the disk (Linux)."""
    found = re.search(r"^write_bytes: (\d+)", Path(f"/proc/{pid}/io").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


def anonymous_bytes(pid: int) -> int:
    """What of it no file stands behind, so that the system cannot simply drop it."""
    found = re.search(r"^RssAnon:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def fdatasync_ms(folder: Path, times: int = 100) -> tuple[float, float]:
    """Median and 99th percentile of writing 4 KiB and waiting until they are on the disk of ``folder``."""
    taken = []
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for _ in range(times):
            begun = time.perf_counter()
            os.write(file.fileno(), b"x" * 4096)
            os.fdatasync(file.fileno())
            taken.append((time.perf_counter() - begun) * 1000)
    return quantile(taken, 0.5), quantile(taken, 0.99)


def raise_file_limit() -> int:
    """As many open files as we may have; returns how many that are."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def describe_machine() -> dict[str, Any]:
    """For the head of every report: figures mean little without it."""
    return {
        "cores": os.cpu_count(),
        "load": [round(value, 2) for value in os.getloadavg()],
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
