"""Payloads of the vendors, mutated and signed again: in process through a channel's own reading, and over sockets.

    python -m tests.fuzz payloads --channel slack [--count 100000] [--sockets 10000] [--seed N]

Whatever a vendor may send, it is taken or refused with a 4xx; nothing of it is a defect of ours."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import structlog

from connectors import registry
from connectors.inbound.envelopes import build_pending_event
from schemas.conversation import Contact
from schemas.errors import RequestError
from schemas.ports import Account, RawRequest
from tests.channels import fixture_cases, fixture_translation
from tests.channels.signing import sign_request
from tests.channels.webhook_intake import take_webhook
from tests.fuzz.hostile_values import bend, corrupt_bytes, encode_hostile_json, hostile
from tests.fuzz.raw_http import Answer, Line, NoAnswer
from tests.harness.channel_tools import NOW
from tests.harness.installation import Installation
from tests.harness.processes import ForkServer

CHANNELS = tuple(name for name in registry.CHANNELS if fixture_cases.fixtures(name).exists())
CALLED = tuple(name for name in CHANNELS if getattr(registry.load_settings_model(name), "is_called", True))
"""Those with a webhook; other channels' payloads come over a connection of ours."""
SLOW = 1.0
"""Seconds that nothing may take."""
NOBODY = "http://127.0.0.1:9/"
"""In place of the vendor."""
SOMEBODY = Contact(id="contact-1", tenant=fixture_translation.TENANT, created_at=NOW)
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Seed:
    case: str
    request: RawRequest
    account: Account


@dataclass
class Outcome:
    channel: str
    statuses: Counter[int] = field(default_factory=Counter)
    events: int = 0
    slowest: float = 0.0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)

    @property
    def sent(self) -> int:
        return self.statuses.total()

    def __str__(self) -> str:
        rate = self.sent / max(self.seconds, 1e-3)
        first = (
            f"{self.channel}: {self.sent:,} payloads in {self.seconds:.0f} s ({rate:,.0f}/s), {self.events:,} events"
        )
        rest = f"answers {dict(self.statuses.most_common())}, slowest {self.slowest:.3f} s, {len(self.wrong)} wrong"
        return "\n".join([first, rest, *self.wrong[:10]])


def seeds(channel: str) -> list[Seed]:
    """The fixtures that are understood; what is not is made from them."""
    found = []
    for case in fixture_cases.cases(channel, "inbound"):
        request, told = fixture_translation.request(case)
        if isinstance(fixture_translation.events(channel, case), list) and request.body:
            found.append(Seed(case.name, request, fixture_translation.account(channel, told.get("account", ""))))
    return found


def mutants(channel: str, seed: int, count: int) -> Iterator[tuple[Seed, bytes]]:
    """The same ones for the same seed."""
    rng, every = random.Random(f"{seed}:{channel}"), seeds(channel)
    for _ in range(count):
        one = rng.choice(every)
        yield one, mutated(one.request, rng)


def mutated(request: RawRequest, rng: random.Random) -> bytes:
    if rng.random() < 0.1:
        return corrupt_bytes(rng, request.body)
    if FORM not in request.headers.get("content-type", ""):
        return encode_hostile_json(rng, bend(rng, json.loads(request.body)))
    fields = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
    if "payload" in fields and rng.random() < 0.8:
        bent = encode_hostile_json(rng, bend(rng, json.loads(fields["payload"])))
        return urlencode({**fields, "payload": bent}).encode()
    name = rng.choice(list(fields))
    deed = rng.random()
    if deed < 0.2:
        del fields[name]
    elif deed < 0.3:
        fields[str(hostile(rng))[:200]] = fields[name]
    else:
        fields[name] = str(hostile(rng))[:20_000]
    return urlencode(fields, errors="replace").encode()


def in_process(channel: str, seed: int, count: int) -> Outcome:
    """Verify, answer, parse, and wrap for the log, as an edge does."""
    outcome, (opened, clock) = Outcome(channel), fixture_translation.open_channel_at(channel)
    began, clock.now = time.monotonic(), NOW
    for one, body in mutants(channel, seed, count):
        request = sign_request(replace(one.request, body=body), one.account, at=NOW.timestamp())
        started = time.thread_time()  # other processes do not count
        try:
            outcome.events += _taken(opened, request, one.account)
            outcome.statuses[200] += 1
        except RequestError as error:
            outcome.statuses[error.status] += 1
        except Exception as error:
            outcome.statuses[500] += 1
            outcome.wrong.append(f"{one.case}: {error!r} of {body[:600]!r}")
        _note(outcome, time.thread_time() - started, one, body)
    outcome.seconds = time.monotonic() - began
    return outcome


