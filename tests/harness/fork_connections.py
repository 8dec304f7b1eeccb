"""The connections of the fork server: each asks for processes and hears of their ends.

A connection sends JSON lines ``{"args", "env", "tag"}`` and gets ``{"tag", "pid"}`` and later ``{"pid", "status"}``. A
line says where the output goes: with ``log``, or with ``cwd`` and three descriptors that come along. When a connection
ends, so do its processes.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

READ_BYTES = 65_536
MOST_FILES = 3


@dataclass(eq=False)
class ForkConnection:
    """``files`` are descriptors that came for the next request."""

    socket: socket.socket
    buffered: bytes = b""
    files: list[int] = field(default_factory=list)

    def tell(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(ConnectionError):  # whoever asked may be gone
            self.socket.sendall(json.dumps(message).encode() + b"\n")

    def read(self) -> list[dict[str, Any]] | None:
        """The requests that came, or None at the end of the connection."""
        try:
            data, files, _, _ = socket.recv_fds(self.socket, READ_BYTES, MOST_FILES)
        except ConnectionError:
            return None
        if not data:
            return None
        self.files += files
        *lines, self.buffered = (self.buffered + data).split(b"\n")
        return [json.loads(line) for line in lines]


class ForkConnections:
    """``become`` turns a forked child into the process of a request with its descriptors, and does not return."""

    def __init__(self, listener: socket.socket, become: Callable[[dict[str, Any], Sequence[int]], None]) -> None:
        self._listener = listener
        self._become = become
        self._selector = selectors.DefaultSelector()
        self._owners: dict[int, ForkConnection] = {}
        """Connections by the process that they asked for."""
        self._woken, self._waker = socket.socketpair()
        self._waker.setblocking(False)

    def serve(self) -> None:
        """Take connections until the standard input ends."""
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        for source, handle in ((0, None), (self._listener, self._accept), (self._woken, self._reap)):
            self._selector.register(source, selectors.EVENT_READ, handle)
        while True:
            for key, _ in self._selector.select():
                if key.data is not None:
                    key.data()
                elif not os.read(0, READ_BYTES):
                    return

    def _accept(self) -> None:
        connection = ForkConnection(self._listener.accept()[0])
        self._selector.register(connection.socket, selectors.EVENT_READ, lambda: self._read(connection))

    def _read(self, connection: ForkConnection) -> None:
        requests = connection.read()
        if requests is None:
            self._end(connection)
            return
        for request in requests:
            files, connection.files = connection.files, []
            connection.tell({"tag": request["tag"], "pid": self._fork(connection, request, files)})
            for file in files:
                os.close(file)

    def _fork(self, connection: ForkConnection, request: dict[str, Any], files: Sequence[int]) -> int:
        pid = os.fork()
        if pid == 0:
            self._forget_connections()
            self._become(request, files)
        self._owners[pid] = connection
        return pid

    def _forget_connections(self) -> None:
        """Leave a forked child nothing of its parent."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for key in [*self._selector.get_map().values()]:
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
        self._waker.close()
        self._selector.close()

    def _reap(self) -> None:
        self._woken.recv(READ_BYTES)
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = ended
                if owner := self._owners.pop(pid, None):
                    owner.tell({"pid": pid, "status": os.waitstatus_to_exitcode(status)})

    def _end(self, connection: ForkConnection) -> None:
        self._selector.unregister(connection.socket)
        connection.socket.close()
        for pid in [pid for pid, owner in self._owners.items() if owner is connection]:
            del self._owners[pid]
            os.kill(pid, signal.SIGKILL)
