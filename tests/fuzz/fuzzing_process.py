"""One process of the fuzzer: sends, judges every answer, keeps what is wrong with the bytes that caused it."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.fuzz.mutations import Draft, mutate_request, valid
from tests.fuzz.raw_http import PATIENCE, Answer, Line, NoAnswer
from tests.fuzz.seeds import ValidRequest
from tests.fuzz.socket_frames import INTERNAL_ERROR, PER_SOCKET, ChatSocket, hostile_frame

PIPELINED = 6
SOCKET_SHARE = 0.08
SOUND_EVERY = 60
"""Batches between two looks whether valid requests are still served."""
KEPT = 50
INSIDES = (b"Traceback", b"pydantic", b'File "', b"sqlite3.")


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who has been answered once, and what they may ask of every route."""

    token: str
    message_id: str
    seeds: tuple[ValidRequest, ...]


@dataclass(frozen=True, slots=True)
class Task:
    """What one process does: a line for each visitor, because the messages of one conversation wait for each other.
    ``number`` makes its randomness its own."""

    port: int
    visitors: tuple[Visitor, ...]
    seed: int
    number: int
    count: int
    seconds: float = 1e9


@dataclass(slots=True)
class Findings:
    """``wrong``: what should not have happened, with the bytes (shortened) that caused it."""

    sent: int = 0
    seconds: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter)
    ways: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    slowest: float = 0.0
    slow: bytes = b""
    sound: int = 0

    def complain(self, what: str, request: bytes) -> None:
        if len(self.wrong) < KEPT:
            self.wrong.append(f"{what}: {request[:600]!r}")

    def add(self, other: Findings) -> None:
        self.sent += other.sent
        self.sound += other.sound
        self.seconds = max(self.seconds, other.seconds)
        if other.slowest > self.slowest:
            self.slowest, self.slow = other.slowest, other.slow
        self.statuses.update(other.statuses)
        self.ways.update(other.ways)
        self.wrong += other.wrong


def hunt(task: Task) -> Findings:
    """Run in a process of its own."""
    return asyncio.run(_hunt(task))


async def _hunt(task: Task) -> Findings:
    catch, begun = Findings(), time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number, visitor in enumerate(task.visitors):
            group.create_task(_line(task, visitor, catch, random.Random(f"{task.seed}:{task.number}:{number}")))
    catch.seconds = time.monotonic() - begun
    return catch


async def _line(task: Task, visitor: Visitor, catch: Findings, rng: random.Random) -> None:
    line, batches, until = Line(task.port), 0, time.monotonic() + task.seconds
    while catch.sent < task.count and time.monotonic() < until:
        batches += 1
        if batches % SOUND_EVERY == 0:
            await _sound(visitor, catch, line, rng)
        elif rng.random() < SOCKET_SHARE:
            await _frames(task.port, visitor, catch, rng)
        else:
            await _requests(visitor, catch, line, rng)
    line.close()


async def _requests(visitor: Visitor, catch: Findings, line: Line, rng: random.Random) -> None:
    drafts = [mutate_request(rng.choice(visitor.seeds), rng) for _ in range(PIPELINED)]
    left = [(draft, draft.wire(rng)) for draft in drafts if draft.whole]
    while left:
        # Where the server ends the connection after an answer, what was behind it is sent again.
        left = left[max(1, await _judged(catch, line, left)) :]
    for draft in drafts:
        if not draft.whole:
            await _judged(catch, line, [(draft, draft.wire(rng))])


async def _judged(catch: Findings, line: Line, sent: list[tuple[Draft, bytes]]) -> int:
    """Send together; how many were answered."""
    begun = time.perf_counter()
    wires = [wire for _, wire in sent]
    first, rightly = sent[0][0], sum(draft.waits for draft, _ in sent)
    try:
        answers = await (
            line.pipelined(wires, rightly) if first.whole else line.alone(wires[0], rightly, whole=not first.cut)
        )
    except NoAnswer:
        catch.complain(f"{time.time():.1f}: no answer within {PATIENCE:.0f} s", b" || ".join(wires))
        return len(sent)
    except (OSError, TimeoutError) as error:
        catch.complain(f"no connection ({error!r})", wires[0])
        return len(sent)
    taken = time.perf_counter() - begun - rightly
    if taken > catch.slowest:
        catch.slowest, catch.slow = taken, b" || ".join(wires)[:600]
    for answer in answers:
        _judge(catch, answer, b" || ".join(wires))
    catch.sent += max(1, len(answers))
    for draft, _ in sent[: max(1, len(answers))]:
        catch.ways.update(draft.done)
    catch.statuses["ended unanswered"] += not answers
    return len(answers)


def _judge(catch: Findings, answer: Answer, request: bytes) -> None:
    catch.statuses[str(answer.status)] += 1
    if answer.status >= 500 and not (answer.status == 503 and answer.retry_after):
        catch.complain(f"{answer.status} {answer.body[:200]!r}", request)
    elif answer.status >= 400 and any(inside in answer.body for inside in INSIDES):
        catch.complain(f"our insides in an answer {answer.body[:200]!r}", request)


async def _frames(port: int, visitor: Visitor, catch: Findings, rng: random.Random) -> None:
    last, ending = b"", "goes on"
    try:
        socket = await ChatSocket.open(port)
        try:
            await socket.greet(visitor.token)
            for _ in range(rng.randint(1, PER_SOCKET)):
                last, ending = hostile_frame(rng, visitor.message_id)
                socket.send(last)
                catch.sent += 1
                catch.statuses["frame"] += 1
                if ending != "goes on":
                    break
            if ending != "waits":
                await socket.answered()
            if socket.close_code is not None:
                catch.statuses[f"close {socket.close_code}"] += 1
            if socket.close_code == INTERNAL_ERROR:
                catch.complain("closed with an internal error", last)
        finally:
            socket.close()
    except NoAnswer:
        catch.complain(f"{time.time():.1f}: socket does not answer within {PATIENCE:.0f} s", last)
    except (OSError, TimeoutError) as error:
        catch.complain(f"no socket ({error!r})", last)


async def _sound(visitor: Visitor, catch: Findings, line: Line, rng: random.Random) -> None:
    """Valid requests in between are served as ever."""
    posts = next(seed for seed in visitor.seeds if seed.method == "POST" and seed.path.endswith("/plantstore/messages"))
    reads = next(seed for seed in visitor.seeds if seed.method == "GET" and seed.path.endswith("/plantstore/messages"))
    line.close()
    wires = [valid(posts, rng).wire(rng), valid(reads, rng).wire(rng)]
    try:
        answers = await line.pipelined(wires)
    except (NoAnswer, OSError, TimeoutError) as error:
        catch.complain(f"{time.time():.1f}: a valid request was not served ({error!r})", wires[0])
        return
    if [answer.status for answer in answers] != [202, 200] or not json.loads(answers[1].body)["messages"]:
        catch.complain(f"valid requests got {[(a.status, a.body[:100]) for a in answers]}", wires[0])
    catch.sound += 1
