"""WebSockets that end as those of a killed process or a broken network do: without a closing frame."""

from __future__ import annotations

import socket
import struct

from aiohttp import ClientWebSocketResponse

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""Value of SO_LINGER with which a socket that is closed sends RST."""


def cut(websocket: ClientWebSocketResponse, *, reset: bool) -> None:
    """End the connection at once: with RST, or else with FIN."""
    connection = websocket._conn  # aiohttp gives nobody its transport
    assert connection is not None
    assert connection.transport is not None
    if reset:
        websocket.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        connection.transport.abort()
    else:
        connection.transport.close()
