"""The page of the suites."""

from __future__ import annotations

from tests.console.form_client import FormClient
from tests.unit.gateway.conftest import Instance
from tests.unit.gateway.evals.test_published_runs import publish, result

PAGE = "/console/shop/evals"


async def test_the_page_says_how_suites_come_here(instance: Instance, anna: FormClient) -> None:
    page = await anna.get(PAGE)
    assert "No suite has been run yet" in page.text


async def test_the_last_run_is_shown_with_what_failed_and_earlier_runs(instance: Instance, anna: FormClient) -> None:
    await publish(instance, result(1, failed=0))
    await publish(instance, result(2))
    page = await anna.get(PAGE)
    for words in ("1 of 2 cases passed", "setup 2", "lacks 4.5", "<b>9 euro</b>", "Earlier runs", "setup 1"):
        assert words in page.words
    assert "<b>9 euro" not in page.text
    links = [attributes.get("href") for tag, attributes in page.elements() if tag == "a"]
    assert "/console/shop/conversations/c-1" in links
    assert [attributes for tag, attributes in page.elements() if tag == "circle"]
