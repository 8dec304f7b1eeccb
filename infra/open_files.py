"""The limit on open files and sockets of this process, and how many are open."""

from __future__ import annotations

import os
import resource

from schemas.errors import SetupError

MOST = 1 << 20
"""The highest limit that is requested, where the system has practically none."""
FEWEST = 192
"""A process with many tenants holds up to a hundred for its stores and indexes; the rest are connections."""
FOLDERS = ("/proc/self/fd", "/dev/fd")
GUESSED = 128
"""The assumed number of open ones where no system folder lists them."""


def raise_limit() -> None:
    """Raise the limit to what the system allows this process; never lower it. Raises SetupError if too few are allowed
    to serve."""
    _raise_limit()
    if limit() < FEWEST:
        raise SetupError(
            f"this process may open only {limit()} files, and it needs {FEWEST}",
            fix=f"allow more: `ulimit -n {FEWEST}` or higher, or LimitNOFILE of the service",
        )


def _raise_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft == resource.RLIM_INFINITY or soft >= target:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
    except (OSError, ValueError):
        return  # some systems have a lower limit than they report


def limit() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else soft


def count_open() -> int:
    for folder in FOLDERS:
        try:
            return len(os.listdir(folder))
        except OSError:
            continue
    return GUESSED
