"""Starts Parley's processes by forking a parent that has everything imported, so that a hundred starts stay quick.

    python -m tests.harness.fork_server

Reads JSON lines ``{"args", "env", "log", "tag"}``, writes ``{"tag", "pid"}`` and later ``{"pid", "status"}``.

Children are real processes with their own memory, sockets and files; only the import of modules is shared. They die
with this parent, and this parent with its standard input.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import sys
from typing import Any

from schemas.errors import MissingDependency
from tests.harness import task_dump

PR_SET_PDEATHSIG = 1
FREEZE = signal.SIGUSR2


def warm() -> None:
    """Import what the children need. Nothing here may start a thread or open a socket."""
    import aiokafka  # noqa: F401
    import obstore  # noqa: F401
    import redis.asyncio  # noqa: F401
    import tantivy  # noqa: F401

    import agent_worker
    import connectors
    import gateway
    import infra
    import schemas

    for package in (gateway, connectors, agent_worker, infra, schemas):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            with contextlib.suppress(MissingDependency):  # torch has an environment of its own
                importlib.import_module(module.name)
    from agent_worker.actions.parsing.date_languages import load_date_parser
    from agent_worker.knowledge.vectors.encoder import light_encoder
    from agent_worker.nlu.classification import load_phrases
    from agent_worker.nlu.language_detection import load_language_model
    from agent_worker.translations import load_translations

    load_language_model()
    load_date_parser()
    light_encoder()
    load_phrases()
    load_translations()
    # What is here now is never garbage: a child that looked through it would only copy the pages.
    gc.collect()
    gc.freeze()


def become(request: dict[str, Any]) -> None:
    """Turn this forked child into a Parley process. Does not return."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.environ.update(request["env"])
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    from gateway.cli import main
    from schemas.runtime import crash_points

    crash_points.arm(os.environ.get("PARLEY_CRASH_AT", ""))
    _adjust()
    task_dump.install_dump_signal()
    sys.argv = ["parley", *request["args"]]
    status = 1
    try:
        main()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _adjust() -> None:
    """What a test may change in a process and an operator may not: ``TEST_KAFKA_PROFILE`` (fields as JSON) makes the
    client less patient, ``TEST_STOP_AT`` (a crash point) lets the signal
    ``FREEZE`` stop it there until SIGCONT, ``TEST_DISK`` (a folder) puts
    tests/harness/faulty_disk.py under SQLite, ``TEST_MUTANT`` brings one of the defects of tests/harness/mutants.py,
    ``TEST_DESK=webhook`` lets it know the desk of tests/desks, ``TEST_OBEY`` makes the local model call whatever a
    message says (tests/harness/command_model.py), ``TEST_RELEASE`` makes it write as another release would
    (tests/deploy/other_release.py), ``TEST_RETENTION`` (seconds) shortens retention and its floors
    (tests/harness/short_retention.py), ``TEST_HURRY``, ``TEST_HURRY_DESK``, ``TEST_HURRY_ERASURE`` (factors) and
    ``TEST_AHEAD`` (seconds) are explained in tests/harness/short_timeouts.py, ``TEST_SCRYPT_COST`` is that of the keys
    of backups."""
    if seconds := os.environ.get("TEST_RETENTION"):
        from tests.harness.short_retention import shorten_retention

        shorten_retention(float(seconds))
    if fields := os.environ.get("TEST_KAFKA_PROFILE"):
        from infra.bus.kafka.bus import KafkaBus
        from infra.bus.kafka.profile import KafkaProfile

        defaults = KafkaBus.__init__.__kwdefaults__
        assert defaults is not None
        defaults["profile"] = KafkaProfile(**json.loads(fields))
    if point := os.environ.get("TEST_STOP_AT"):
        from schemas.runtime import crash_points

        signal.signal(FREEZE, lambda _number, _frame: crash_points.arm(point))
        vars(crash_points)["os"] = _FreezingSystem()
    if mutant := os.environ.get("TEST_MUTANT"):
        from tests.harness import mutants

        mutants.install_mutant(mutant)
    if os.environ.get("TEST_OBEY"):
        from tests.harness import command_model

        command_model.install()
    if release := os.environ.get("TEST_RELEASE"):
        from tests.deploy import other_release

        other_release.become(release)
    if os.environ.get("TEST_DESK") == "webhook":
        from tests import desks

        desks.install()
    if cost := os.environ.get("TEST_SCRYPT_COST"):
        from infra.backup import encryption

        encryption.SCRYPT_COST = int(cost)
    if folder := os.environ.get("TEST_DISK"):
        from tests.harness import faulty_disk

        faulty_disk.install(folder)
    _adjust_time()


def _adjust_time() -> None:
    from tests.harness import short_timeouts

    for name, adjust in (
        ("TEST_HURRY", short_timeouts.shorten_timeouts),
        ("TEST_HURRY_DESK", short_timeouts.speed_up_desk),
        ("TEST_HURRY_ERASURE", short_timeouts.speed_up_erasure),
        ("TEST_AHEAD", short_timeouts.set_clock_ahead),
    ):
        if value := os.environ.get(name):
            adjust(float(value))


class _FreezingSystem:
    """In place of ``os`` for the crash points: they stop the process where they would kill it, once."""

    @staticmethod
    def getpid() -> int:
        return os.getpid()

    @staticmethod
    def kill(pid: int, _number: int) -> None:
        from schemas.runtime import crash_points

        crash_points.arm("")
        os.kill(pid, signal.SIGSTOP)


def tell(message: dict[str, Any]) -> None:
    os.write(1, json.dumps(message).encode() + b"\n")


def reap(_number: int = 0, _frame: object = None) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        tell({"pid": pid, "status": os.waitstatus_to_exitcode(status)})


def serve() -> None:
    warm()
    signal.signal(signal.SIGCHLD, reap)
    tell({"ready": True})
    buffered = b""
    while True:
        select.select([0], [], [])
        data = os.read(0, 65536)
        if not data:
            return
        *lines, buffered = (buffered + data).split(b"\n")
        for line in lines:
            request = json.loads(line)
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
            pid = os.fork()
            if pid == 0:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
                become(request)
            tell({"tag": request["tag"], "pid": pid})
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})


if __name__ == "__main__":
    serve()
