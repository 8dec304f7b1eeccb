"""A simulated Notion with the help pages of a plant shop: ``python -m tests.platforms.notion --port 9201``.

``POST /editor?replace=TEXT&with=TEXT`` edits its pages, and ``POST /editor?trash=TITLE`` puts one into the trash."""

from __future__ import annotations

import argparse
import asyncio
import json
import time

from aiohttp import web

from tests.platforms.notion.server import NotionServer
from tests.platforms.notion.workspace import Workspace, WorkspaceClock, bullet, heading, paragraph, table, toggle


class SystemClock(WorkspaceClock):
    """Time passes by itself."""

    def __init__(self) -> None:
        super().__init__()
        self._began = time.monotonic()

    def monotonic(self) -> float:
        return time.monotonic() - self._began


def write_shop(workspace: Workspace) -> None:
    shop = workspace.page("Help centre", paragraph("What our customers ask us."), share=True)
    workspace.page(
        "Returns",
        toggle("How long may I return a pot?", paragraph("You may return pots within 45 days; we pay for the parcel.")),
        toggle("May I return a plant?", paragraph("Plants can be returned within 14 days, if they are healthy.")),
        parent=shop,
    )
    workspace.page(
        "Watering",
        heading(1, "How do I water a Nepenthes?"),
        bullet("Use rain water only."),
        bullet("Never let the moss dry out."),
        table(["season", "how often"], ["summer", "every day"], ["winter", "twice a week"]),
        parent=shop,
    )
    plants = workspace.database("Plants", parent=shop)
    for name, price in (("Nepenthes alata", 24), ("Drosera capensis", 9)):
        workspace.row(plants, name, properties={"Price in euro": {"id": "p", "type": "number", "number": price}})


def edit(workspace: Workspace, old: str, new: str) -> int:
    """Replace a text wherever it stands; in how many blocks it stood."""
    edited = 0
    for node in workspace.nodes.values():
        before = json.dumps(node.content)
        if (after := before.replace(old, new)) != before:
            node.content = json.loads(after)
            workspace.touch(node)
            edited += 1
    return edited


def trash(workspace: Workspace, title: str) -> int:
    """Put the pages with this title into the trash; how many there were."""
    pages = [node for node in workspace.nodes.values() if node.kind == "page" and node.title == title]
    for page in pages:
        workspace.trash(page)
    return len(pages)


def make_editor(workspace: Workspace) -> web.RouteDef:
    async def handle(request: web.Request) -> web.Response:
        query = request.query
        done = (
            trash(workspace, query["trash"]) if "trash" in query else edit(workspace, query["replace"], query["with"])
        )
        return web.Response(text="done\n" if done else "nothing found\n", status=200 if done else 404)

    return web.post("/editor", handle)


async def serve(port: int) -> None:
    workspace = Workspace(SystemClock())
    write_shop(workspace)
    async with NotionServer(workspace).serving(port, make_editor(workspace)) as server:
        options = f'{{token: "{server.token}", address: "{server.address}"}}'
        print(f'- {{location: "notion://", options: {options}}}', flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=9201)
    asyncio.run(serve(parser.parse_args().port))
