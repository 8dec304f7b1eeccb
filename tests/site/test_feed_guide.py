"""docs/how-to/feed.md: the feed on the page is served, synced and asked as the page says."""

from __future__ import annotations

import pytest
import yaml

from agent_worker.sources.feed.feed_parser import MAX_ENTRIES
from tests.harness.processes import ROOT
from tests.site.blocks import list_blocks
from tests.site.reader import SITE, Reader

PAGE = "docs/how-to/feed.md"
FOLLOWED = {PAGE: {"sh", "xml"}}


@pytest.mark.slow
def test_a_reader_of_the_guide_gets_an_answer_from_the_feed(project: Reader) -> None:
    check, server = [block for block in list_blocks(PAGE) if block.kind == "sh"]
    (feed,) = [block for block in list_blocks(PAGE) if block.kind == "xml"]
    _, source = [block for block in list_blocks(PAGE) if block.kind == "yaml"]
    project.does(feed)
    project.does(server)
    file = project.folder / "parley.yaml"
    configuration = yaml.safe_load(file.read_text())
    added = yaml.safe_load(source.text.replace(SITE, project.ports[SITE]))
    configuration["tenants"]["shop"]["knowledge"] |= added["knowledge"]
    file.write_text(yaml.safe_dump(configuration))
    shown = project.run_script(check.text)
    assert "4 added" in shown, "with the three documents of the shop"
    assert "We are closed from 24 December to 6 January." in shown


def test_the_limits_on_the_page_are_those_of_the_code() -> None:
    assert f"{MAX_ENTRIES:,} entries" in (ROOT / PAGE).read_text()
