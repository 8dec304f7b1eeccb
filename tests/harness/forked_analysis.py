"""The process that finds groups of failures, forked where the processes of a test run share a parent: it loads
scikit-learn, which takes two seconds each time."""

from __future__ import annotations

import sys

from agent_worker.isolated_process import IsolatedProcess
from gateway.insights import insight_reader
from tests.harness.shared_parent import programs_folder


class ForkedAnalysis(IsolatedProcess):
    def __init__(self, module: str) -> None:
        folder = programs_folder()
        super().__init__(module, interpreter=sys.executable if folder is None else str(folder / "python"))


def fork_analyses() -> None:
    """Let this process fork its analyses."""
    vars(insight_reader)["IsolatedProcess"] = ForkedAnalysis
