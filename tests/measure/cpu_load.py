"""Processes that burn a given share of a core each, and do nothing else. The machine's other work, in a measurement.

python -m tests.measure.cpu_load SHARE
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.harness.processes import ROOT

SPIN_S = 0.001
REST_S = 0.002


@contextmanager
def processes(shares: Sequence[float]) -> Iterator[None]:
    """One for each share that is worth it."""
    command = [sys.executable, "-m", "tests.measure.cpu_load"]
    burning = [subprocess.Popen([*command, f"{share:.3f}"], cwd=ROOT) for share in shares if share > 0.01]
    try:
        yield
    finally:
        for one in burning:
            one.kill()
            one.wait()


def burn(share: float) -> None:
    """What it did not get, because others ran, it catches up on, as work does that waits."""
    begun, before = time.perf_counter(), time.process_time()
    while True:
        if time.process_time() - before < share * (time.perf_counter() - begun):
            end = time.perf_counter() + SPIN_S
            while time.perf_counter() < end:
                pass
        else:
            time.sleep(REST_S)


if __name__ == "__main__":
    burn(float(sys.argv[1]))
