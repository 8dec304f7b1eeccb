"""docs/how-to/notion.md: the simulated Notion is read as the page says, and every option is on it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pydantic import SecretStr

from agent_worker.sources.notion.source import NotionOptions
from gateway.config import loader as configuration
from infra.deploy.process import free_port
from tests.harness.processes import ROOT
from tests.site.blocks import list_sources
from tests.site.reader import Reader

PAGE = "docs/how-to/notion.md"
FOLLOWED = {PAGE: {"sh", "yaml"}}
TEXT = (ROOT / PAGE).read_text()
PORT = "9201"


@contextmanager
def run_simulator(command: str, reader: Reader) -> Iterator[str]:
    """Yields the source that it prints."""
    with subprocess.Popen(
        command.replace(PORT, str(free_port())).split(),
        cwd=ROOT,
        env=reader.environment(),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@pytest.mark.slow
def test_the_simulated_notion_is_read_and_asked_as_the_page_says(reader: Reader) -> None:
    check, simulator = list_sources(PAGE, "sh")
    source, _ = list_sources(PAGE, "yaml")
    with run_simulator(simulator.strip(), reader) as printed:
        head, line = source.rstrip().rsplit("\n", 1)
        assert line.strip().startswith("- {location")
        text = f"{head}\n{line.partition('-')[0]}{printed}\n".replace("  shop:\n", "  shop:\n    name: Shop\n")
        (reader.folder / "parley.yaml").write_text(f"encoder: light\n{text}")
        shown = reader.run_script(check)
    assert "5 added" in shown
    assert "45 days" in shown


def test_the_configurations_on_the_page_are_valid(reader: Reader) -> None:
    first, more = list_sources(PAGE, "yaml")
    indented = "".join(f"      {line}\n" for line in more.splitlines())
    second = f"tenants:\n  shop:\n    name: Shop\n    knowledge:\n{indented}"
    for text in (first.replace("  shop:\n", "  shop:\n    name: Shop\n"), second):
        file = reader.folder / "parley.yaml"
        file.write_text(text)
        sources = configuration.load(file, environ={"NOTION_TOKEN": "ntn_x"}).tenants["shop"].knowledge.sources
        for source in sources:
            values = {
                key: getattr(value, "get_secret_value", lambda v=value: v)() for key, value in source.options.items()
            }
            assert NotionOptions.model_validate(values).token.get_secret_value() == "ntn_x"


def test_every_option_and_its_default_is_on_the_page() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", TEXT, re.MULTILINE))
    options = {name: each for name, each in NotionOptions.model_fields.items() if name != "private_hosts"}
    assert rows.keys() == options.keys()
    for name, each in options.items():
        default = "required" if each.is_required() else each.default
        shown = {(): "[]", SecretStr(""): "none"}.get(default, f"{default}")
        assert rows[name].strip("`") == shown, name
