"""Processor time of imports, measured in new processes: the median of several runs, after one that is not counted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from statistics import median

RUNS = 5
COMPOSE = ("gateway/wiring/compose.py", "gateway/compose.py")
"""The module that puts a process together; it may stand in either place, for older revisions are measured too."""


def processor_seconds(root: Path, *arguments: str) -> float:
    """User and system time of a Python process that ran in ``root``."""
    command = [sys.executable, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    child = subprocess.Popen(command, cwd=root, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    error = child.stderr.read() if child.stderr else b""
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} in {root} failed:\n{error.decode(errors='replace')[-2000:]}")
    return usage.ru_utime + usage.ru_stime


def measure(root: Path, *arguments: str) -> float:
    processor_seconds(root, *arguments)
    return median(processor_seconds(root, *arguments) for _ in range(RUNS))


def import_figures(root: Path) -> dict[str, str]:
    compose = next(path for path in COMPOSE if (root / path).exists()).removesuffix(".py").replace("/", ".")
    empty = measure(root, "-c", "pass")
    composed = measure(root, "-c", f"import {compose}")
    asked = measure(root, "-m", "gateway.cli", "--help")
    return {
        "processor time, empty interpreter": f"{empty * 1000:.0f} ms",
        "processor time, import compose": f"{composed * 1000:.0f} ms",
        "processor time, parley --help": f"{asked * 1000:.0f} ms",
    }
