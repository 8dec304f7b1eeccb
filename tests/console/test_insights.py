"""Insights at the console: figures with the conversations behind them, groups with their cures, and drafts."""

from __future__ import annotations

import asyncio
import re
from html import unescape
from pathlib import Path

import pytest
from playwright.async_api import Browser

from gateway.evals.suite_files import read_suite
from tests.console.form_client import FormClient, ShownPage
from tests.console.test_accessibility import DESK, PHONE, open_page, signed_in, violations
from tests.unit.gateway.conftest import Instance
from tests.unit.gateway.test_insights import write_answered, write_declined
from tests.unit.insights.log_writer import LogWriter
from tests.widget.chat_page import Window, expect

PATH = "/console/shop/insights"


async def read_report(operator: FormClient) -> ShownPage:
    """The page with a new report."""
    assert (await operator.send(PATH, PATH, {"days": "30"})).status == 200
    async with asyncio.timeout(60):
        while True:
            page = await operator.get(PATH)
            if "Reading the log" not in page.words and "There is no report" not in page.words:
                return page
            await asyncio.sleep(0.1)


def find_link(page: ShownPage, text: str) -> str:
    """The address of the first link with this text."""
    found = re.search(rf'<a href="([^"]*)">{re.escape(text)}</a>', page.text)
    assert found, f"no link {text}"
    return unescape(found[1])


async def test_before_the_first_report_the_page_says_so(anna: FormClient) -> None:
    assert "There is no report yet" in (await anna.get(PATH)).words
    assert (await anna.get(f"{PATH}/conversations")).status == 404


async def test_figures_groups_and_drafts(instance: Instance, anna: FormClient) -> None:
    await write_declined(instance)
    await write_answered(instance)
    page = await read_report(anna)
    assert "14 conversations from" in page.words
    assert "Passed to people 57%" in page.words
    assert "A document. Write a document about it, from what people answered." in page.words
    assert "answers in a row did not help: 8" in page.words
    group = await anna.get(find_link(page, "8 times"))
    assert group.words.count("gift-") == 8
    passed_on = await anna.get(f"{PATH}/conversations?figure=handed_off&by=model&key=small")
    assert "8 conversations" in passed_on.words
    assert "/console/shop/conversations/gift-1" in passed_on.text
    assert "6 conversations" in (await anna.get(f"{PATH}/conversations?figure=durable")).words
    (form,) = re.findall(rf'action="({PATH}/[^"]*/draft)"', page.text)
    saved = await anna.send(PATH, form, {})
    assert saved.url.startswith("/console/shop/knowledge/documents/insight-")
    assert "Suggested by insights" in saved.words
    assert "Carla" not in saved.words


async def test_the_examples_of_a_group_become_cases_of_a_suite(
    instance: Instance, anna: FormClient, tmp_path: Path
) -> None:
    await write_declined(instance)
    page = await read_report(anna)
    response = await anna.get(find_link(page, "Make eval cases"))
    assert response.status == 200
    (tmp_path / "evals.yaml").write_text(response.text)
    suite = read_suite(tmp_path / "evals.yaml")
    group = await anna.get(find_link(page, "8 times"))
    assert [case.conversation for case in suite.cases] == re.findall(r'conversations/(gift-\d+)">Example', page.text)
    assert all(case.conversation in group.words for case in suite.cases)
    assert all(case.people and not case.expect.declines for case in suite.cases)
    assert "Carla" not in response.text


@pytest.mark.parametrize("fields", [{"days": "31"}, {}])
async def test_another_period_is_refused(anna: FormClient, fields: dict[str, str]) -> None:
    assert (await anna.send(PATH, PATH, fields)).status == 400


async def test_what_strangers_wrote_stays_text(instance: Instance, anna: FormClient) -> None:
    for number in range(4):
        talk = LogWriter(f"x{number}", at=instance.clock())
        talk.asks("<script>alert('gift')</script><img src=x onerror=alert(1)> wrapping")
        talk.answers("No.", outcome="declined", intent="<b>bold</b>")
        await instance.services.bus.append(talk.events)
    instance.clock.tick(60)
    page = await read_report(anna)
    assert "&lt;img src=x onerror=alert(1)&gt;" in page.text
    assert page.text.count("<script") == 1
    assert "<img" not in page.text
    assert "<b>bold" not in page.text


async def test_ben_sees_nothing_of_another_tenant(ben: FormClient) -> None:
    assert (await ben.get("/console/other/insights")).status == 404


@pytest.mark.slow
async def test_the_page_is_accessible_and_follows_the_report(
    browser: Browser, instance: Instance, anna: FormClient
) -> None:
    await write_declined(instance)
    await write_answered(instance)
    for view, scheme in ((DESK, "light"), (PHONE, "dark")):
        window = await Window.open(browser, instance.address, color_scheme=scheme, **view)
        await signed_in(window, anna)
        page = await open_page(window, PATH)
        await page.get_by_role("button", name="Create a new report").click()
        await expect(page.get_by_role("heading", name="What to improve")).to_be_visible(timeout=60_000)
        await expect(page.get_by_text("Reading the log")).to_have_count(0, timeout=60_000)
        await page.evaluate("document.querySelectorAll('details:not(.tenant)').forEach(node => (node.open = true))")
        assert await violations(page) == []
        wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0
        complaints = window.complaints()
        await window.context.close()
        assert not complaints
