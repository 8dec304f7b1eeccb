"""Writes what every task of a Parley process waits for to its log, on a signal."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

ASK = signal.SIGUSR1
TOLD = "── that is what everybody waits for"


def install_dump_signal() -> None:
    signal.signal(ASK, _tell)


def _tell(_number: int, _frame: object) -> None:
    try:
        tasks = asyncio.all_tasks()
    except RuntimeError:  # nothing runs yet, or any more
        tasks = set()
    lines = sorted(f"{task.get_name()}: {' > '.join(_places(task.get_coro()))}" for task in tasks)
    print(f"── {len(tasks)} tasks at {time.time():.3f}", *lines, TOLD, sep="\n", file=sys.stderr, flush=True)


def _places(awaited: Any) -> Iterator[str]:
    """From the task's own coroutine to the innermost one."""
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is None:
            yield type(awaited).__name__
            return
        file = frame.f_code.co_filename.rpartition("/site-packages/")[2]
        yield f"{'/'.join(file.split('/')[-3:])}:{frame.f_lineno} {frame.f_code.co_name}"
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
