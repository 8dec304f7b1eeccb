"""`parley deadletter`: records that could not be processed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from gateway.commands.common.options import AsJson, ConfigFile, TenantName, Url, confirm, with_api
from gateway.commands.common.printing import note, print_json, print_table
from schemas.validation.texts import describe_count

if TYPE_CHECKING:
    from gateway.commands.common.instance import AdminApi

app = typer.Typer(help="List, show, replay and discard records that could not be processed.", no_args_is_help=True)
DeadLetterIds = Annotated[list[str], typer.Argument(help="Ids from `deadletter list`.", metavar="ID...")]


@app.command("list")
def list_dead_letters(
    config: ConfigFile = None,
    tenant: TenantName = None,
    unassigned: Annotated[bool, typer.Option(help="List records that belong to no tenant instead.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """List dead letters, newest first."""

    async def load_dead_letters(api: AdminApi) -> list[Any]:
        return await api.list_items("/deadletters", unassigned="true" if unassigned else "false")

    items = with_api(config, tenant, url, load_dead_letters)
    if as_json:
        print_json(items)
    else:
        head = ("id", "code", "attempts", "replays", "channel", "conversation", "last at")
        keys = ("id", "code", "attempts", "replays", "channel", "conversation_id", "last_at")
        print_table(head, ([item[key] for key in keys] for item in items))


@app.command()
def show(
    letter: Annotated[str, typer.Argument(help="An id from `deadletter list`.", metavar="ID")],
    config: ConfigFile = None,
    tenant: TenantName = None,
    url: Url = None,
) -> None:
    """Show a dead letter as JSON. Texts that people wrote are replaced by their length."""
    print_json(with_api(config, tenant, url, lambda api: api.call("GET", f"/deadletters/{quote(letter, safe='')}")))


@app.command()
def replay(
    letters: DeadLetterIds,
    config: ConfigFile = None,
    tenant: TenantName = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Process dead letters again. A message is answered only if nobody has answered it in the meantime."""

    async def replay_all(api: AdminApi) -> list[Any]:
        return [await api.call("POST", f"/deadletters/{quote(letter, safe='')}/replay") for letter in letters]

    replayed = with_api(config, tenant, url, replay_all)
    if as_json:
        print_json(replayed)
    else:
        print_table(("replayed", "as", "topic"), ((item["replay_of"], item["id"], item["topic"]) for item in replayed))


@app.command()
def discard(
    letters: DeadLetterIds,
    is_sure: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    config: ConfigFile = None,
    tenant: TenantName = None,
    url: Url = None,
) -> None:
    """Delete dead letters for good, for example those that were replayed. Nothing else of the conversation changes."""
    confirm(f"Discard {describe_count(len(letters), 'dead letter')} for good?", is_sure=is_sure)

    async def discard_all(api: AdminApi) -> None:
        for letter in letters:
            await api.call("DELETE", f"/deadletters/{quote(letter, safe='')}")

    with_api(config, tenant, url, discard_all)
    note(f"Discarded {describe_count(len(letters), 'dead letter')}.")
