"""`parley` or `python` as a program that asks the fork server for its process, which spares the import of all modules.

    python -IS tests/harness/forked_command.py SOCKET PROGRAM [argument …]

The process has this program's terminal, folder and environment. Signals reach it, and this program ends as it does.
Nothing may be imported here that takes long.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys

FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
LOST = 70
"""The exit code if the fork server has ended."""


def run(address: str, program: str, arguments: list[str]) -> int:
    """Run a command to its end. Returns its exit code, negative for a signal."""
    signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        request = {"tag": "", "program": program, "args": arguments, "cwd": os.getcwd(), "env": dict(os.environ)}
        line = json.dumps(request).encode() + b"\n"
        sent = socket.send_fds(connection, [line], [0, 1, 2])
        connection.sendall(line[sent:])
        with connection.makefile("rb") as news:
            pid = json.loads(news.readline() or "{}").get("pid", 0)
            if pid:
                _forward_signals(pid)
            return int(json.loads(news.readline() or "{}").get("status", LOST))


def _forward_signals(pid: int) -> None:
    for number in FORWARDED:
        signal.signal(number, lambda number, _frame: os.kill(pid, number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)


def end_like(status: int) -> None:
    """End with an exit code, or by a signal if it is negative. Does not return."""
    if status < 0:
        if -status not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


if __name__ == "__main__":
    end_like(run(sys.argv[1], sys.argv[2], sys.argv[3:]))
