"""Seeds of runs that once failed: kept in seeds.txt, one a line, and replayed by `python -m tests.torture --replay`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.torture.plan import KINDS, Options

FILE = Path(__file__).with_name("seeds.txt")


def line_of(options: Options) -> str:
    kinds = ",".join(options.kinds) or "none"
    numbers = (options.messages, options.kills, options.people, options.faults, options.seed)
    return " ".join(map(str, (options.engine, *numbers, kinds)))


def options_of(line: str) -> Options:
    """Raises ValueError for a line that is none of ours."""
    engine, *numbers, kinds = line.split()
    messages, kills, people, faults, seed = map(int, numbers)
    if engine not in ("embedded", "scaled") or not set(kinds.split(",")) <= {*KINDS, "none"}:
        raise ValueError(line)
    return Options(
        engine="embedded" if engine == "embedded" else "scaled",
        messages=messages,
        kills=kills,
        seed=seed,
        seconds=3600,
        faults=faults,
        kinds=() if kinds == "none" else tuple(kinds.split(",")),
        people=people,
    )


def kept(file: Path = FILE) -> Iterator[Options]:
    for line in file.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            yield options_of(line.partition("#")[0])


def keep(options: Options, why: str, file: Path = FILE) -> None:
    """Once; ``why`` is a comment."""
    line = line_of(options)
    text = file.read_text()
    if line not in text:
        file.write_text(f"{text}{line}  # {why}\n")
