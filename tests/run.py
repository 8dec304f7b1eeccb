"""Run the check: lint, then the tests; say the result in one closing line.

The daily run takes the tests that tests/selection.py does not leave to the nightly one, which takes all.

The closing line is always `N passed, N failed, N skipped`, whatever went wrong before it. A failing lint step or a
server that cannot be had counts as one failure each, an error outside a test's body counts as a failure, and an
expected failure counts as skipped, because what it promises was not shown. A skipped test fails the run unless
ALLOWED_SKIPS names it: a promise that nobody checks is not kept.

A test that failed only because a wait ran out is repeated alone at the end, and has to pass twice (ADR 87). A wrong
result is never repeated.

    python -m tests.run [--quick | --nightly] [pytest arguments …]
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.selection import select

ROOT = Path(__file__).resolve().parent.parent
QUICK_FOLDERS = ("tests/unit/", "tests/channels/", "tests/contracts/", "tests/console/", "tests/e2e/")
PROCESSES = min(4, os.cpu_count() or 1) + 1
"""Each runs whole files, with a Redis of its own. One more than there are processors, because half of the
tests mostly wait; which files go together is said in tests/harness/file_scheduling.py."""
MEMORY = Path("/dev/shm")
NEEDED_BYTES = 6 << 30
"""Room for the files of the tests that run at one time, and for what failed."""
WAIT_EXPIRED = "wait_expired"
"""The property of a report that tests/harness/expired_waits.py sets."""
COMMANDS = {"quick": "make test-quick", "daily": "make test", "nightly": "make test-nightly"}
MOST_REPEATED = 3
"""Files whose tests are repeated because a wait ran out."""
ALLOWED_SKIPS: frozenset[str] = frozenset()
"""Node ids of tests that may be skipped. It is empty, and a change that adds to it has to say why."""
SLOWEST = 10
"""Files that are named at the end with what they took."""


@dataclass(eq=False)  # pytest keeps its plugins in sets
class Tally:
    """What happened, by node id; a pytest plugin. A test that fails twice (body, then teardown) is one failure."""

    passed: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    skipped: dict[str, str] = field(default_factory=dict)
    wrong: set[str] = field(default_factory=set)
    """Those that failed otherwise than by a wait that ran out."""
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    """By file, also those of fixtures."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid.partition("::")[0]] += report.duration
        if report.failed:
            self.fail(report.nodeid, is_wrong=(WAIT_EXPIRED, True) not in report.user_properties)
        elif report.skipped:
            self.skipped[report.nodeid] = _reason(report)
        elif report.when == "call" and report.nodeid not in self.failed:
            self.passed.add(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.fail(report.nodeid)
        elif report.skipped:
            self.skipped[report.nodeid] = _reason(report)

    def fail(self, what: str, *, is_wrong: bool = True) -> None:
        self.passed.discard(what)
        self.failed.add(what)
        if is_wrong:
            self.wrong.add(what)

    def forgive(self, test: str) -> None:
        self.failed.discard(test)
        self.passed.add(test)

    def unexplained(self) -> list[str]:
        return sorted(self.skipped.keys() - ALLOWED_SKIPS)

    def closing_line(self) -> str:
        return f"{len(self.passed)} passed, {len(self.failed)} failed, {len(self.skipped)} skipped"


class FileOrder:
    """Hands out the files in another order than they are found; a pytest plugin."""

    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        from tests.harness.file_scheduling import FileScheduler  # xdist may not be imported before pytest has loaded it

        return FileScheduler(config, log)


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    if hasattr(report, "wasxfail"):
        return f"expected to fail: {report.wasxfail}"
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2])
    return str(report.longrepr)


class Step:
    """One command before the tests; its failure is a failure of the run, but not its end."""

    def __init__(self, name: str, command: list[str]) -> None:
        self._name = name
        self._started = time.monotonic()
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def end(self, tally: Tally) -> None:
        said, _ = self._process.communicate()
        if status := self._process.returncode:
            tally.fail(self._name)
        print(f"== {self._name}", said.decode(errors="replace").rstrip(), sep="\n")
        told = f"FAILED ({status})" if status else "ok"
        print(f"== {self._name}: {told}, {time.monotonic() - self._started:.1f} s", flush=True)


def fetch_servers(tally: Tally) -> None:
    """Bring Kafka and Redis before the tests' clocks start. Without the launcher, tests that need them say so."""
    try:
        launcher = importlib.util.find_spec("infra.deploy.servers")
    except ModuleNotFoundError:
        launcher = None
    if launcher is None:
        print("== servers: infra.deploy.servers is not here", flush=True)
        return
    Step("servers", [sys.executable, "-m", "infra.deploy.servers", "fetch"]).end(tally)


def pytest_arguments(kind: str, extra: list[str]) -> list[str]:
    """Name the files, so that what is not run is not collected either."""
    arguments = ["--durations=15", "--durations-min=0.5", "--continue-on-collection-errors"]
    arguments += ["--override-ini=tmp_path_retention_policy=failed"]
    if kind == "quick":
        arguments += ["-m", "not scaled and not slow"]
    if any((ROOT / word.split("::")[0]).exists() and not word.startswith("-") for word in extra):
        return arguments + extra
    selection = select(ROOT, everything=kind == "nightly")
    files = selection.files
    if kind == "quick":
        files = [file for file in files if file.startswith(QUICK_FOLDERS)]
    else:
        print(f"== {selection.describe()}", flush=True)
    arguments += [*selection.options, f"--numprocesses={PROCESSES}", "--dist=loadfile", "--no-loadscope-reorder"]
    return arguments + extra + files


