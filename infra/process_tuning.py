"""Tune the interpreter for a serving process: garbage collection, heaps, and thread switching.

A process holds a hundred thousand objects for as long as it lives (modules, models, tokenizers), and each message
creates some hundreds that reference counting frees. At the interpreter's own thresholds a seventh of a worker's time
went into looking for cycles, in pauses of 80 ms of the whole event loop.

The C library gives each thread a heap of its own, and memory freed by one thread no other can use. After a few large
documents or uploads each of a dozen pool threads kept 14 MB for good."""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import sys
from pathlib import Path

THRESHOLDS = (20_000, 10, 50)
"""New containers until the youngest generation is collected; its collections until the middle one is; and so on."""

HEAPS = 2
"""Heaps for all threads. They rarely compete for them: most hold the interpreter lock while they allocate."""
EVERY = 30.0
"""Seconds between two returns of free memory to the system; one takes milliseconds, and blocks allocation meanwhile."""
LARGE = 4 << 20
"""Bytes from which a block is mapped separately and returned when it is freed, and bytes of free memory kept at the
end. By default the library learns from each large block to keep twice as much, up to 64 MB."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # glibc's malloc.h


def limit_heaps() -> None:
    """Call before threads are started. Does nothing where the C library has no such setting."""
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    set_option(_M_ARENA_MAX, HEAPS)
    set_option(_M_MMAP_THRESHOLD, LARGE)
    set_option(_M_TRIM_THRESHOLD, LARGE)


def freeze_heap() -> None:
    """Call once the process has loaded what it keeps. Takes as long as one full collection."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    trim_heap()


def trim_heap() -> None:
    """Return freed memory to the system: reading all documents once takes more than keeping them. Does nothing where
    the C library cannot."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return
    trim(0)


def used_memory() -> int:
    """Resident bytes of this process; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return 0


def available_memory() -> int:
    """Bytes that this process may use: the container's limit, else the machine's memory; 0 where neither is known."""
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            return min(int(Path(path).read_text()), _of_machine() or sys.maxsize)
        except (OSError, ValueError):
            continue  # no such file, or "max"
    return _of_machine()


def _of_machine() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * resource.getpagesize()
    except (OSError, ValueError):
        return 0


# Thread switching. The event loop gives the interpreter away at each of its steps, and while a search computes it
# gets it back only when the search is asked to pause: by default after 5 ms. A turn has two dozen steps.
PAUSE_AFTER_S = 0.0005
"""Beside two computing threads, a timer of the loop was late by 3.9 ms (median) with 5 ms, and by 1.3 with this
value."""


def shorten_switch_interval() -> None:
    """Applies to the whole process."""
    sys.setswitchinterval(PAUSE_AFTER_S)
