"""Takes the pictures of docs/console.md and docs/desk.md.

python -m tests.screenshots [folder]
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from playwright.async_api import async_playwright

from infra.deploy import servers
from tests.harness.processes import ForkServer
from tests.screenshots import console, desk
from tests.screenshots.pictures import DOCS, Screenshots


async def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    album, fork_server = Screenshots(folder), ForkServer()
    await fork_server.start()
    try:
        async with async_playwright() as driver:
            browser = await driver.chromium.launch(executable_path=servers.fetch_browser(), args=["--no-sandbox"])
            await asyncio.gather(console.play(fork_server, browser, album), desk.play(fork_server, browser, album))
            await browser.close()
    finally:
        await fork_server.close()
    for name in album.said:
        print(album.path(name))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS))
