"""Starts Parley's processes by forking a parent that has everything imported, so that a hundred starts stay quick.

    python -m tests.harness.nursery

Reads JSON lines ``{"args", "env", "log", "tag"}``, writes ``{"tag", "pid"}`` and later ``{"pid", "status"}``.

Children are real processes with their own memory, sockets and files; only the import of modules is shared. They die
with this parent, and this parent with its standard input.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sys
from typing import Any

PR_SET_PDEATHSIG = 1


def warm() -> None:
    """Import what the children need. Nothing here may start a thread or open a socket."""
    import aiokafka  # noqa: F401
    import obstore  # noqa: F401
    import redis.asyncio  # noqa: F401
    import tantivy  # noqa: F401

    import gateway.cli
    import gateway.compose  # noqa: F401
    import infra.bus.kafka
    import infra.bus.sqlite
    import infra.state.redis
    import infra.state.sqlite  # noqa: F401


def become(request: dict[str, Any]) -> None:
    """Turn this forked child into a Parley process. Does not return."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.environ.update(request["env"])
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    from gateway.cli import main
    from schemas import crashpoints

    crashpoints.arm(os.environ.get("PARLEY_CRASH_AT", ""))
    sys.argv = ["parley", *request["args"]]
    status = 1
    try:
        main()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def tell(message: dict[str, Any]) -> None:
    os.write(1, json.dumps(message).encode() + b"\n")


def reap(_number: int = 0, _frame: object = None) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        tell({"pid": pid, "status": os.waitstatus_to_exitcode(status)})


def serve() -> None:
    warm()
    signal.signal(signal.SIGCHLD, reap)
    tell({"ready": True})
    buffered = b""
    while True:
        select.select([0], [], [])
        data = os.read(0, 65536)
        if not data:
            return
        *lines, buffered = (buffered + data).split(b"\n")
        for line in lines:
            request = json.loads(line)
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
            pid = os.fork()
            if pid == 0:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
                become(request)
            tell({"tag": request["tag"], "pid": pid})
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})


if __name__ == "__main__":
    serve()
