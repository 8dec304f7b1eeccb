"""The isolated process that reads files one after another until its input ends: ``python -m
agent_worker.sources.reader``."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import Any, BinaryIO

from agent_worker.sources.isolation import HEADER, dump_contents, dump_error
from agent_worker.sources.registry import formats
from schemas.errors import ParleyError, Unprocessable

MEMORY_BYTES = 1024 * 1024 * 1024
_CPU_LIMIT_S = 600
_FIX = "open it and save it again, or split it; its text can also be added as .txt"


def main() -> None:
    requests = sys.stdin.buffer
    # Output printed by a library must not mix with the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    _set_limits()
    while head := requests.read(HEADER.size):
        (size,) = HEADER.unpack(head)
        request = json.loads(requests.read(size))
        _answer(answers, _read(request["format"], request["name"], requests.read(request["size"])))


def _read(format: str, name: str, data: bytes) -> dict[str, Any]:
    try:
        return {"contents": dump_contents(formats()[format].read(name, data))}
    except ParleyError as error:
        return {"error": dump_error(error)}
    except MemoryError:
        raise SystemExit(1) from None
    except Exception as error:  # an unforeseen error in a library
        failed = Unprocessable(f"{name}: its reader failed ({type(error).__name__})", fix=_FIX)
        return {"error": dump_error(failed)}


def _answer(answers: BinaryIO, value: dict[str, Any]) -> None:
    data = json.dumps(value).encode()
    answers.write(HEADER.pack(len(data)) + data)
    answers.flush()


def _set_limits() -> None:
    """Set where the platform supports such limits. The parent's time limit works everywhere."""
    with contextlib.suppress(ImportError):
        import resource

        limits = {
            resource.RLIMIT_AS: MEMORY_BYTES,
            resource.RLIMIT_CPU: _CPU_LIMIT_S,
            resource.RLIMIT_FSIZE: 0,
            resource.RLIMIT_CORE: 0,
        }
        for limit, maximum in limits.items():
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(limit, (maximum, maximum))


if __name__ == "__main__":
    main()
