"""`parley chat`: a chat with the agent in the terminal, over the same WebSocket as the web page."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.commands.common.options import AsJson, ConfigFile, TenantName, Url, load, run, select_tenant
from schemas.errors import InvalidRequest


def add(app: typer.Typer) -> None:
    app.command()(chat)


def chat(
    message: Annotated[
        str | None, typer.Option("--message", "-m", help="Ask one question and exit.", show_default=False)
    ] = None,
    config: ConfigFile = None,
    tenant: TenantName = None,
    account: Annotated[str, typer.Option(help="The web account to use.")] = "main",
    wait: Annotated[float, typer.Option(help="Seconds to wait for an answer.", min=1)] = 60,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Chat with the agent of the running instance."""
    if as_json and message is None:
        raise InvalidRequest("--json needs a question", fix='ask one with -m: parley chat -m "…" --json')
    from gateway.commands.common.chat_client import run_chat

    loaded = load(config)
    run(run_chat(loaded, select_tenant(loaded, tenant), account, message, url, as_json, wait))
