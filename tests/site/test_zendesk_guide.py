"""docs/how-to/zendesk.md: the simulated help centre is read as the page says, and every option is on it."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import yaml

from agent_worker.sources.zendesk.settings import SCHEME, ZendeskOptions, parse_location
from tests.harness.processes import ROOT
from tests.site.blocks import list_sources
from tests.site.reader import Reader

PAGE = "docs/how-to/zendesk.md"
FOLLOWED = {PAGE: {"sh"}}
TEXT = (ROOT / PAGE).read_text()


@contextmanager
def simulating(command: str) -> Iterator[str]:
    """The simulator of the page's command, at a free port; the configuration that it prints."""
    assert command.startswith(".venv/bin/python -m tests.platforms.zendesk --port ")
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
def test_a_reader_of_the_guide_gets_an_answer_from_an_article(reader: Reader) -> None:
    check, simulator = list_sources(PAGE, "sh")
    reader.variables["PARLEY_ENCODER"] = "light"
    reader.run("parley init shop")
    reader.folder = reader.home / "shop"
    with simulating(simulator.strip()) as printed:
        file = reader.folder / "parley.yaml"
        configuration = yaml.safe_load(file.read_text())
        configuration["tenants"]["shop"]["knowledge"] |= yaml.safe_load(printed)["tenants"]["shop"]["knowledge"]
        file.write_text(yaml.safe_dump(configuration))
        shown = reader.run_script(check)
        customers = reader.run('parley knowledge ask "Is there a rebate?" --assurance verified')
        visitors = reader.run('parley knowledge ask "Is there a rebate?"')
    assert "Lamps have a warranty of six years." in shown
    assert "zendesk-360000000001-en-us" in shown
    assert "Not yet decided" not in shown + customers
    assert "seven percent" in customers
    assert "seven percent" not in visitors


def test_every_option_is_on_the_page_and_every_location_is_one() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", TEXT, re.MULTILINE))
    assert rows.keys() == ZendeskOptions.model_fields.keys() - {"private_hosts"}
    locations = re.findall(rf"^\| `({SCHEME}\S+)` \|", TEXT, re.MULTILINE)
    assert len(locations) == 3
    assert {parse_location(each).subdomain for each in locations} == {"plants"}
