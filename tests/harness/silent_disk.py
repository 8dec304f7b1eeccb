"""A disk that answers only when it is let."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from infra.database.committer import DiskThread, Done


@contextmanager
def silent_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """While the event is not set, nothing comes back from the disk. It is set at first."""
    answers = threading.Event()
    answers.set()
    run = DiskThread.run

    def run_late(self: DiskThread, job: Callable[[], Any], done: Done) -> None:
        def wait() -> Any:
            answers.wait()
            return job()

        run(self, wait, done)

    monkeypatch.setattr(DiskThread, "run", run_late)
    yield answers
    answers.set()
