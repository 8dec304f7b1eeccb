"""A copy of the checkout in which a test may add what it likes, and commands run in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.harness.processes import ROOT

COPIED = (
    "schemas",
    "infra",
    "connectors",
    "agent_worker",
    "gateway",
    "tests/channels",
    "tests/deploy",
    "tests/golden",
    "tests/harness",
)
FILES = ("pyproject.toml", "tests/conftest.py", "tests/unit/test_channel_names.py", "tests/unit/test_schema_export.py")
LEFT_OUT = shutil.ignore_patterns("*.pyc.*")
"""Compiled modules are copied, but none that is being written."""
DEADLINE = 150.0


@dataclass(frozen=True, slots=True)
class Checkout:
    folder: Path

    @classmethod
    def copy(cls, folder: Path) -> Checkout:
        for name in COPIED:
            shutil.copytree(ROOT / name, folder / name, ignore=LEFT_OUT)
        for name in FILES:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
        return cls(folder)

    def run(self, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
        """A command as somebody types it there: ``parley …``, ``python …``, or a module that is a program."""
        program, *arguments = command
        whole = {"parley": ["-m", "gateway.cli"], "python": []}.get(program, ["-m", program])
        environ = {name: value for name, value in os.environ.items() if not name.startswith("PARLEY")}
        return subprocess.run(
            [sys.executable, *whole, *arguments],
            cwd=self.folder,
            env=environ | {"PYTHONPATH": str(self.folder)} | env,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )

    def does(self, *command: str, **env: str) -> str:
        """The same, which has to succeed; what it printed."""
        done = self.run(*command, **env)
        assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr
