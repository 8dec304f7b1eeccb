"""The parent of Parley's processes that all processes of a test run share (tests/run.py), where there is one.

Its folder is in the environment. Programs that tests start often are forked from it then, and otherwise start as they
do for an operator.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

SHARED = "TEST_FORK_SERVER"
"""The variable with the folder."""


def programs_folder() -> Path | None:
    """The folder with a `parley` and a `python` that are forked."""
    return Path(folder) / "programs" if (folder := os.environ.get(SHARED)) else None


def parley_command() -> list[str]:
    """The beginning of a command line that runs `parley`."""
    folder = programs_folder()
    return [sys.executable, "-m", "gateway.cli"] if folder is None else [str(folder / "parley")]
