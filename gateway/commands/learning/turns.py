"""`parley turns`: the records of the agent's turns, and their export for training."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote, urlencode

import typer

from gateway.commands.common.options import AsJson, ConfigFile, TenantName, Url, with_api
from gateway.commands.common.printing import note, print_json
from schemas.errors import NotFound

if TYPE_CHECKING:
    from gateway.commands.common.instance import AdminApi

app = typer.Typer(help="Show what the agent did and why, and export it for training.", no_args_is_help=True)


@app.command()
def show(
    id: Annotated[str, typer.Argument(metavar="ID", help="The id of a conversation, a turn or a message.")],
    config: ConfigFile = None,
    tenant: TenantName = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show turns, oldest first. Each has its passages, citations, route, actions, and how long each stage took."""

    async def load_turns(api: AdminApi) -> Any:
        try:
            return (await api.call("GET", f"/conversations/{quote(id, safe='')}"))["turns"]
        except NotFound:
            return [await _find_turn(api, id)]

    turns = with_api(config, tenant, url, load_turns)
    if as_json:
        print_json(turns)
        return
    typer.echo("\n\n".join(format_turn(turn) for turn in turns))


@app.command()
def export(
    config: ConfigFile = None,
    tenant: TenantName = None,
    channel: Annotated[str, typer.Option(help="Only conversations on this channel.")] = "",
    since: Annotated[str, typer.Option(help="Only conversations last answered at this date or time or later.")] = "",
    until: Annotated[str, typer.Option(help="Only conversations last answered before this date or time.")] = "",
    approved: Annotated[bool, typer.Option("--approved", help="Only approved conversations.")] = False,
    rejected: Annotated[bool, typer.Option("--rejected", help="Only rejected replies.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Write the unmasked records of the turns instead.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Write to this file instead of standard output.", show_default=False)
    ] = None,
    url: Url = None,
) -> None:
    """Export conversations and rejected replies for training.

    Writes JSON lines without personal data."""
    kind = "" if approved == rejected else "approved" if approved else "rejected"
    parameters = {"channel": channel, "since": since, "until": until, "kind": kind}
    query = urlencode({name: value for name, value in parameters.items() if value})

    async def write_lines(api: AdminApi) -> int:
        count = 0
        with out.open("w", encoding="utf-8") if out else _Stdout() as sink:
            async for line in _raw_lines(api, channel) if raw else api.stream_lines(f"/training?{query}"):
                sink.write(line)
                count += 1
        return count

    count = with_api(config, tenant, url, write_lines)
    note(f"{count} {'turns' if raw else 'lines'}")


class _Stdout:
    """Standard output as a file that is not closed."""

    def __enter__(self) -> _Stdout:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def write(self, line: str) -> int:
        typer.echo(line, nl=False)
        return len(line)


async def _find_turn(api: AdminApi, id: str) -> dict[str, Any]:
    """The turn with this id, or the one that answered or wrote the message with this id. The newest conversations are
    searched first. Raises NotFound."""
    async for turn in _iterate_turns(api, ""):
        if id in {turn["id"], *turn["handled"], *(reply["id"] for reply in turn["replies"])}:
            return turn
    raise NotFound(
        "no conversation, turn or message has this id",
        fix="see the conversations in the console, or all turns with `parley turns export`",
    )


async def _iterate_turns(api: AdminApi, channel: str) -> AsyncIterator[dict[str, Any]]:
    async for item in api.iterate_items("/conversations", **({"channel": channel} if channel else {})):
        for turn in (await api.call("GET", f"/conversations/{item['id']}"))["turns"]:
            yield {"conversation_id": item["id"], "channel": item["channel"]} | turn


async def _raw_lines(api: AdminApi, channel: str) -> AsyncIterator[str]:
    import json

    async for turn in _iterate_turns(api, channel):
        yield json.dumps(turn, ensure_ascii=False) + "\n"


_SHOWN_FIELDS = frozenset(
    {"id", "at", "route", "outcome", "intent", "confidence", "model", "tokens", "cost", "reasons", "scores", "stages"}
    | {"passages", "actions", "replies", "handled", "conversation_id", "channel"}
)


def format_turn(turn: dict[str, Any]) -> str:
    """The record of a turn as text."""
    return "\n".join(_turn_lines(turn))


def _turn_lines(turn: dict[str, Any]) -> Iterator[str]:
    yield f"turn {turn['id']}  {turn['at']}"
    outcome = f" -> {turn['outcome']}" if turn.get("outcome") else ""
    intent = f", intent {turn['intent']}" if turn.get("intent") else ""
    yield f"  route     {turn['route']}{outcome}{intent}, confidence {turn['confidence']:.2f}"
    yield from (f"  because   {reason}" for reason in turn["reasons"])
    yield from (f"  score     {value:.3f}  {name}" for name, value in turn.get("scores", {}).items())
    yield f"  model     {turn['model'] or 'none'}, {turn['tokens']} tokens, {turn['cost']:.6f} dollars"
    stages = ", ".join(f"{name} {spent:.0f}" for name, spent in turn["stages"].items())
    yield f"  ms        {sum(turn['stages'].values()):.0f} ({stages})"
    for passage in turn["passages"]:
        place = " > ".join(filter(None, (passage["document"], passage["heading"])))
        yield f"  passage   {passage['score']:.3f}  {'cited ' if passage['cited'] else '      '}{place}"
    yield from (_format_action(action) for action in turn["actions"])
    yield from (f"  {name:9} {value}" for name, value in turn.items() if name not in _SHOWN_FIELDS and value)
    yield f"  answered  {len(turn['handled'])} messages: {', '.join(turn['handled'])}"
    for reply in turn["replies"]:
        text = " ".join(reply["text"].split())
        yield f"  reply     {reply['id']}  {text}"


def _format_action(action: dict[str, Any]) -> str:
    arguments = ", ".join(f"{name}={value}" for name, value in action["arguments"].items())
    reason = f"  {action['reason']}" if action["reason"] else ""
    key = f"  key {action['key']}" if action["key"] else ""
    return f"  action    {action['name']}({arguments}): {action['outcome']}{reason}{key}"
