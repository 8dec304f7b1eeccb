"""The path that one inbound message takes through the modules of a turn, recorded while it runs.

A copy of the example shop is served by one process on SQLite, with the `local` model and the light encoder. A question
is asked twice over the REST chat, each time by a new visitor; the second turn is recorded with ``sys.setprofile``, when
everything is loaded.

A step is the first call of a function during ``TurnEngine.handle``, in the task that runs it. The resumption of a
coroutine is no call. Constructors, properties, lambdas and comprehensions are no steps: a reader does not leave the
page for them. Only the modules that make a turn count: all of `agent_worker` but the services that a turn asks
(``SERVICES``), whose own length is another matter. A visit is a step in another module than the step before, and a
return is a visit to a module that was visited earlier.

At ad158ba this counts 66 visits, 22 modules and 44 returns. A static trace of the same revision, which also follows
branches that this message does not take, had 76, 25 and 51.
"""

from __future__ import annotations

import ast
import asyncio
import json
import opcode
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

SERVICES = (
    *("actions/", "grounding/", "knowledge/", "learning/", "models/", "nlu/", "reading/", "router/", "sources/"),
    *("intents/", "corrections.py", "language.py", "translations.py", "yes_no.py"),  # nlu, as older revisions have it
)
"""Folders of `agent_worker` that a turn asks."""
TURN = ("TurnEngine.handle",)
QUESTION = "How often should I water my Nepenthes?"
TENANT = "plantstore"
DEADLINE_S = 120.0


@dataclass(frozen=True)
class TurnPath:
    """``visits``: modules in the order of the visits."""

    visits: tuple[str, ...]

    @property
    def modules(self) -> int:
        return len(set(self.visits))

    @property
    def returns(self) -> int:
        return len(self.visits) - self.modules


def record_path(root: Path) -> TurnPath:
    """Serve the tree at ``root``, ask it and read off the path of the second turn."""
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "turns.jsonl"
        with _serving(root, Path(folder), trace) as address:
            for number in (1, 2):
                _ask(address)
                _wait_for_turns(trace, number)
        steps = json.loads(trace.read_text(encoding="utf-8").splitlines()[1])
    return TurnPath(tuple(_visits(steps, _properties(root))))


def _visits(steps: list[tuple[str, str]], properties: set[tuple[str, str]]) -> Iterator[str]:
    seen: set[tuple[str, str]] = set()
    current = ""
    for path, function in steps:
        name = function.rpartition(".")[2]
        if name.startswith(("__", "<")) or (path, function) in properties or (path, function) in seen:
            continue
        seen.add((path, function))
        if path != current:
            current = path
            yield path


def _properties(root: Path) -> set[tuple[str, str]]:
    """File and qualified name of every property of the agent worker."""
    return {
        (file.relative_to(root).as_posix(), f"{outer.name}.{node.name}")
        for file in (root / "agent_worker").rglob("*.py")
        for outer in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(outer, ast.ClassDef)
        for node in outer.body
        if isinstance(node, ast.FunctionDef) and any("property" in ast.unparse(each) for each in node.decorator_list)
    }


# ── the served shop ──────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _serving(root: Path, folder: Path, trace: Path) -> Iterator[str]:
    """A process that records its turns; its address once it is ready."""
    from infra.deploy.process import free_port  # in the served process it is the measured tree's

    shop, port = folder / "shop", free_port()
    shutil.copytree(root / "examples" / TENANT, shop, ignore=shutil.ignore_patterns(".parley"))
    config = shop / "parley.yaml"
    config.write_text(config.read_text(encoding="utf-8").replace("encoder: auto", "encoder: light"), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(root), "PARLEY_PORT": str(port)}
    command = [sys.executable, str(Path(__file__).resolve()), str(trace), "dev", "--config", str(config)]
    log = folder / "log"
    with log.open("wb") as out:
        child = subprocess.Popen(command, cwd=root, env=environment, stdout=out, stderr=out)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(address, child, log)
        yield address
    finally:
        child.terminate()
        child.wait(60)


