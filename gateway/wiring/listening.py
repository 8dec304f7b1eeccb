"""The listen address: a check that it is free, listening sockets, and the acceptance of connections.

The event loop's own server is not used, because at the limit of open files it logs an error for each connection in its
backlog, several thousand a second. This one stops accepting while few descriptors are left, and goes on serving the
connections that it has.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections.abc import Callable

import structlog

from infra import open_files
from schemas.errors import PortInUse

log = structlog.get_logger("parley.gateway")

BACKLOG = 1024
MAX_ACCEPTED = BACKLOG
"""Connections that are accepted in one step of the event loop: all that wait, so that under overload they are refused
at once (ADR 34) instead of waiting."""
COUNT_INTERVAL_S = 5.0
PAUSE_S = 1.0
LOG_INTERVAL_S = 60.0


def check_port(host: str, port: int) -> None:
    """Raises PortInUse, with the system's reason, if the address cannot be used now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # As for the server, an address whose last connections are still closing counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        raise explain_listen_error(host, port, error) from error


def explain_listen_error(host: str, port: int, error: OSError) -> PortInUse:
    """The error that says why the address cannot be listened on, and what to change."""
    if error.errno == errno.EADDRNOTAVAIL:
        fix = f"set `listen` to 127.0.0.1:{port} for this machine alone, or to 0.0.0.0:{port} for all its addresses"
        return PortInUse(f"{host} is no address of this machine", fix=fix)
    if error.errno == errno.EACCES:
        return PortInUse(
            f"{host}:{port}: {error.strerror}", fix="choose a port from 1024 up, with `listen` or PARLEY_PORT"
        )
    fix = "stop the program that uses it, or choose another port with PARLEY_PORT"
    return PortInUse(f"{host}:{port}: {error.strerror}", fix=fix)


async def open_listeners(host: str, port: int) -> list[socket.socket]:
    """Open a listening socket for each address of the host. Raises OSError."""
    loop = asyncio.get_running_loop()
    addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    listeners: list[socket.socket] = []
    try:
        for family, address in dict.fromkeys((family, address) for family, _, _, _, address in addresses):
            listener = socket.create_server(address, family=family, backlog=BACKLOG)
            listener.setblocking(False)
            listeners.append(listener)
    except OSError:
        for listener in listeners:
            listener.close()
        raise
    return listeners


class Acceptor:
    """Accepts connections and passes them to protocols, which call ``connection_closed`` when they end."""

    def __init__(self, connect: Callable[[], asyncio.BaseProtocol]) -> None:
        self._connect = connect
        self._loop = asyncio.get_running_loop()
        self._listeners: list[socket.socket] = []
        self._open = 0
        self._max_connections = 0
        self._counted_at = -COUNT_INTERVAL_S
        self._logged_at = -LOG_INTERVAL_S
        self._paused: asyncio.TimerHandle | None = None
        self._connecting: set[asyncio.Task[None]] = set()

    def start(self, listeners: list[socket.socket]) -> None:
        self._listeners = listeners
        self._resume()

    async def stop(self) -> None:
        """Stop accepting. When this returns, every accepted connection has its protocol."""
        self._stop_reading()
        self._listeners = []
        await asyncio.gather(*self._connecting, return_exceptions=True)

    def connection_closed(self) -> None:
        """Count a connection as closed."""
        self._open -= 1
        if self._paused is not None:
            self._resume()

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(MAX_ACCEPTED):
            if self._open >= self._limit():
                return self._pause("the limit of open files is near")
            try:
                connection, _address = listener.accept()
            except (BlockingIOError, InterruptedError):
                return None  # no connection waits
            except ConnectionError:
                continue  # the client went away meanwhile
            except OSError as error:
                return self._pause(error.strerror or type(error).__name__)
            connection.setblocking(False)
            self._open += 1
            task = self._loop.create_task(self._serve(connection))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)
        return None

    async def _serve(self, connection: socket.socket) -> None:
        protocols = list[asyncio.BaseProtocol]()

        def connect() -> asyncio.BaseProtocol:
            protocols.append(self._connect())
            return protocols[0]

        try:
            await self._loop.connect_accepted_socket(connect, connection)
        except OSError:
            connection.close()
            if not protocols:
                self.connection_closed()

    def _limit(self) -> int:
        """How many connections may be open. Other descriptors are reserved for files, vendors and databases."""
        now = time.monotonic()
        if now - self._counted_at >= COUNT_INTERVAL_S:
            total = open_files.limit()
            others = max(0, open_files.count_open() - self._open)
            self._max_connections = max(1, total - others - reserved_descriptors(total))
            self._counted_at = now
        return self._max_connections

    def _pause(self, reason: str) -> None:
        """Pause until a connection ends, or a second has passed, since other things use descriptors too."""
        now = time.monotonic()
        if now - self._logged_at >= LOG_INTERVAL_S:
            self._logged_at = now
            fix = "allow more open files: ulimit -n, or LimitNOFILE of the service"
            total = open_files.limit()
            log.warning("accepting_paused", reason=reason, connections=self._open, open_files=total, fix=fix)
        self._stop_reading()
        self._paused = self._loop.call_later(PAUSE_S, self._end_pause)

    def _end_pause(self) -> None:
        self._counted_at = -COUNT_INTERVAL_S
        self._resume()

    def _resume(self) -> None:
        self._stop_reading()
        for listener in self._listeners:
            self._loop.add_reader(listener, self._accept, listener)

    def _stop_reading(self) -> None:
        if self._paused is not None:
            self._paused.cancel()
            self._paused = None
        for listener in self._listeners:
            self._loop.remove_reader(listener)


def reserved_descriptors(total: int) -> int:
    """How many of ``most`` descriptors are reserved for other uses than connections."""
    return min(512, max(32, total // 8))
