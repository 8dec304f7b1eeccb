"""The limit on open files: raised as far as the system allows; an error says what to do where that is too low."""

from __future__ import annotations

import subprocess
import sys

from infra.open_files import FEWEST

PROGRAM = """
import resource
from infra import open_files
from schemas.errors import SetupError
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
try:
    open_files.raise_limit()
    print(open_files.limit())
except SetupError as error:
    print(error.message, error.fix, sep="; ")
"""


def raise_limit(soft: int, hard: int) -> str:
    """What a process prints that may open so many files."""
    program = PROGRAM.format(soft=soft, hard=hard)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def test_the_limit_is_raised_as_far_as_the_system_allows() -> None:
    assert raise_limit(64, FEWEST) == f"{FEWEST}"


def test_a_limit_that_cannot_be_raised_enough_is_an_error_with_its_fix() -> None:
    message = raise_limit(64, FEWEST - 1)
    assert message.startswith(f"this process may open only {FEWEST - 1} files, and it needs {FEWEST}; ")
    assert f"ulimit -n {FEWEST}" in message
