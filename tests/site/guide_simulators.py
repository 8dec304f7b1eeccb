"""A vendor's simulator, started as a guide says, and its source in a reader's configuration."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import yaml

from tests.harness.processes import ROOT
from tests.site.reader import Reader


@contextmanager
def simulating(vendor: str, command: str) -> Iterator[str]:
    """The simulator of the page's command, at a free port; the configuration that it prints."""
    assert command.startswith(f".venv/bin/python -m tests.platforms.{vendor} --port ")
    arguments = [sys.executable, "-u", *shlex.split(command)[1:-1], "0"]
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        printed = ""
        while "private_hosts" not in printed:
            line = process.stdout.readline()
            assert line, printed
            printed += line
        try:
            yield printed
        finally:
            process.kill()


def add_printed_source(reader: Reader, printed: str) -> None:
    """Begin a shop whose documents come from the printed source, too."""
    reader.variables["PARLEY_ENCODER"] = "light"
    reader.run("parley init shop")
    reader.folder = reader.home / "shop"
    file = reader.folder / "parley.yaml"
    configuration = yaml.safe_load(file.read_text())
    knowledge = yaml.safe_load(printed)["tenants"]["shop"]["knowledge"]
    configuration["tenants"]["shop"].setdefault("knowledge", {}).update(knowledge)
    file.write_text(yaml.safe_dump(configuration))
