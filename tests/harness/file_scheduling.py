"""Distributes whole test files to the processes of a run, not too many of one kind at once.

Some files mostly wait (for processes to start, for leases and sessions to end), others mostly compute. Side by side the
ones fill the time of the others; only waiting ones together would compete for the moments in which they do compute, and
only computing ones would leave a third process without a processor."""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

WAITING = (
    "tests/canaries/",
    "tests/deploy/",
    "tests/e2e/",
    "tests/faults/",
    "tests/measure/",
    "tests/scenarios/",
    "tests/telemetry/",
)
LONGEST = (
    "tests/faults/test_torture.py",
    "tests/measure/test_bench.py",
    "tests/e2e/test_replay.py",
    "tests/faults/test_kills.py",
    "tests/scenarios/test_kills.py",
    "one installation",
    "tests/e2e/test_desk.py",
    "tests/e2e/test_backup.py",
    "tests/canaries/test_canaries.py",
    "tests/scenarios/desk/test_outage.py",
    "tests/scenarios/test_embedded.py",
    "tests/scenarios/desk/test_kills.py",
    "tests/deploy/test_adding_a_channel.py",
    "tests/faults/test_actions.py",
    "tests/e2e/test_source_sync.py",
    "tests/e2e/test_desk_races.py",
    "tests/e2e/models/",
    "tests/deploy/test_upgrade.py",
    "tests/scenarios/test_scaled.py",
    "tests/scenarios/desk/test_embedded.py",
    "tests/scenarios/desk/test_scaled.py",
    "tests/scenarios/test_secret_rotation.py",
    "tests/e2e/test_erasure_requests.py",
    "tests/e2e/test_erasure.py",
    "tests/e2e/test_desk_erasure.py",
    "tests/faults/test_holders.py",
)
"""More than twenty seconds each: they come first, so that none is begun when the others are nearly done."""
ONE_INSTALLATION = {
    f"tests/faults/test_{name}.py" for name in ("broker_outage", "elasticity", "overload", "redis_outage", "zombies")
}
"""They share an installation with servers of its own (tests/faults/conftest.py), so one process runs them all."""
ONE_SITE = {"tests/site/test_references.py", "tests/site/test_site.py"}
"""They look at the built documentation, so one process builds it."""
MODELS = "tests/e2e/models/"
"""They share an installation, which would wait in each process that runs some of them."""


class FileScheduler(LoadFileScheduling):  # type: ignore[misc]  # it has no types
    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        if file in ONE_INSTALLATION:
            return "one installation"
        if file.startswith(MODELS):
            return MODELS
        return "one site" if file in ONE_SITE else file

    def _assign_work_unit(self, node: WorkerController) -> None:
        others = [self.assigned_work[other] for other in self.nodes if other is not node]
        waiting = sum(any(waits(file) and not all(tests.values()) for file, tests in work.items()) for work in others)
        self.workqueue.move_to_end(next_of([*self.workqueue], waiting, len(others)), last=False)
        super()._assign_work_unit(node)


def waits(file: str) -> bool:
    return file == "one installation" or file.startswith(WAITING)


def next_of(files: list[str], waiting: int, others: int) -> str:
    """``waiting`` of so many other processes are at a file that waits: all but one may be."""
    patient = [file for file in LONGEST if file in files] + [f for f in files if waits(f) and f not in LONGEST]
    busy = [file for file in files if not waits(file)]
    return patient[0] if patient and (waiting < others or not busy) else busy[0]