def _taken(channel: Any, request: RawRequest, account: Account) -> int:
    events = take_webhook(channel, request, account).events
    for event in events:
        wrapped = build_pending_event(event.account or account, event, NOW, SOMEBODY, "conversation-1").envelope
        wrapped.headers()
    return len(events)


def _note(outcome: Outcome, seconds: float, one: Seed, body: bytes) -> None:
    outcome.slowest = max(outcome.slowest, seconds)
    if seconds > SLOW:
        outcome.wrong.append(f"{one.case}: {seconds:.1f} s for {body[:600]!r}")


async def over_sockets(fork_server: ForkServer, folder: Path, channel: str, seed: int, count: int) -> Outcome:
    """To a running installation that has the accounts of the fixtures."""
    accounts = {
        name: told | {"api_base": NOBODY}
        for name, told in fixture_cases.read(fixture_cases.fixtures(channel) / "account.json").items()
    }
    limits = {"inbound_per_s": 100_000}
    tenants = {fixture_translation.TENANT: {"name": "Shop", "channels": {channel: accounts}, "limits": limits}}
    installation = Installation.make(fork_server, folder, tenants=tenants)
    await installation.start(flags=["--log-level", "error"])
    outcome, began = Outcome(channel), time.monotonic()
    try:
        await _post_all(installation, outcome, seed, count)
        assert installation.roles["dev"].alive, installation.roles["dev"].tail()
    finally:
        outcome.seconds = time.monotonic() - began
        await installation.kill("dev")  # what waits need not be answered
    return outcome


async def _post_all(installation: Installation, outcome: Outcome, seed: int, count: int) -> None:
    port = installation.port("dev")
    line = Line(port)
    for one, body in mutants(outcome.channel, seed, count):
        path = f"/v1/webhooks/{outcome.channel}/{fixture_translation.TENANT}/{one.account.name}"
        request = replace(one.request, url=f"http://127.0.0.1:{port}{path}", body=body)
        wire = _wire(sign_request(request, one.account, at=time.time()), port)
        started = time.monotonic()
        try:
            answers = await line.pipelined([wire])
        except NoAnswer:
            outcome.wrong.append(f"{one.case}: no answer to {body[:600]!r}")
            continue
        for answer in answers or await line.pipelined([wire]):
            outcome.statuses[answer.status] += 1
            if answer.status >= 500 and not _may_be_ours(answer, one.case):
                outcome.wrong.append(f"{one.case}: {answer.status} to {body[:600]!r}")
        seconds = time.monotonic() - started
        if seconds > SLOW:  # what is slow in itself is so again; a busy machine seldom is
            started = time.monotonic()
            await line.pipelined([wire])
            seconds = min(seconds, time.monotonic() - started)
        _note(outcome, seconds, one, body)
    line.close()


def _may_be_ours(answer: Answer, case: str) -> bool:
    """Tell whether it may be the echo of an answer under way. It is told to come again, as the vendor is away here."""
    return answer.status == 503 and bool(answer.retry_after) and "echo" in case


def _wire(request: RawRequest, port: int) -> bytes:
    path = request.url.partition(str(port))[2]
    headers = {
        name: value
        for name, value in request.headers.items()
        if name.startswith("x-") or name in ("content-type", "user-agent")
    }
    headers |= {"host": f"127.0.0.1:{port}", "content-length": str(len(request.body))}
    head = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(head).encode("latin-1", "replace") + b"\r\n\r\n" + request.body


async def _sockets(channel: str, seed: int, count: int) -> Outcome:
    fork_server = ForkServer()
    await fork_server.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            return await over_sockets(fork_server, Path(folder), channel, seed, count)
    finally:
        await fork_server.close()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz payloads", description="Fuzz the vendors' payloads.")
    parser.add_argument("--channel", choices=CHANNELS, action="append", help="default: all")
    parser.add_argument("--count", type=int, default=100_000, help="in process, a channel (default 100000)")
    parser.add_argument("--sockets", type=int, default=10_000, help="over sockets, a channel (default 10000)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args(arguments)
    print(f"seed {options.seed}", flush=True)
    # What is left out or malformed is told in a line each.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    wrong = 0
    for channel in options.channel or CHANNELS:
        runs: list[Callable[[], Outcome]] = [lambda name=channel: in_process(name, options.seed, options.count)]  # type: ignore[misc]
        if channel in CALLED and options.sockets:
            runs.append(lambda name=channel: asyncio.run(_sockets(name, options.seed, options.sockets)))  # type: ignore[misc]
        for run in runs:
            outcome = run()
            wrong += len(outcome.wrong)
            print(outcome, flush=True)
    return 1 if wrong else 0
