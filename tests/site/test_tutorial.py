"""docs/tutorial.md, followed word by word: each command works, each output is the one that is shown."""

from __future__ import annotations

import pytest
from playwright.async_api import async_playwright, expect

from infra.deploy import servers
from tests.harness.processes import ROOT
from tests.site.blocks import Block, list_blocks
from tests.site.reader import SITE, Reader

PAGE = "docs/tutorial.md"
FOLLOWED = {PAGE: {"sh", "text", "markdown", "python", "yaml", "html"}}


@pytest.mark.slow
async def test_a_reader_gets_to_a_shop_that_answers_acts_and_chats_on_a_page(reader: Reader) -> None:
    for block in list_blocks(PAGE):
        reader.does(block)
    question, answer = "How long is a gift card valid?", "valid for three years from the day you buy it"
    assert f'ask "{question}"' in (ROOT / PAGE).read_text()
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=servers.fetch_browser(), args=["--no-sandbox"])
        page = await browser.new_page()
        await page.goto(f"http://127.0.0.1:{reader.ports[SITE]}/")
        chat = page.locator("parley-chat")
        await chat.locator(".launcher").click()
        await chat.locator(".field textarea").fill(question)
        await chat.locator(".field textarea").press("Enter")
        reply = chat.locator(".line.agent:not(.greeting):not(.draft)").last
        await expect(reply).to_contain_text(answer, timeout=30_000)
        await reply.locator(".mark").first.click()
        await expect(reply).to_contain_text("Gift cards")
        await browser.close()


def test_an_output_that_differs_would_be_noticed(reader: Reader) -> None:
    reader.does(Block("sh", "", "parley init other\n"))
    with pytest.raises(AssertionError):
        reader.does(Block("text", "output", "other/actions.py\n"))
