"""`parley contact`: find a contact, export everything that is held about one, erase it, and check the proof
of an erasure."""

from __future__ import annotations

import json
import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO
from urllib.parse import quote

import typer

from gateway.commands.common.options import AsJson, ConfigFile, TenantName, Url, confirm, load, with_api
from gateway.commands.common.printing import note, print_json, print_table
from schemas.errors import InvalidRequest, Unavailable
from schemas.validation.texts import describe_count

if TYPE_CHECKING:
    from gateway.commands.common.instance import AdminApi

app = typer.Typer(
    help="Find contacts, export or erase what is held about one of them, and check proofs.", no_args_is_help=True
)
POLL_SECONDS = 1.0
_LONGEST_LINE = 200
"""Bytes from the end of an export in which its last line begins."""
_LONGEST_PROOF = 100_000
"""Characters."""
_PROVEN = {"id", "tenant", "contact_id", "requested_by", "requested_at", "keys_erased_at", "done_at"}


@app.command()
def find(
    query: Annotated[
        str, typer.Argument(metavar="Q", help="Words that the name, an address or the id begins with.")
    ] = "",
    channel: Annotated[str, typer.Option(help="Only contacts with an address on this channel.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many contacts are listed at most.")] = 50,
    config: ConfigFile = None,
    tenant: TenantName = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Find contacts by name, address, phone number or id; without Q, all of them are listed by name."""

    async def load(api: AdminApi) -> list[Any]:
        items: list[Any] = []
        filters = {"q": query, "channel": channel}
        async for item in api.iterate_items("/contacts", **{name: text for name, text in filters.items() if text}):
            if len(items) == limit:
                note(f"There are more than {limit}: write more of the name, or raise --limit.")
                break
            items.append(item)
        return items

    items = with_api(config, tenant, url, load)
    if as_json:
        print_json(items)
        return
    rows = ((item["id"], item["name"], _describe_addresses(item), item["last_at"]) for item in items)
    print_table(("id", "name", "addresses", "last active"), rows)


@app.command()
def export(
    contact: Annotated[str, typer.Argument(metavar="ID", help="An id from `contact find`.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option(help="Write to this file instead of standard output.", show_default=False)
    ] = None,
    config: ConfigFile = None,
    tenant: TenantName = None,
    url: Url = None,
) -> None:
    """Export everything that is held about a contact, as JSON lines. The export is recorded in the audit trail."""

    async def write(api: AdminApi) -> int:
        parts = api.stream(f"/contacts/{quote(contact, safe='')}/export")
        first = await anext(parts, b"")  # an error leaves no file
        draft = out.with_name(f".{out.name}.{os.getpid()}") if out else None
        try:
            with draft.open("xb") if draft else nullcontext(sys.stdout.buffer) as sink:
                end = _write(sink, first, b"")
                async for part in parts:
                    end = _write(sink, part, end)
            count = read_count(end)
            if draft and out:
                draft.replace(out)
        finally:
            if draft:
                draft.unlink(missing_ok=True)
        return count

    count = with_api(config, tenant, url, write)
    place = f" in {out}" if out else ""
    note(f"{describe_count(count, 'line')}{place}. This is personal data: keep it where only you can read it.")


@app.command()
def erase(
    contact: Annotated[str, typer.Argument(metavar="ID", help="An id from `contact find`.", show_default=False)],
    is_sure: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    is_waiting: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it is done.")] = True,
    config: ConfigFile = None,
    tenant: TenantName = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Erase a contact and everything that is held about them, for good. Prints what was deleted, and a signed proof."""
    confirm(f"Erase {contact} and everything that was said by and to them?", is_sure=is_sure)

    from asyncio import sleep

    async def run_erasure(api: AdminApi) -> dict[str, Any]:
        begun = await api.call("DELETE", f"/contacts/{quote(contact, safe='')}")
        while True:
            erasure: dict[str, Any] = await api.call("GET", f"/erasures/{begun['erasure_id']}")
            if erasure["state"] == "done" or not is_waiting:
                return erasure
            await sleep(POLL_SECONDS)

    erasure = with_api(config, tenant, url, run_erasure)
    if as_json:
        print_json(erasure)
        return
    print_table(("store", "deleted"), ((kind, str(count)) for kind, count in sorted(erasure["stores"].items())))
    typer.echo(erasure["proof"] or f"The erasure {erasure['id']} is under way.")


@app.command()
def verify(
    proof: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A file with the proof that `contact erase` printed; - is standard input.",
            allow_dash=True,
            show_default=False,
        ),
    ],
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Check the signed proof of an erasure, and print what it says. It is checked here, with `secret_key`."""
    from gateway.config.yaml_reader import explain_unreadable
    from gateway.contacts.erasure_records import read_proof

    keys = load(config).secret_key
    try:
        with nullcontext(sys.stdin) if str(proof) == "-" else proof.open(encoding="utf-8", errors="replace") as file:
            erasure = read_proof(file.read(_LONGEST_PROOF), keys)
    except OSError as error:
        raise InvalidRequest(explain_unreadable(proof, error), fix="check the path of the proof") from error
    told = erasure.model_dump(mode="json", include=_PROVEN)
    if as_json:
        print_json(told | {"stores": erasure.stores})
        return
    print_table(("proof", "says"), ((name.replace("_", " "), str(value)) for name, value in told.items()))
    print_table(("store", "deleted"), ((kind, str(count)) for kind, count in sorted(erasure.stores.items())))


def _write(sink: BinaryIO, part: bytes, end: bytes) -> bytes:
    """Write a part. Returns the end of everything that was written, given that from before."""
    sink.write(part)
    return (end + part)[-_LONGEST_LINE:]


def read_count(end: bytes) -> int:
    """The number of lines that the last one says. Raises Unavailable if the export broke off before it."""
    try:
        last = json.loads(end.splitlines()[-1])
        return int(last["data"]["lines"]) if last["kind"] == "end" else _fail()
    except (ValueError, LookupError, TypeError):
        return _fail()


def _fail() -> int:
    raise Unavailable("the export broke off before its end", fix="look at the instance's log, and export again")


def _describe_addresses(item: dict[str, Any]) -> str:
    return ", ".join(f"{address['channel']}:{address['value']}" for address in item["addresses"])
