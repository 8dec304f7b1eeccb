"""Find Chromium for the browser tests: named by `CHROMIUM`, on the PATH, or installed from Debian."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

from infra.deploy import apt
from infra.deploy.process import ServerError

_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_PACKAGES = ("chromium", "fonts-dejavu-core", "fonts-noto-core", "fonts-noto-color-emoji")
_INSTALL_HINT = "on Debian: apt-get install -y chromium; elsewhere name a Chromium with CHROMIUM=/path/to/it"


def find() -> str | None:
    """The path of a Chromium, or None. `CHROMIUM` wins."""
    if configured := os.environ.get("CHROMIUM"):
        return shutil.which(configured)
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


def fetch(say: Callable[[str], None] = lambda _line: None) -> str:
    """The path of a Chromium, installed first when that is allowed. Raises ServerError with what to do."""
    path = find()
    if path is None and "CHROMIUM" not in os.environ and apt.can_install():
        say("chromium: installing with apt-get")
        apt.install(_PACKAGES, _INSTALL_HINT)
        path = find()
    if path is None:
        raise ServerError(f"there is no Chromium for the browser tests ({_INSTALL_HINT})")
    say(f"chromium: ready as {path}")
    return path
