"""`parley token`: the API tokens of a tenant."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote

import typer

from gateway.commands.common.options import AsJson, ConfigFile, TenantName, Url, with_api
from gateway.commands.common.printing import note, print_json, print_table
from schemas.errors import InvalidRequest

app = typer.Typer(help="Create, list and revoke API tokens of a tenant.", no_args_is_help=True)
_DURATION = re.compile(r"(\d{1,5})([hdw])")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What the token is for, such as `shop-backend`.", show_default=False)],
    scopes: Annotated[
        list[str],
        typer.Option(
            "--scope",
            "-s",
            help="What it may do: read, reply, knowledge, or admin, which includes the others. May be repeated.",
            show_default=False,
        ),
    ],
    expires: Annotated[
        str, typer.Option(help="How long it is valid: hours, days or weeks, such as 12h or 90d.")
    ] = "90d",
    config: ConfigFile = None,
    tenant: TenantName = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Create a token and print it. It cannot be shown again."""
    expires_at = datetime.now(UTC) + _parse_duration(expires)
    body = {"name": name, "scopes": scopes, "expires_at": expires_at.isoformat()}
    created = with_api(config, tenant, url, lambda api: api.call("POST", "/tokens", body))
    if as_json:
        print_json(created)
        return
    typer.echo(created["token"])
    note(f"Keep it now: it cannot be shown again. Id {created['id']}, valid until {created['expires_at']}.")


@app.command("list")
def list_tokens(config: ConfigFile = None, tenant: TenantName = None, url: Url = None, as_json: AsJson = False) -> None:
    """List tokens, the newest first. Those that ended more than 30 days ago are left out."""
    items = with_api(config, tenant, url, lambda api: api.list_items("/tokens"))
    if as_json:
        print_json(items)
        return
    now = datetime.now(UTC)
    rows = (
        (item["id"], item["name"], ",".join(item["scopes"]), item["created_by"], _describe_state(item, now))
        for item in items
    )
    print_table(("id", "name", "scopes", "created by", "state"), rows)


@app.command()
def revoke(
    token: Annotated[str, typer.Argument(help="An id from `token list`.", metavar="ID", show_default=False)],
    config: ConfigFile = None,
    tenant: TenantName = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Revoke a token for good. Every process refuses it from the next request on."""
    with_api(config, tenant, url, lambda api: api.call("DELETE", f"/tokens/{quote(token, safe='')}"))
    if as_json:
        print_json({"revoked": token})
    else:
        typer.echo(f"revoked {token}")


def _parse_duration(text: str) -> timedelta:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise InvalidRequest(f"--expires: {text!r} is not a duration", fix="write hours, days or weeks: 12h, 90d or 4w")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def _describe_state(item: dict[str, Any], now: datetime) -> str:
    if item["revoked_at"]:
        return f"revoked {item['revoked_at']}"
    verb = "expired" if datetime.fromisoformat(item["expires_at"]) <= now else "expires"
    return f"{verb} {item['expires_at']}"
