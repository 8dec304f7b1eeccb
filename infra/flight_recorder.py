"""A flight recorder: writes to a file that outlives a kill which record's code is running on the event loop.

A record that blocks its process, or ends it, leaves no exception behind that a handler could see. So before each step
of a handler the record's position is written to a memory-mapped page, which the kernel keeps whatever happens to the
process. The next process that finds such a page looks for evidence beside it:

- ``stall.txt``: written because the loop had not come round for ``stall_after`` seconds: by a thread or, when something
  holds the interpreter lock, such as a regular expression, a little later by the interpreter's watchdog. The watchdog
  needs no lock, but it reads the threads' frames, and ends the process if they change meanwhile. So the thread holds it
  off as long as Python code runs.
- ``fatal.txt``: written by the interpreter on a fatal signal.
- the memory that the process had grown by during the step, compared with the machine's.

A page without evidence means nothing: a kill, a crash point or a power cut may hit any record."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import struct
import threading
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from mmap import mmap
from pathlib import Path
from typing import Any

import structlog
from pydantic import BaseModel, ValidationError

from infra import process_tuning
from infra.database.lock import ProcessLock, claim_folder
from schemas.errors import DatabaseLocked
from schemas.ports import Record, Strike, StrikeCode

log = structlog.get_logger("parley.watchdog")

SIZE = 8_192
_HEAD = struct.Struct("<BdQdQQQH")
"""Layout of the page's header: whether a step is running, since when, the thread of the loop, ``stall_after``, and
bytes of memory: now, when the step began, at most. Then the length of what follows: the records."""
_RUNNING = struct.Struct("<Bd")
_MEMORY = struct.Struct("<QQQ")
_MEMORY_AT = struct.calcsize("<BdQd")
_LENGTH = struct.Struct("<H")
_NOTE_AT = _HEAD.size - _LENGTH.size
_ROOM = SIZE - _HEAD.size
_MEASURE_EVERY = 0.5
"""Seconds between two measurements of the memory."""
_HOLDS_LOCK = 3
"""Times ``stall_after`` for which no other thread has run when the interpreter's watchdog writes. Less would make it
write when a process goes on that was paused, while Python code runs."""
_FULL, _GROWN = 0.8, 0.25
"""Shares of the available memory: this much was in use, and this much was added during the step."""
INCIDENTS = "incident-*.json"


class Incident(BaseModel):
    """One end, or one long pause, of a process, and the records whose code ran then."""

    id: str
    code: StrikeCode
    at: datetime
    group: str
    records: list[tuple[str, int, int]]
    """Topic, partition, offset."""

    def strikes(self) -> list[Strike]:
        return [Strike(self.group, *record, incident=self.id, code=self.code, at=self.at) for record in self.records]


class _StepNote(BaseModel):
    group: str
    records: list[tuple[str, int, int]]


def encode_note(group: str, records: Sequence[Record]) -> bytes:
    """Encode a batch for the page: the length, and its first records, as many as there is room for."""
    positions = [(record.topic, record.partition, record.offset) for record in records]
    while positions:
        note = _StepNote(group=group, records=positions).model_dump_json().encode()
        if len(note) <= _ROOM:
            return _LENGTH.pack(len(note)) + note
        positions = positions[: len(positions) // 2]
    return _LENGTH.pack(0)


class FlightRecorder:
    """The recorder of one process, in a folder of its own. Create it on the event loop's thread. ``stall_after``:
    seconds."""

    def __init__(self, folder: Path, stall_after: float) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._stall_after = stall_after
        descriptor = os.open(folder / "page", os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, SIZE)
            self._page = mmap(descriptor, SIZE)
        finally:
            os.close(descriptor)
        self._stall, self._fatal = (_open_empty(folder / name) for name in ("stall.txt", "fatal.txt"))
        self._cpu = time.thread_time()
        self._beat = time.monotonic()
        self._beating = threading.Lock()
        self._steps = 0
        self._closed = threading.Event()
        limit = process_tuning.available_memory()
        _HEAD.pack_into(self._page, 0, 0, 0.0, threading.get_ident(), stall_after, 0, 0, limit, 0)
        self._watch = threading.Thread(target=self._watch_loop, args=(limit,), name="parley-flight", daemon=True)

    @property
    def folder(self) -> Path:
        return self._folder

    def start(self) -> None:
        faulthandler.enable(file=self._fatal)
        self._hold_off_watchdog()
        self._watch.start()

    def close(self) -> None:
        """The process ends normally: remove all evidence."""
        self._closed.set()
        self._watch.join()
        faulthandler.cancel_dump_traceback_later()
        faulthandler.disable()
        self._page.close()
        for descriptor in (self._stall, self._fatal):
            os.close(descriptor)
        for name in ("page", "stall.txt", "fatal.txt"):
            (self._folder / name).unlink(missing_ok=True)

    async def run_heartbeat(self) -> None:
        """Send heartbeats without an end."""
        while True:
            await asyncio.sleep(self._stall_after / 4)
            self.heartbeat()

    def heartbeat(self) -> None:
        """Record a heartbeat of the event loop."""
        with self._beating:
            stalled = os.fstat(self._stall).st_size > 0
            if stalled:
                os.ftruncate(self._stall, 0)
            self._beat = time.monotonic()
        self._cpu = time.thread_time()
        if stalled:
            log.error("loop_stalled", longer_than_s=self._stall_after)

    def _hold_off_watchdog(self) -> None:
        faulthandler.dump_traceback_later(_HOLDS_LOCK * self._stall_after, file=self._stall)

    def _note_stall(self) -> None:
        with self._beating:
            lasted = time.monotonic() - self._beat
            if lasted >= self._stall_after and not os.fstat(self._stall).st_size:
                os.write(self._stall, b"the event loop did not come round\n")

    def begin(self, note: bytes) -> float:
        """A step of a handler begins. Returns the time on the monotonic clock."""
        page = self._page
        page[_NOTE_AT : _NOTE_AT + len(note)] = note
        self._steps += 1
        _RUNNING.pack_into(page, 0, 1, time.time())
        return time.monotonic()

    def end(self, begun: float) -> bool:
        """The step is over. Returns whether it stalled the process."""
        self._page[0] = 0
        lasted = time.monotonic() - begun
        return lasted >= self._stall_after and self._is_its_own_fault()

    def _is_its_own_fault(self) -> bool:
        """Return whether the step itself took that long. A process that was paused, or had no processor, has used no
        processor time, and its watchdog wrote only when it went on."""
        half = self._stall_after / 2
        stall_file = os.fstat(self._stall)
        return time.thread_time() - self._cpu >= half or (
            stall_file.st_size > 0 and time.time() - stall_file.st_mtime >= half
        )

    def _watch_loop(self, limit: int) -> None:
        last_step, before = -1, 0
        while not self._closed.wait(min(_MEASURE_EVERY, self._stall_after / 4)):
            self._hold_off_watchdog()
            self._note_stall()
            now = process_tuning.used_memory()
            if self._steps != last_step or not self._page[0]:
                last_step, before = self._steps, now
            _MEMORY.pack_into(self._page, _MEMORY_AT, now, before, limit)


class RecordedSteps:
    """An awaitable whose every step on the loop is recorded. ``stalled`` tells afterwards whether one took too long."""

    __slots__ = ("_group", "_recorder", "_records", "_work", "stalled")

    def __init__(self, work: Awaitable[None], recorder: FlightRecorder, group: str, records: Sequence[Record]) -> None:
        """``records`` may grow meanwhile."""
        self._work = work.__await__()
        self._recorder = recorder
        self._group = group
        self._records = records
        self.stalled = False

    def __await__(self) -> Generator[Any, Any, None]:
        work, recorder, records = self._work, self._recorder, self._records
        step: Callable[[Any], Any] = work.send
        value: Any = None
        noted, note = -1, b""
        while True:
            if len(records) != noted:
                noted, note = len(records), encode_note(self._group, records)
            begun = recorder.begin(note)
            try:
                waits_for = step(value)
            except StopIteration:
                return
            finally:
                self.stalled = recorder.end(begun) or self.stalled
            try:
                value = yield waits_for
                step = work.send
            except BaseException as error:
                step, value = work.throw, error


# ── at the next start ─────────────────────────────────────────────────────────────────────────────────────────────────


def collect_incidents(parent: Path) -> None:
    """Turn what dead processes have left under ``parent`` into incidents. Living processes hold the lock of their
    folder."""
    for lock in sorted(parent.glob("*.lock")):
        folder = lock.with_suffix("")
        if not (folder / "page").exists():
            continue
        with _try_lock(lock) as is_dead:
            if is_dead and (incident := read_incident(folder)) is not None:
                log.error("process_ended_badly", code=incident.code, group=incident.group, records=incident.records)
                write_incident(parent, incident)
            if is_dead:
                (folder / "page").unlink(missing_ok=True)


def write_incident(parent: Path, incident: Incident) -> None:
    """Keep an incident until it is in the store. It keeps its id, so that it counts once."""
    path = parent / f"incident-{incident.id}.json"
    with open(path.with_suffix(".new"), "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(incident.model_dump_json().encode())
        file.flush()
        os.fsync(file.fileno())
    path.with_suffix(".new").replace(path)


def load_incidents(parent: Path) -> Iterator[tuple[Path, Incident]]:
    for path in sorted(parent.glob(INCIDENTS)):
        try:
            yield path, Incident.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            path.unlink(missing_ok=True)  # handled by another process meanwhile, or damaged by a power cut


def read_incident(folder: Path) -> Incident | None:
    """The incident that a dead process's page and the evidence beside it show, if any."""
    try:
        page = (folder / "page").read_bytes()
        running, since, thread, stall_after, now, before, limit, length = _HEAD.unpack_from(page)
        noted = _StepNote.model_validate_json(page[_HEAD.size : _HEAD.size + length]) if running else None
    except (OSError, struct.error, ValidationError):
        return None
    if noted is None:
        return None
    code: StrikeCode
    if _is_fatal(folder / "fatal.txt", thread):
        code = "process_crashed"
    elif _written_at(folder / "stall.txt") >= since + stall_after / 2:
        code = "process_stalled"
    elif limit and now >= _FULL * limit and now - before >= _GROWN * limit:
        code = "memory_exhausted"
    else:
        return None
    return Incident(id=uuid.uuid4().hex, code=code, at=datetime.now(UTC), group=noted.group, records=noted.records)


def _is_fatal(path: Path, thread: int) -> bool:
    """Return whether the loop's own thread died: the death of a library's thread says nothing about the step."""
    try:
        text = path.read_text("ascii", "replace")
    except OSError:
        return False
    return "Fatal Python error" in text and f"Current thread 0x{thread:016x}" in text


def _written_at(path: Path) -> float:
    """0 where nothing was written."""
    try:
        status = path.stat()
    except OSError:
        return 0.0
    return status.st_mtime if status.st_size else 0.0


def _open_empty(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)


@contextmanager
def _try_lock(path: Path) -> Iterator[bool]:
    try:
        lock = ProcessLock(path)
    except DatabaseLocked:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


@asynccontextmanager
async def run_flight_recorder(data_path: Path, stall_seconds: float) -> AsyncIterator[FlightRecorder]:
    """Run the flight recorder of this process. The records of processes that died are collected first."""
    parent = data_path / "flight"
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    collect_incidents(parent)
    with claim_folder(parent) as folder:
        recorder = FlightRecorder(folder, stall_seconds)
        recorder.start()
        heartbeat = asyncio.create_task(recorder.run_heartbeat())
        try:
            yield recorder
        finally:
            heartbeat.cancel()
            recorder.close()
