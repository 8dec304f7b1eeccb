"""Starts Parley's processes by forking a parent that has everything imported, so that a hundred starts stay quick.

    python -m tests.harness.fork_server LISTENER

Takes connections from the listening socket with this descriptor (tests/harness/fork_connections.py). Children are real
processes with their own memory, sockets and files; only the import of modules is shared. They die with this parent, and
this parent with its standard input.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import sys
import time
import traceback
from collections.abc import Sequence
from typing import Any

from schemas.errors import MissingDependency
from tests.harness import task_dump
from tests.harness.fork_connections import ForkConnections
from tests.harness.shared_parent import programs_folder

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
    from typer.main import get_command

    from agent_worker.actions.parsing.date_languages import load_date_parser
    from agent_worker.knowledge.vectors.encoder import light_encoder
    from agent_worker.nlu.calendar_names import load_calendar_names
    from agent_worker.nlu.classification import load_phrases
    from agent_worker.nlu.language_detection import load_language_model
    from agent_worker.translations import load_translations
    from gateway import cli

    # Typer makes all commands anew for each call, which takes as long as the rest of a start.
    vars(cli)["app"] = get_command(cli.app)
    load_language_model()
    load_date_parser()
    light_encoder()
    load_phrases()
    load_calendar_names()
    load_translations()
    # What is here now is never garbage: a child that looked through it would only copy the pages.
    gc.collect()
    gc.freeze()


def become(request: dict[str, Any], files: Sequence[int]) -> None:
    """Turn this forked child into a Parley process. Does not return."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if files:
        _take_over(files, request["cwd"])
    else:
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    from gateway.cli import main
    from schemas.runtime import crash_points
    from tests.harness.forked_isolation import allow_shared_memory, fork_isolated_processes

    crash_points.arm(os.environ.get("PARLEY_CRASH_AT", ""))
    if programs_folder():
        fork_isolated_processes()
    if sys.platform == "linux":
        allow_shared_memory()
    _adjust()
    task_dump.install_dump_signal()
    status = 1
    try:
        if request.get("program") == "python":
            _run_module(*request["args"])
        else:
            sys.argv = ["parley", *request["args"]]
            vars(sys.modules["__main__"])["__package__"] = None  # it is `parley` in what it prints
            main()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _take_over(files: Sequence[int], folder: str) -> None:
    """Go on with the terminal and in the folder of the program that asked (tests/harness/forked_command.py)."""
    for source, target in zip(files, range(3), strict=True):
        os.dup2(source, target)
        os.close(source)
    os.chdir(folder)


def _run_module(path_flag: str, module_flag: str, module: str, *arguments: str) -> None:
    """Run a module as `python -P -m MODULE` does."""
    assert (path_flag, module_flag) == ("-P", "-m")
    sys.modules.pop(module, None)  # it is imported already, but not as the program
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _adjust() -> None:
    """What a test may change in a process and an operator may not: ``TEST_KAFKA_PROFILE`` (fields as JSON) makes the
    client less patient, ``TEST_STOP_AT`` (a crash point) lets the signal
    ``FREEZE`` stop it there until SIGCONT, ``TEST_DISK`` (a folder) puts
    tests/harness/faulty_disk.py under SQLite, ``TEST_MUTANT`` brings one of the defects of tests/harness/mutants.py,
    ``TEST_DESK=webhook`` lets it know the desk of tests/desks, ``TEST_OBEY`` makes the local model call whatever a
    message says (tests/harness/command_model.py), ``TEST_RELEASE`` makes it write as another release would
    (tests/deploy/other_release.py), ``TEST_RETENTION`` (seconds) shortens retention and its floors
    (tests/harness/short_retention.py), ``TEST_HURRY``, ``TEST_HURRY_DESK``, ``TEST_HURRY_ERASURE``,
    ``TEST_HURRY_SOURCES`` (factors) and ``TEST_AHEAD`` (seconds) are explained in tests/harness/short_timeouts.py,
    ``TEST_SCRYPT_COST`` is that of the keys of backups."""
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
        ("TEST_HURRY_SOURCES", short_timeouts.speed_up_sources),
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


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as listener:
        warm()
        ForkConnections(listener, become).serve()
