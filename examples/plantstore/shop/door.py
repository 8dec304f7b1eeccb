"""Where the shop is: at the address in the settings, or, when there is none, in this very process."""

from __future__ import annotations

import asyncio
import weakref
from datetime import UTC, datetime
from pathlib import Path

from agent_worker.actions import ActionContext, ActionFailed

FOLDER = Path(__file__).parents[1] / ".parley" / "shop"
_open: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Path, asyncio.Future[str]]] = (
    weakref.WeakKeyDictionary()
)


async def address(context: ActionContext) -> str:
    """Of the settings, ``shop_url`` is where it is; ``shop_folder`` where this process keeps it otherwise."""
    url = str(context.settings.get("shop_url", ""))
    if url:
        return url.rstrip("/")
    folder = Path(str(context.settings.get("shop_folder", "")) or FOLDER)
    shops = _open.setdefault(asyncio.get_running_loop(), {})
    if folder not in shops or (shops[folder].done() and shops[folder].exception() is not None):
        shops[folder] = asyncio.ensure_future(_opened(folder))
    try:
        return await asyncio.shield(shops[folder])
    except OSError as error:
        raise ActionFailed("The shop is not open here.") from error


async def _opened(folder: Path) -> str:
    """On a port of its own, for this machine alone, until the process ends."""
    from aiohttp import web

    from .api import build_app

    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    runner = web.AppRunner(build_app(folder, lambda: datetime.now(UTC).date()), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    return f"http://{host}:{port}"