@contextmanager
def files_in_memory() -> Iterator[None]:
    """Let the files of the tests and of their servers be in memory, where there is room: thousands of new databases
    wait for the disk otherwise, and none of the tests cuts the power. ``TMPDIR`` decides instead where it is set."""
    has_room = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > NEEDED_BYTES
    if "TMPDIR" in os.environ or not has_room or _available_bytes() < NEEDED_BYTES:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="parley-tests-", dir=MEMORY, ignore_cleanup_errors=True) as folder:
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        try:
            yield
        finally:
            del os.environ["TMPDIR"]
            tempfile.tempdir = None


def _available_bytes() -> int:
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    return 0


@contextmanager
def shared_servers(needs_kafka: bool) -> Iterator[None]:
    """Let the processes of the run share the parent of Parley's processes, which imports everything once, and a Kafka:
    each of them takes a processor a minute for itself. Redis takes nearly nothing, so each has its own."""
    from infra.deploy import servers  # not before the modules can be found
    from infra.deploy.process import ServerError
    from tests.harness.processes import ForkParent
    from tests.harness.shared_parent import SHARED

    with ExitStack() as stack:
        parent = ForkParent()
        stack.callback(parent.close)
        shared = {SHARED: str(parent.folder)}
        if needs_kafka and os.environ.get("PARLEY_TEST_SERVERS") != "none":
            with suppress(ServerError):  # the tests that need it say so
                shared["KAFKA_BOOTSTRAP"] = stack.enter_context(servers.kafka())
        stack.enter_context(changed_environment(shared))
        yield


@contextmanager
def changed_environment(changes: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}
    os.environ |= changes
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def compile_once() -> None:
    """Let this process and all below it keep compiled modules, whatever the environment says: they start hundreds of
    interpreters."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


def run_tests(tally: Tally, arguments: list[str]) -> None:
    named = [word for word in arguments if not word.endswith(".py")]
    print(f"== pytest {' '.join(named)} ({len(arguments) - len(named)} files)", flush=True)
    status = pytest.main(arguments, plugins=[tally, FileOrder()])
    if status == pytest.ExitCode.NO_TESTS_COLLECTED:
        tally.fail("pytest found no test")
    elif status and not tally.failed:
        tally.fail(f"pytest ended with {status!r}")


def repeat_expired_waits(tally: Tally) -> None:
    """Run the tests again of which only a wait ran out. Many of them are a defect, so then none is repeated."""
    expired: defaultdict[str, list[str]] = defaultdict(list)
    for test in sorted(tally.failed - tally.wrong):
        expired[test.partition("::")[0]].append(test)
    if len(expired) > MOST_REPEATED:
        return
    for file, names in expired.items():
        print(f"== waits ran out, again alone: {file}", flush=True)
        command = [sys.executable, "-m", "pytest", "-q", *names]
        if all(subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL).returncode == 0 for _ in range(2)):
            for test in names:
                tally.forgive(test)
                print(f"slow: {test}: a wait ran out beside other tests; passed twice alone")


def write_report(tally: Tally, kind: str, seconds: float) -> None:
    """``reports/test.json``: what `make house` shows of the newest run, and the files that took longest."""
    folder = ROOT / "reports"
    folder.mkdir(exist_ok=True)
    slowest = sorted(tally.seconds.items(), key=lambda item: -item[1])[:60]
    run: dict[str, Any] = {
        "command": COMMANDS[kind],
        "seconds": seconds,
        "result": tally.closing_line(),
        "slowest_files": {file: round(spent, 1) for file, spent in slowest},
    }
    (folder / "test.json").write_text(json.dumps(run) + "\n", encoding="utf-8")


def report(tally: Tally) -> None:
    for file, spent in sorted(tally.seconds.items(), key=lambda item: -item[1])[:SLOWEST]:
        print(f"slowest files: {spent:6.1f} s  {file}")
    for name in sorted(tally.failed):
        print(f"failed: {name}")
    for name in tally.unexplained():
        print(f"skipped without leave: {name}: {tally.skipped[name]}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Lint, fetch servers, run the tests.")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--quick", dest="kind", action="store_const", const="quick", help="only what needs no servers")
    kinds.add_argument("--nightly", dest="kind", action="store_const", const="nightly", help="all tests")
    parser.set_defaults(kind="daily")
    parser.add_argument("--no-lint", action="store_true", help="go straight to the tests")
    options, extra = parser.parse_known_args()
    os.chdir(ROOT)
    compile_once()
    # Threads of numpy would take turns with the other processes of the run, and spin while they wait for each other.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(ROOT / ".cache" / "hypothesis"))
    # Which scenarios are played on Kafka and Redis; all processes of the run have to agree on it.
    print(f"PARLEY_MATRIX_SEED={os.environ.setdefault('PARLEY_MATRIX_SEED', str(random.randrange(10**6)))}")
    tally, started = Tally(), time.monotonic()
    if not options.no_lint:
        # Not beside the tests, which would wait for a processor, and have deadlines.
        Step("lint", ["make", "--no-print-directory", "lint"]).end(tally)
    try:
        if options.kind != "quick":
            fetch_servers(tally)
        arguments = pytest_arguments(options.kind, extra)
        many = any(word.startswith("--numprocesses") for word in arguments)
        if many and options.kind != "nightly":
            os.environ.setdefault("TEST_SIZE", "daily")
        with files_in_memory(), shared_servers(options.kind != "quick") if many else nullcontext():
            run_tests(tally, arguments)
    except BaseException as error:
        tally.fail(f"the run itself: {error!r}")
    with files_in_memory():
        repeat_expired_waits(tally)
    if not extra:
        write_report(tally, options.kind, time.monotonic() - started)
    report(tally)
    sys.stderr.flush()
    print(tally.closing_line(), flush=True)
    return 1 if tally.failed or tally.unexplained() else 0


if __name__ == "__main__":
    sys.exit(main())
