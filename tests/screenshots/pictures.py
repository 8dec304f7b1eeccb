"""Pictures of what a browser shows, with the words that stood on it."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Error, Page

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "images"

LOOKS = """async (picture) => {
  const bitmap = await createImageBitmap(await (await fetch("data:image/png;base64," + picture)).blob());
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
  canvas.drawImage(bitmap, 0, 0);
  const dots = new Uint32Array(canvas.getImageData(0, 0, bitmap.width, bitmap.height).data.buffer);
  const counts = new Map();
  for (const dot of dots) counts.set(dot, (counts.get(dot) || 0) + 1);
  const [ground, most] = [...counts].reduce((one, other) => other[1] > one[1] ? other : one);
  const light = ((ground & 255) + (ground >> 8 & 255) + (ground >> 16 & 255)) / (3 * 255);
  return {colors: counts.size, ground: most / dots.length, light};
}"""


@dataclass
class Screenshots:
    """``said``: by the name of a picture, all that could be read on the page then."""

    folder: Path
    said: dict[str, str] = field(default_factory=dict)

    async def take(self, name: str, page: Page, **options: Any) -> None:
        try:
            await page.screenshot(path=self.path(name), **options)
        except Error:  # on a busy machine, Chromium now and then has no frame to capture
            await page.screenshot(path=self.path(name), **options)
        self.said[name] = " ".join((await page.locator("body").inner_text()).split())

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.png"


@dataclass(frozen=True)
class PictureColors:
    """``ground``: the share of the commonest color, and how ``light`` that is; both from 0 to 1."""

    colors: int
    ground: float
    light: float


def size(path: Path) -> tuple[int, int]:
    """Width and height, as a PNG's head says."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n", path
    width, height = struct.unpack(">II", data[16:24])
    return width, height


async def looks(browser: Browser, data: str) -> PictureColors:
    """``data``: a picture in base64."""
    context = await browser.new_context()
    page = await context.new_page()
    found = await page.evaluate(LOOKS, data)
    await context.close()
    return PictureColors(**found)
