"""Named points at which a test may kill the process: ``PARLEY_CRASH_AT=<point>[:n]``.

The environment is read once, at import. When nothing is armed, ``reach`` is one comparison."""

from __future__ import annotations

import os
import signal
from typing import Literal, get_args

from schemas.errors import ConfigInvalid

Point = Literal[
    "edge.before_append",
    "edge.after_append",
    "worker.after_begin",
    "worker.after_model",
    "worker.after_intent",
    "worker.after_action",
    "worker.after_commit",
    "worker.after_publish",
    "connector.after_intent",
    "connector.after_send",
    "connector.after_record",
    "backup.before_end",
    "restore.extracted",
    "restore.emptied",
]
POINTS: tuple[str, ...] = get_args(Point)
MESSAGE_POINTS = tuple(point for point in POINTS if point.startswith(("edge.", "worker.", "connector.")))
"""Those on the way of a message."""

_armed = ""
_left = 0


def arm(spec: str) -> None:
    """Arm ``point`` or ``point:n``; empty disarms. Raises ConfigInvalid for an unknown point or count."""
    global _armed, _left
    point, _, times = spec.partition(":")
    if point and point not in POINTS:
        raise ConfigInvalid(f"PARLEY_CRASH_AT: unknown point {point!r}", fix=f"use one of {', '.join(POINTS)}")
    if times and not (times.isdecimal() and int(times)):
        raise ConfigInvalid(f"PARLEY_CRASH_AT: {times!r} is no count", fix="write POINT or POINT:N, with N from 1")
    _armed, _left = point, int(times or 1)


def reach(point: Point) -> None:
    """Pass a point. At the n-th passage of the armed point the process is killed, as by ``kill -9``."""
    global _left
    if point != _armed:
        return
    _left -= 1
    if _left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)


arm(os.environ.get("PARLEY_CRASH_AT", ""))
