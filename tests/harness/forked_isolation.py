"""The isolated processes that read files, decode media and find groups of failures, forked where the processes of a
test run share a parent: to import what they need takes up to two seconds each time."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from agent_worker import isolated_process
from agent_worker.isolated_process import IsolatedProcess
from agent_worker.media import decoder
from agent_worker.sources import isolation
from gateway.insights import insight_reader
from tests.harness.shared_parent import programs_folder


class ForkedIsolatedProcess(IsolatedProcess):
    """The parent knows no modules but its own: where a test adds a folder of modules, the process starts as usual."""

    usual_path: tuple[str, ...] = ()

    def __init__(self, module: str, *arguments: str) -> None:
        folder = programs_folder() if tuple(sys.path) == self.usual_path else None
        interpreter = sys.executable if folder is None else str(folder / "python")
        super().__init__(module, *arguments, interpreter=interpreter)


def fork_isolated_processes() -> None:
    """Let this process fork its isolated ones."""
    ForkedIsolatedProcess.usual_path = tuple(sys.path)
    for module in (decoder, insight_reader, isolation):
        vars(module)["IsolatedProcess"] = ForkedIsolatedProcess


def allow_shared_memory() -> None:
    """Let the limit of isolated processes be beside the memory that this forked process shares with its parent."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    isolated_process.MEMORY_BYTES += pages * os.sysconf("SC_PAGE_SIZE")
