"""`parley turns`: what the agent did, and why."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from gateway.commands.options import AsJson, ConfigFile, TenantName, Url, with_api
from gateway.commands.printing import note, print_json, table

if TYPE_CHECKING:
    from gateway.commands.instance import Api

app = typer.Typer(help="What the agent did, and why.", no_args_is_help=True)


@app.command()
def show(
    conversation: Annotated[str, typer.Argument(help="The id of a conversation.")],
    config: ConfigFile = None,
    tenant: TenantName = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show the turns of a conversation, oldest first."""

    async def work(api: Api) -> Any:
        return await api.call("GET", f"/conversations/{quote(conversation, safe='')}")

    turns = with_api(config, tenant, url, work)["turns"]
    if as_json:
        print_json(turns)
        return
    head = ("at", "route", "outcome", "confidence", "model", "ms", "cited", "reasons")
    table(head, (_row(turn) for turn in turns))


@app.command()
def export(
    config: ConfigFile = None,
    tenant: TenantName = None,
    channel: Annotated[str, typer.Option(help="Only of this channel.")] = "",
    out: Annotated[Path | None, typer.Option(help="Write there instead of stdout.", show_default=False)] = None,
    url: Url = None,
) -> None:
    """Write every turn as one JSON line, with its conversation and channel."""

    async def work(api: Api) -> int:
        count = 0
        with out.open("w", encoding="utf-8") if out else _Stdout() as sink:
            async for line in _every(api, channel):
                sink.write(line)
                count += 1
        return count

    count = with_api(config, tenant, url, work)
    note(f"{count} turns")


class _Stdout:
    """Standard output as a file that is not closed."""

    def __enter__(self) -> _Stdout:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def write(self, line: str) -> int:
        typer.echo(line, nl=False)
        return len(line)


async def _every(api: Api, channel: str) -> AsyncIterator[str]:
    import json

    query = {"channel": channel} if channel else {}
    for item in await api.every("/conversations", **query):
        whole = await api.call("GET", f"/conversations/{item['id']}")
        for turn in whole["turns"]:
            line = {"conversation_id": item["id"], "channel": item["channel"]} | turn
            yield json.dumps(line, ensure_ascii=False) + "\n"


def _row(turn: dict[str, Any]) -> tuple[object, ...]:
    cited = sorted({passage["document"] for passage in turn["passages"] if passage["cited"]})
    spent = f"{sum(turn['stages'].values()):.0f}"
    why = "; ".join(turn["reasons"])
    sure = f"{turn['confidence']:.2f}"
    return turn["at"], turn["route"], turn["outcome"], sure, turn["model"], spent, ", ".join(cited), why
