"""Provide Kafka, Redis and Chromium for tests and developers: given by address, from Docker, or started here.

python -m infra.deploy.servers fetch    download what a later start needs
python -m infra.deploy.servers run      start both, print their addresses, stop on Ctrl-C"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from infra.deploy import apt, containers, kafka_files, local_kafka, local_redis
from infra.deploy.process import ServerError

_BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_BROWSER_PACKAGES = ("chromium", "fonts-dejavu-core", "fonts-noto-core", "fonts-noto-color-emoji")
_BROWSER_HINT = "on Debian: apt-get install -y chromium; elsewhere name a Chromium with CHROMIUM=/path/to/it"


@contextmanager
def kafka() -> Iterator[str]:
    """Yield a broker's `host:port`: `KAFKA_BOOTSTRAP`, a container, or a local broker. Raises ServerError."""
    if configured := os.environ.get("KAFKA_BOOTSTRAP"):
        yield configured
    elif containers.engine_runs():
        with containers.kafka() as container:
            yield container.address
    elif reason := kafka_files.missing_tools():
        raise ServerError(_advice("Kafka", reason, "KAFKA_BOOTSTRAP=host:port"))
    else:
        local_kafka.fetch()
        with local_kafka.LocalKafka() as broker:
            yield broker.bootstrap


@contextmanager
def redis() -> Iterator[str]:
    """Yield a server's URL: `REDIS_URL`, a container, or a local server. Raises ServerError."""
    if configured := os.environ.get("REDIS_URL"):
        yield configured
    elif containers.engine_runs():
        with containers.redis() as container:
            yield container.address
    elif shutil.which("redis-server") is None and not apt.can_install():
        raise ServerError(_advice("Redis", "`redis-server` is not on PATH", "REDIS_URL=redis://host:port/0"))
    else:
        with local_redis.LocalRedis() as server:
            yield server.url


def fetch(say: Callable[[str], None]) -> None:
    """Download everything that tests need beside Python, so that they work offline. Raises ServerError."""
    _fetch_servers(say)
    fetch_browser(say)


def _fetch_servers(say: Callable[[str], None]) -> None:
    if containers.engine_runs():
        containers.pull(say)
        return
    local_kafka.fetch(say)
    local_redis.fetch(say)


def run(say: Callable[[str], None]) -> None:
    """Start both, print their addresses as shell assignments, and wait for SIGINT or SIGTERM."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    _fetch_servers(say)
    with kafka() as bootstrap, redis() as url:
        print(f"KAFKA_BOOTSTRAP={bootstrap}\nREDIS_URL={url}", flush=True)
        stopped.wait()
        say("stopping")


def find_browser() -> str | None:
    """The path of a Chromium, or None. `CHROMIUM` wins."""
    if configured := os.environ.get("CHROMIUM"):
        return shutil.which(configured)
    return next((found for name in _BROWSERS if (found := shutil.which(name))), None)


def fetch_browser(say: Callable[[str], None] = lambda _line: None) -> str:
    """The path of a Chromium, installed first when that is allowed. Raises ServerError with what to do."""
    path = find_browser()
    if path is None and "CHROMIUM" not in os.environ and apt.can_install():
        say("chromium: installing with apt-get")
        apt.install(_BROWSER_PACKAGES, _BROWSER_HINT)
        path = find_browser()
    if path is None:
        raise ServerError(f"there is no Chromium for the browser tests ({_BROWSER_HINT})")
    say(f"chromium: ready as {path}")
    return path


def _advice(server: str, reason: str, variable: str) -> str:
    return (
        f"{server} is not available: {reason}. Either install that, or start a Docker engine, "
        f"or name a running server with {variable}."
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main(arguments: list[str]) -> int:
    """The command line; returns the exit code."""
    commands = {"fetch": fetch, "run": run}
    if len(arguments) != 1 or arguments[0] not in commands:
        _say("usage: python -m infra.deploy.servers fetch|run")
        return 2
    try:
        commands[arguments[0]](_say)
    except ServerError as error:
        _say(f"error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
