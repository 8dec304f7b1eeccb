"""docs/how-to/youtube.md, followed with the simulated YouTube: a question is answered from a video, at its second."""

from __future__ import annotations

import re

import pytest

from agent_worker.sources.youtube.options import YouTubeOptions
from tests.harness.processes import ROOT
from tests.site.blocks import list_sources
from tests.site.guide_simulators import add_printed_source, simulating
from tests.site.reader import Reader

PAGE = "docs/how-to/youtube.md"
FOLLOWED = {PAGE: {"sh"}}


@pytest.mark.slow
def test_a_reader_of_the_guide_gets_an_answer_from_a_video(reader: Reader) -> None:
    check, simulator = list_sources(PAGE, "sh")
    with simulating("youtube", simulator.strip()) as printed:
        add_printed_source(reader, printed)
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
