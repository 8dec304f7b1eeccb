"""docs/tutorial.md, followed word by word: each command works, each output is the one that is shown."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, async_playwright, expect

from infra.deploy import servers
from tests.harness.processes import ROOT
from tests.site.blocks import Block, list_blocks, list_sources
from tests.site.reader import CHAT, SITE, Reader

PAGE = "docs/tutorial.md"
WIDGET = "docs/widget.md"
QUESTION, ANSWER = "How long is a gift card valid?", "valid for three years from the day you buy it"
FOLLOWED = {PAGE: {"sh", "text", "markdown", "python", "yaml", "html"}, WIDGET: {"text"}}


@pytest.mark.slow
async def test_a_reader_gets_to_a_shop_that_answers_acts_and_chats_on_a_page(reader: Reader) -> None:
    for block in list_blocks(PAGE):
        reader.does(block)
    assert f'ask "{QUESTION}"' in (ROOT / PAGE).read_text()
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=servers.fetch_browser(), args=["--no-sandbox"])
        page = await browser.new_page()
        await page.goto(f"http://127.0.0.1:{reader.ports[SITE]}/")
        chat = page.locator("parley-chat")
        await chat.locator(".launcher").click()
        await chat.locator(".field textarea").fill(QUESTION)
        await chat.locator(".field textarea").press("Enter")
        reply = chat.locator(".line.agent:not(.greeting):not(.draft)").last
        await expect(reply).to_contain_text(ANSWER, timeout=30_000)
        await reply.locator(".mark").first.click()
        await expect(reply).to_contain_text("Gift cards")
        await chat_under_policy(browser, reader)
        await browser.close()


async def chat_under_policy(browser: Browser, reader: Reader) -> None:
    """The chat answers on a page with the strict policy of the page about the widget."""
    (policy,) = list_sources(WIDGET, "text")
    server = f"127.0.0.1:{reader.ports[CHAT]}"
    policy = policy.strip().replace("wss://support.example.com", f"ws://{server}")
    policy = policy.replace("https://support.example.com", f"http://{server}")
    assert "trusted-types parley-chat" in (ROOT / WIDGET).read_text()
    strict = f"default-src 'none'; {policy}; require-trusted-types-for 'script'; trusted-types parley-chat"
    page = await browser.new_page()
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text) if message.type == "error" else None)
    site = reader.folder / "site"
    header = f'<meta http-equiv="Content-Security-Policy" content="{strict}">'
    (site / "strict.html").write_text((site / "index.html").read_text().replace("<head>", f"<head>{header}"))
    await page.goto(f"http://127.0.0.1:{reader.ports[SITE]}/strict.html")
    await page.locator("parley-chat .launcher").click()
    await page.locator("parley-chat .field textarea").fill(QUESTION)
    await page.locator("parley-chat .field textarea").press("Enter")
    await expect(page.locator("parley-chat .line.agent:not(.greeting):not(.draft)").last).to_contain_text(
        ANSWER, timeout=30_000
    )
    assert refused == []


def test_an_output_that_differs_would_be_noticed(reader: Reader) -> None:
    reader.does(Block("sh", "", "parley init other\n"))
    with pytest.raises(AssertionError):
        reader.does(Block("text", "output", "other/actions.py\n"))
