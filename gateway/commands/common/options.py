"""Options that several commands share, and the configuration, tenant and API that they select."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from schemas.errors import InvalidRequest

if TYPE_CHECKING:
    from gateway.commands.common.instance import AdminApi
    from gateway.config.settings import Config
    from gateway.config.yaml_reader import YamlDocument

T = TypeVar("T")

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", help="The configuration file [PARLEY_CONFIG, or ./parley.yaml].", show_default=False
    ),
]
File = Annotated[
    Path | None, typer.Argument(metavar="[FILE]", help="The configuration file, as with --config.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Url = Annotated[
    str | None,
    typer.Option("--url", help="The address of the instance, if it is not the configured one.", show_default=False),
]
TenantName = Annotated[
    str | None,
    typer.Option("--tenant", "-t", help="The tenant; required if several are configured.", show_default=False),
]


def load(config: Path | None, overlay: YamlDocument | None = None, **flags: Any) -> Config:
    """The configuration of a command, with ``overlay`` merged into it. Makes files that the command creates accessible
    to their owner only. Raises ConfigInvalid."""
    from gateway.config import loader as configuration
    from gateway.storage.private_files import restrict_new_files

    restrict_new_files()
    return configuration.load(config, flags=flags, overlay=overlay)


def select_tenant(config: Config, tenant: str | None) -> str:
    """The tenant that a command works on. Raises InvalidRequest, which names the tenants that exist."""
    names = sorted(config.tenants)
    if tenant in config.tenants:
        return str(tenant)
    if tenant is None and len(names) == 1:
        return names[0]
    message = f"there is no tenant {tenant!r}" if tenant else "several tenants are configured"
    raise InvalidRequest(message, fix=f"--tenant {' | '.join(names)}")


def confirm(question: str, *, is_sure: bool) -> None:
    """Ask the user, unless ``is_sure``. Raises InvalidRequest unless the answer is yes. Where there is no terminal,
    nobody answers."""
    try:
        agrees = is_sure or typer.confirm(question, err=True)
    except typer.Abort:
        if sys.stdin.isatty():
            raise
        typer.echo(err=True)
        agrees = False
    if not agrees:
        raise InvalidRequest("nothing was done", fix="answer with y, or run it with --yes")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine. Only errors are logged."""
    import asyncio

    from infra.telemetry import set_up_logging

    set_up_logging(human=True, level="error")
    return asyncio.run(work)


def with_api(config: Path | None, tenant: str | None, url: str | None, work: Callable[[AdminApi], Awaitable[T]]) -> T:
    """Run ``work`` with the admin API of the instance that the options select."""
    from gateway.commands.common.instance import open_api

    loaded = load(config)
    name = select_tenant(loaded, tenant)

    async def run_with_api() -> T:
        async with open_api(loaded, name, url) as api:
            return await work(api)

    return run(run_with_api())
