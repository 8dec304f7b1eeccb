"""Optional dependencies: the command that installs the libraries of one extra of this distribution."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

DISTRIBUTION = "parley-gateway"
_EXTRA = re.compile(r"""extra == ["']([\w-]+)["']""")
_OWN = re.compile(rf"{DISTRIBUTION}\[([\w,-]+)\]")


def install_command(extra: str) -> str:
    """The pip command that installs the libraries of ``extra``, for this interpreter.

    It names the libraries and not the extra, so that it works from a checkout as well as from an installed wheel:
    neither can be looked up in a package index under its own name."""
    try:
        libraries = list(_libraries(extra, requires(DISTRIBUTION) or []))
    except PackageNotFoundError:  # run from a folder that nobody installed
        libraries = []
    if not libraries:
        return f"{_python()} -m pip install --editable '.[{extra}]'"
    return f"{_python()} -m pip install {' '.join(map(shlex.quote, libraries))}"


def _libraries(extra: str, requirements: list[str]) -> Iterator[str]:
    for line in requirements:
        requirement, _, marker = line.partition(";")
        named = _EXTRA.search(marker)
        if named is None or named[1] != extra:
            continue
        if own := _OWN.match(requirement.replace(" ", "")):
            for part in own[1].split(","):
                yield from _libraries(part, requirements)
        else:
            yield requirement.strip()


def _python() -> str:
    """The interpreter's path as it can be typed here."""
    path = Path(sys.executable)
    path_shown = os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
    return shlex.quote(path_shown)
