"""Whether the listen address can be had, before anything else is started."""

from __future__ import annotations

import socket

from schemas.errors import PortInUse


def check_port(host: str, port: int) -> None:
    """Raises PortInUse with the system's reason. Somebody may still take the address between this and its use."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # As the server does: an address whose last connections are still closing may be used.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        fix = "stop what holds it, or choose another with PARLEY_PORT"
        raise PortInUse(f"{host}:{port}: {error.strerror}", fix=fix) from error
