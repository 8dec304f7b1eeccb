"""How many files and sockets this process may have open, and how many it has."""

from __future__ import annotations

import os
import resource

MOST = 1 << 20
"""More than this is not asked for, where the system's limit is as good as none."""
FOLDERS = ("/proc/self/fd", "/dev/fd")
GUESSED = 128
"""Taken for the number of open ones where no system folder lists them."""


def raise_limit() -> None:
    """To what the system allows this process; never to less than it has."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        return  # some systems have a lower limit than the one they tell


def limit() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else soft


def in_use() -> int:
    for folder in FOLDERS:
        try:
            return len(os.listdir(folder))
        except OSError:
            continue
    return GUESSED