def _wait_until_ready(address: str, child: subprocess.Popen[bytes], log: Path) -> None:
    begun = time.monotonic()
    while True:
        try:
            with urllib.request.urlopen(f"{address}/readyz", timeout=5):
                return
        except OSError:
            if child.poll() is not None or time.monotonic() - begun > DEADLINE_S:
                raise SystemExit(f"the shop is not ready:\n{log.read_text(errors='replace')[-2000:]}") from None
            time.sleep(0.1)


def _ask(address: str) -> None:
    """One question of a new visitor, until it is answered."""
    chat = f"{address}/v1/chat/{TENANT}"
    token = _call(f"{chat}/sessions", {"account": "main"})["visitor_token"]
    _call(f"{chat}/messages", {"client_msg_id": "1", "text": QUESTION}, token)
    after, begun = 0, time.monotonic()
    while time.monotonic() - begun < DEADLINE_S:
        answer = _call(f"{chat}/messages?after={after}&wait=20", None, token)
        if any(message["author"]["kind"] == "agent" for message in answer["messages"]):
            return
        after = answer["seq"]
    raise SystemExit("the question was not answered")


def _call(url: str, body: dict[str, str] | None, token: str = "") -> dict[str, Any]:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=60) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


def _wait_for_turns(trace: Path, number: int) -> None:
    begun = time.monotonic()
    while not trace.exists() or trace.read_text(encoding="utf-8").count("\n") < number:
        if time.monotonic() - begun > DEADLINE_S:
            raise SystemExit(f"no turn was recorded; is there a function named {' or '.join(TURN)}?")
        time.sleep(0.05)


# ── inside the served process ────────────────────────────────────────────────────────────────────────────────────────


class Recorder:
    """A profile function that writes the calls of each turn as one line of JSON."""

    def __init__(self, root: Path, trace: Path) -> None:
        self._prefix = f"{root}/agent_worker/"
        self._cut = len(str(root)) + 1
        self._skipped = tuple(f"{self._prefix}{name}" for name in SERVICES)
        self._trace = trace
        self._turn: FrameType | None = None
        self._task: asyncio.Task[Any] | None = None
        self._frames: set[FrameType] = set()
        self._steps: list[tuple[str, str]] = []

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        if event == "call" and self._turn is None and code.co_qualname in TURN:
            self._turn, self._task = frame, asyncio.current_task()
        if self._turn is None or not code.co_filename.startswith(self._prefix):
            return
        if event == "call":
            self._note(frame, code)
        elif event == "return" and frame is self._turn and _has_ended(frame):
            self._write()

    def _note(self, frame: FrameType, code: CodeType) -> None:
        """A frame that is called again is a coroutine that goes on."""
        if frame in self._frames or code.co_filename.startswith(self._skipped) or _current_task() is not self._task:
            return
        self._frames.add(frame)
        self._steps.append((code.co_filename[self._cut :], code.co_qualname))

    def _write(self) -> None:
        with self._trace.open("a", encoding="utf-8") as out:
            out.write(json.dumps(self._steps) + "\n")
        self._turn = self._task = None
        self._frames.clear()
        self._steps.clear()


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # a call outside the loop
        return None


def _has_ended(frame: FrameType) -> bool:
    """Whether the frame returns for good; a coroutine that waits is left by the same event."""
    return opcode.opname[frame.f_code.co_code[frame.f_lasti]].startswith("RETURN_")


def main() -> None:
    root, trace = Path.cwd(), Path(sys.argv[1])
    sys.argv = ["parley", *sys.argv[2:]]
    sys.path[0] = str(root)
    sys.setprofile(Recorder(root, trace))
    from gateway.cli import main as parley

    parley()


if __name__ == "__main__":
    main()
