"""Somebody who follows a page: its commands in a shell, its files where it says, its servers in the background."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from infra.deploy.process import free_port
from tests.harness.processes import ROOT
from tests.site.blocks import Block

CHAT, SITE = "8080", "8001"
"""The ports on the pages."""
DEADLINE_S = 120.0


@dataclass
class Reader:
    """Somebody who does what the page says. ``home`` is their home folder, ``variables`` those of their terminals,
    ``printed`` what they saw last. ``programs`` has the `parley` that they run."""

    programs: ClassVar[Path] = ROOT / ".venv" / "bin"
    home: Path
    ports: dict[str, str] = field(default_factory=lambda: {CHAT: str(free_port()), SITE: str(free_port())})
    servers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    folder: Path = Path()
    printed: str = ""
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder = self.home

    def does(self, block: Block) -> None:
        """Carry out a block. An output that differs from the page's is an AssertionError."""
        if block.kind == "sh":
            self._does_commands(block)
        elif block.about == "output":
            assert self.printed == block.text.replace("~", str(self.home)), f"{block}: {self.printed}"
        elif block.about == "dialogue":
            said = [line.removeprefix("> ") for line in block.text.splitlines() if line.startswith("> ")]
            heard = "".join(line for line in block.text.splitlines(keepends=True) if not line.startswith("> "))
            assert self.run("parley chat", "\n".join(said) + "\n") == heard, block
        else:
            self._writes(block)

    def stop(self) -> None:
        for server in self.servers.values():
            server.terminate()
        for server in self.servers.values():
            server.wait(60)
        self.servers.clear()

    def _does_commands(self, block: Block) -> None:
        self.printed = ""
        for command in block.text.splitlines():
            if command.startswith("cd "):
                self.folder = Path(command.removeprefix("cd ").replace("~", str(self.home)))
            elif command.startswith("export PATH"):
                assert command == 'export PATH="$PWD/.venv/bin:$PATH"'
            elif command.startswith("make "):
                # Done already: this environment is what it makes.
                subprocess.run([*shlex.split(command), "--dry-run"], cwd=ROOT, check=True, capture_output=True)
            elif command == "parley dev":
                self.serve(command, self.ports[CHAT], "/readyz")
            elif "http.server" in command:
                self.serve(command.replace(SITE, self.ports[SITE]), self.ports[SITE], "/")
            elif command != "parley chat":  # its dialogue follows
                self.printed += self.run(command)

    def _writes(self, block: Block) -> None:
        """Write a file; where it exists, replace the lines that set the same things."""
        path = self.folder / block.about
        text = re.sub(f"{CHAT}|{SITE}", lambda port: self.ports[port[0]], block.text)
        if path.exists():
            key, _, _ = text.partition(":")
            whole, count = re.subn(rf"(?m)^{key}:.*\n", lambda _: text, path.read_text())
            assert count == 1, block
            text = whole
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def environment(self) -> dict[str, str]:
        left_out = ("KAFKA", "PARLEY", "PYTHON", "REDIS")
        kept = {name: text for name, text in os.environ.items() if not name.startswith(left_out)}
        # A package of their own is found by an interpreter that starts, not by one that is forked.
        quick = "" if "PYTHONPATH" in self.variables else f"{self.programs}:"
        path = f"{quick}{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"
        own = {"PARLEY_PORT": self.ports[CHAT], "PARLEY_MODEL": "local", "PATH": path, "HOME": str(self.home)}
        return kept | own | self.variables

    def run(self, command: str, said: str = "") -> str:
        done = subprocess.run(
            shlex.split(command),
            cwd=self.folder,
            env=self.environment(),
            input=said,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def run_script(self, script: str) -> str:
        """Run lines as a shell does, with the addresses of this reader's servers; what they print."""
        return self.run(
            shlex.join(["bash", "-euo", "pipefail", "-c", script.replace(f":{CHAT}/", f":{self.ports[CHAT]}/")])
        )

    def serve(self, command: str, port: str, path: str) -> None:
        """Start a server, and wait until it answers. One that runs at this port is stopped."""
        self.start(command, port)
        self.wait_for(port, path)

    def start(self, command: str, port: str) -> None:
        self._stop(port)
        log = self.home / f"{port}.log"
        with log.open("wb") as output:
            server = subprocess.Popen(
                shlex.split(command),
                cwd=self.folder,
                env=self.environment() | {"PARLEY_PORT": port},
                stdout=output,
                stderr=output,
            )
        self.servers[port] = server

    def wait_for(self, port: str, path: str) -> None:
        server, log = self.servers[port], self.home / f"{port}.log"
        until = time.monotonic() + DEADLINE_S
        while not _answers(f"http://127.0.0.1:{port}{path}"):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.05)

    def _stop(self, port: str) -> None:
        server = self.servers.pop(port, None)
        if server is not None:
            server.terminate()
            server.wait(60)


def insert_below(file: Path, line: str, text: str) -> None:
    """Insert lines below the only line that is this one."""
    before = file.read_text()
    assert before.count(f"\n{line}\n") == 1, before
    file.write_text(before.replace(f"\n{line}\n", f"\n{line}\n{text}"))


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False
