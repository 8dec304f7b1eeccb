"""Memory of a process that serves: the garbage collector is told what stays, and threads share what they free.

A process holds a hundred thousand objects for as long as it lives (modules, models, tokenizers), and each message makes
some hundreds that reference counting takes back. At the interpreter's own thresholds a seventh of a worker's time went
into looking for cycles, in pauses of 80 ms of the whole event loop.

The C library gives each thread a heap of its own, and what one thread freed no other can use. After a few large
documents or uploads each of a dozen pool threads kept 14 MB for good.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import sys
from pathlib import Path

THRESHOLDS = (20_000, 10, 50)
"""New containers until the youngest are looked at; how often that happens until the middle ones are; and so on."""

HEAPS = 2
"""For all threads. They hardly ever meet there: most of them hold the interpreter while they allocate."""
EVERY = 30.0
"""Seconds between two looks at what can go back to the system; one takes milliseconds, and keeps who allocates
waiting."""
LARGE = 4 << 20
"""Bytes from which a piece is the system's own and goes back when it is freed; so much free at the end stays. Left to
itself the library learns from each large piece to keep twice as much, up to 64 MB."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # glibc's malloc.h


def share_heaps() -> None:
    """To be called before threads are started. Does nothing where the C library has no such setting."""
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    set_option(_M_ARENA_MAX, HEAPS)
    set_option(_M_MMAP_THRESHOLD, LARGE)
    set_option(_M_TRIM_THRESHOLD, LARGE)


def settle() -> None:
    """To be called once the process has what it keeps. Takes as long as one whole collection."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    give_back()


def give_back() -> None:
    """What was freed goes back to the system: reading all documents once takes more than keeping them. Does nothing
    where the C library cannot."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return
    trim(0)


def used() -> int:
    """Bytes of this process that are in memory; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return 0


def available() -> int:
    """Bytes that this process may have: the container's limit, else the machine's memory; 0 where neither is known."""
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


# How threads of a process share the interpreter.
#
# The event loop gives the interpreter away at each of its steps, and while a search computes it gets it back only when
# the search is asked to pause: after 5 ms, as the interpreter has it. A turn has two dozen steps.
PAUSE_AFTER_S = 0.0005
"""Beside two threads that compute, a timer of the loop was late by 3.9 ms (median) with 5 ms, and by 1.3 with this."""


def take_turns_soon() -> None:
    """For the whole process."""
    sys.setswitchinterval(PAUSE_AFTER_S)
