"""The first steps of a newcomer with a built wheel: install it, create a project, start it, ask a question.

``python -m tests.deploy.first_steps`` takes them as a newcomer does, with pip, in a new virtual environment.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from infra.deploy.process import free_port
from tests.harness.processes import ROOT

STARTS_WITHIN_S = 120.0


def build_command(folder: Path, checkout: str) -> list[str]:
    """What Python is told."""
    return ["-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), checkout]


def build_wheel(folder: Path) -> Path:
    """The wheel of this checkout, built into ``folder`` without a network."""
    subprocess.run([sys.executable, *build_command(folder, str(ROOT))], check=True, capture_output=True, timeout=120)
    return next(folder.glob("*.whl"))


def ask_new_project(parley: Path, folder: Path, question: str) -> dict[str, Any]:
    """Run `parley init shop` and `parley dev` in ``folder``; the answer that `parley chat --json` prints."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("PARLEY", "PYTHON"))}
    environment |= {"PARLEY_PORT": str(free_port()), "PARLEY_MODEL": "local"}

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [parley, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"parley {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    run("init", "shop")
    log = folder / "dev.log"
    with log.open("wb") as events, (folder / "dev.out").open("wb") as output:
        dev = subprocess.Popen([parley, "dev"], cwd=folder, env=environment, stdout=output, stderr=events)
    try:
        _wait_ready(dev, environment["PARLEY_PORT"], log)
        answer: dict[str, Any] = json.loads(run("chat", "-m", question, "--json"))
    finally:
        dev.send_signal(signal.SIGTERM)
        status = dev.wait(60)
    assert status == 0, log.read_text()
    assert all(json.loads(line)["event"] for line in log.read_text().splitlines())
    return answer


def _wait_ready(dev: subprocess.Popen[bytes], port: str, log: Path) -> None:
    until = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < until:
        assert dev.poll() is None, f"`parley dev` ended with {dev.returncode}:\n{log.read_text()}"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise AssertionError(f"not ready after {STARTS_WITHIN_S} s:\n{log.read_text()}")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel = build_wheel(folder)
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        subprocess.run([folder / "venv" / "bin" / "pip", "install", "--quiet", wheel], check=True)
        (project := folder / "somewhere").mkdir()
        answer = ask_new_project(folder / "venv" / "bin" / "parley", project, "How long does delivery take?")
        assert answer["citations"], answer
        print(f"{wheel.name}: installed, started, answered: {answer['text']}")


if __name__ == "__main__":
    main()
