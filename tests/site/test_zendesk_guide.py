"""docs/how-to/zendesk.md: the simulated help centre is read as the page says, and every option is on it."""

from __future__ import annotations

import re

import pytest

from agent_worker.sources.zendesk.settings import SCHEME, ZendeskOptions, parse_location
from tests.harness.processes import ROOT
from tests.site.blocks import list_sources
from tests.site.guide_simulators import add_printed_source, simulating
from tests.site.reader import Reader

PAGE = "docs/how-to/zendesk.md"
FOLLOWED = {PAGE: {"sh"}}
TEXT = (ROOT / PAGE).read_text()


@pytest.mark.slow
def test_a_reader_of_the_guide_gets_an_answer_from_an_article(reader: Reader) -> None:
    check, simulator = list_sources(PAGE, "sh")
    with simulating("zendesk", simulator.strip()) as printed:
        add_printed_source(reader, printed)
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
