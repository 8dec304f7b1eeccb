"""Install Debian packages, where this process may: the servers and the browser that tests need."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence

from infra.deploy.process import ServerError

TIMEOUT_S = 600.0
_LOCKED = "Could not get lock"


def can_install() -> bool:
    """Return whether this is root on a Debian-like machine."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(packages: Sequence[str], hint: str) -> None:
    """Install with apt-get, waiting for another apt that holds a lock. Raises ServerError with ``hint``."""
    # Installing a server must not start it: the tests start their own, on ports of their own.
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    until = time.monotonic() + TIMEOUT_S
    for arguments in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
        command = ["apt-get", "-o", f"DPkg::Lock::Timeout={TIMEOUT_S:.0f}", *arguments]
        while True:
            result = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
            )
            # The option above waits for dpkg's own lock, not for that of the package lists.
            if _LOCKED not in result.stderr or time.monotonic() > until:
                break
            time.sleep(5)
        if result.returncode:
            raise ServerError(f"apt-get {arguments[0]} failed ({hint}):\n{result.stderr[-1000:]}")
