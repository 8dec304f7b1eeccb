"""The isolated process that reads files one after another until its input ends: ``python -m
agent_worker.sources.reader``."""

from __future__ import annotations

from typing import Any

from agent_worker.isolated_process import serve
from agent_worker.sources.isolation import dump_contents, dump_error
from agent_worker.sources.registry import formats
from schemas.errors import ParleyError, Unprocessable

_FIX = "open it and save it again, or split it; its text can also be added as .txt"


def main() -> None:
    serve(lambda request, data: (_read(request["format"], request["name"], data), b""))


def _read(format: str, name: str, data: bytes) -> dict[str, Any]:
    try:
        return {"contents": dump_contents(formats()[format].read(name, data))}
    except ParleyError as error:
        return {"error": dump_error(error)}
    except MemoryError:
        raise
    except Exception as error:  # an unforeseen error in a library
        failed = Unprocessable(f"{name}: its reader failed ({type(error).__name__})", fix=_FIX)
        return {"error": dump_error(failed)}


if __name__ == "__main__":
    main()
