"""docs/how-to/youtube.md, followed with the simulated YouTube: a question is answered from a video, at its second."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import yaml

from agent_worker.sources.youtube.options import YouTubeOptions
from tests.harness.processes import ROOT
from tests.site.blocks import list_sources
from tests.site.reader import Reader

PAGE = "docs/how-to/youtube.md"
FOLLOWED = {PAGE: {"sh"}}


@contextmanager
def simulating(command: str) -> Iterator[str]:
    """The simulator of the page's command, at a free port; the configuration that it prints."""
    assert command.startswith(".venv/bin/python -m tests.platforms.youtube --port ")
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


@pytest.mark.slow
def test_a_reader_of_the_guide_gets_an_answer_from_a_video(reader: Reader) -> None:
    check, simulator = list_sources(PAGE, "sh")
    reader.variables["PARLEY_ENCODER"] = "light"
    reader.run("parley init shop")
    reader.folder = reader.home / "shop"
    with simulating(simulator.strip()) as printed:
        file = reader.folder / "parley.yaml"
        configuration = yaml.safe_load(file.read_text())
        knowledge = yaml.safe_load(printed)["tenants"]["shop"]["knowledge"]
        configuration["tenants"]["shop"].setdefault("knowledge", {}).update(knowledge)
        file.write_text(yaml.safe_dump(configuration))
        shown = reader.run_script(check)
    assert "A sundew needs six hours of direct sun a day." in shown
    assert "https://www.youtube.com/watch?v=sundew-care&t=31s" in shown


def test_every_option_is_on_the_page_with_its_default() -> None:
    page = (ROOT / PAGE).read_text()
    shown = re.findall(r"^\| `.*\|$", page, re.MULTILINE)
    rows = {name: row for row in shown for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    for name, field in YouTubeOptions.model_fields.items():
        assert name in page
        if isinstance(field.default, bool | int | float):
            assert f"| `{str(field.default).lower()}` |" in rows[name], name
