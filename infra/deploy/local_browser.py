"""Where the browser tests get Chromium: named by `CHROMIUM`, on the PATH, or installed from Debian."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable

from infra.deploy.process import ServerError

_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_PACKAGES = ("chromium", "fonts-dejavu-core", "fonts-noto-core", "fonts-noto-color-emoji")
_INSTALL_HINT = "on Debian: apt-get install -y chromium; elsewhere name a Chromium with CHROMIUM=/path/to/it"
_INSTALL_TIMEOUT_S = 600.0


def find() -> str | None:
    """The path of a Chromium, or None. `CHROMIUM` wins."""
    if given := os.environ.get("CHROMIUM"):
        return shutil.which(given)
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


def fetch(say: Callable[[str], None] = lambda _line: None) -> str:
    """The path of a Chromium, installing it when that is allowed. Raises ServerError with what to do."""
    found = find()
    if found is None and "CHROMIUM" not in os.environ and os.geteuid() == 0 and shutil.which("apt-get"):
        say("chromium: installing with apt-get")
        _install()
        found = find()
    if found is None:
        raise ServerError(f"there is no Chromium for the browser tests ({_INSTALL_HINT})")
    say(f"chromium: ready as {found}")
    return found


def _install() -> None:
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *_PACKAGES]):
        result = subprocess.run(
            ["apt-get", *arguments], env=quiet, capture_output=True, text=True, timeout=_INSTALL_TIMEOUT_S, check=False
        )
        if result.returncode:
            raise ServerError(f"apt-get {arguments[0]} failed ({_INSTALL_HINT}):\n{result.stderr[-1000:]}")
