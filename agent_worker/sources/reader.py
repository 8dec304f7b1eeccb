"""The process that reads files, one after another, until its input ends. ``python -m agent_worker.sources.reader``"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import Any, BinaryIO

from agent_worker.sources.isolation import HEADER, told, told_failure
from agent_worker.sources.registry import formats
from schemas.errors import ParleyError, Unprocessable

MEMORY = 1024 * 1024 * 1024
_PROCESSOR_S = 600
_AGAIN = "open it, save it anew, or split it; its text alone can be added as .txt"


def main() -> None:
    asked = sys.stdin.buffer
    # What a library prints must not stand between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    _limit()
    while head := asked.read(HEADER.size):
        (size,) = HEADER.unpack(head)
        wanted = json.loads(asked.read(size))
        _answer(answers, _read(wanted["format"], wanted["name"], asked.read(wanted["size"])))


def _read(format: str, name: str, data: bytes) -> dict[str, Any]:
    try:
        return {"contents": told(formats()[format].read(name, data))}
    except ParleyError as error:
        return {"error": told_failure(error)}
    except MemoryError:
        raise SystemExit(1) from None
    except Exception as error:  # a library met what its authors did not think of
        failed = Unprocessable(f"{name}: its reader failed ({type(error).__name__})", fix=_AGAIN)
        return {"error": told_failure(failed)}


def _answer(answers: BinaryIO, value: dict[str, Any]) -> None:
    data = json.dumps(value).encode()
    answers.write(HEADER.pack(len(data)) + data)
    answers.flush()


def _limit() -> None:
    """Where the system knows such limits; the limit of time, which our parent keeps, holds everywhere."""
    with contextlib.suppress(ImportError):
        import resource

        limits = {
            resource.RLIMIT_AS: MEMORY,
            resource.RLIMIT_CPU: _PROCESSOR_S,
            resource.RLIMIT_FSIZE: 0,
            resource.RLIMIT_CORE: 0,
        }
        for limit, most in limits.items():
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(limit, (most, most))


if __name__ == "__main__":
    main()
