"""`parley replay`: past conversations, answered again by the current setup or a candidate."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO
from urllib.parse import urlencode

import typer

from gateway.commands.common.options import AsJson, ConfigFile, TenantName, Url, load, run, select_tenant
from gateway.commands.common.printing import Progress, note, print_table, progress, shorten
from gateway.http.query_times import parse_start
from schemas.errors import NotFound

if TYPE_CHECKING:
    import asyncio

    from agent_worker.learning.conversation_log import ConversationLog
    from agent_worker.learning.replay import ReplayedTurn, ReplayEngine
    from gateway.commands.common.instance import AdminApi
    from gateway.config.settings import Config
    from gateway.replay.candidate import Candidate

DEFAULT_PERIOD = "30d"
_MAX_SHOWN = 60
"""Characters of an answer in the table."""


def add(app: typer.Typer) -> None:
    app.command()(replay)


def replay(
    config: ConfigFile = None,
    tenant: TenantName = None,
    since: Annotated[
        str, typer.Option(help="Only turns of this period (30d, 12h) or since this date or time.", show_default=False)
    ] = "",
    conversation: Annotated[str, typer.Option(metavar="ID", help="Only this conversation.", show_default=False)] = "",
    candidate: Annotated[
        Path | None,
        typer.Option(help="Try the model, prompt, voice, routes and documents in this file.", show_default=False),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write a page with both answers side by side to this file.", show_default=False)
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, max=256, help="Conversations to replay at once.")] = 8,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Answer past conversations again, with the current setup or a candidate, and compare the answers.

    Without --since, the last 30 days or the whole of --conversation. Actions are not performed: they have the results
    that they had. Nothing is sent or stored."""
    from gateway.replay.candidate import Candidate, read_candidate

    loaded = load(config)
    name = select_tenant(loaded, tenant)
    start = parse_start("--since", since or ("" if conversation else DEFAULT_PERIOD), datetime.now(UTC))
    tried = Candidate() if candidate is None else read_candidate(candidate, name)
    setup = loaded if tried.overlay is None else load(config, overlay=tried.overlay)
    turns = run(_replay(loaded, setup, name, tried, start, conversation, jobs, url, as_json=as_json))
    if not turns:
        raise NotFound("no turn was recorded in this period", fix="choose another period with --since")
    _report(turns, as_json=as_json)
    if html is not None:
        from gateway.replay.report import render_page

        title = "the current setup" if candidate is None else candidate.name
        html.write_text(render_page(name, turns, title), encoding="utf-8")


async def _replay(
    loaded: Config,
    setup: Config,
    tenant: str,
    candidate: Candidate,
    since: datetime | None,
    conversation: str,
    jobs: int,
    url: str | None,
    *,
    as_json: bool,
) -> list[ReplayedTurn]:
    import tempfile

    from gateway.commands.common.instance import open_api
    from gateway.replay.candidate_documents import replace_documents
    from gateway.replay.recordings import RecordingReader
    from gateway.wiring.replay import open_replay_engine

    with (
        tempfile.TemporaryDirectory(prefix="parley-replay-") as folder,
        tempfile.TemporaryFile("w+", encoding="utf-8") as recordings,
    ):
        # The file has no name, so that nothing that people wrote is left behind if the command is killed.
        scratch = Path(folder)
        async with open_api(loaded, tenant, url) as api:
            await _fetch_recordings(api, since, conversation, recordings)
        # The instance is no longer needed, however long the models take.
        recordings.seek(0)
        reader = RecordingReader(recordings, tenant)
        documents = reader.read_head()
        if candidate.folder is not None:
            documents = await replace_documents(setup, tenant, documents, candidate.folder, scratch)
        async with open_replay_engine(setup, tenant, documents, scratch) as engine:
            with progress("replaying", reader.count) as step:
                batches = _replay_in_parallel(engine, reader.conversations(), since, jobs, step)
                return [turn async for turns in batches for turn in _print_lines(turns, as_json=as_json)]


async def _fetch_recordings(api: AdminApi, since: datetime | None, conversation: str, file: TextIO) -> None:
    query = {"since": "" if since is None else since.isoformat(), "conversation": conversation}
    parameters = urlencode({name: text for name, text in query.items() if text})
    async for line in api.stream_lines(f"/recordings?{parameters}"):
        file.write(line)


async def _replay_in_parallel(
    engine: ReplayEngine,
    conversations: Iterator[ConversationLog],
    since: datetime | None,
    jobs: int,
    step: Progress,
) -> AsyncIterator[list[ReplayedTurn]]:
    """The turns of each conversation, in the order of the stream. At most ``jobs`` conversations are held at once."""
    import asyncio

    running: list[asyncio.Task[list[ReplayedTurn]]] = []
    try:
        for log in conversations:
            if len(running) >= jobs:
                yield await running.pop(0)
            step(log.id)
            running.append(asyncio.create_task(engine.replay(log, since)))
        while running:
            yield await running.pop(0)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _print_lines(turns: list[ReplayedTurn], *, as_json: bool) -> list[ReplayedTurn]:
    from gateway.replay.report import to_json

    for turn in turns if as_json else ():
        typer.echo(json.dumps(to_json(turn), ensure_ascii=False))
    return turns


def _result(turn: ReplayedTurn) -> str:
    if turn.same:
        return "same"
    return "missing" if turn.missing else "diverged" if turn.diverged else "changed"


def _report(turns: list[ReplayedTurn], *, as_json: bool) -> None:
    from gateway.replay.report import Counts, explain

    if not as_json:
        rows = [
            (
                turn.turn,
                turn.channel,
                _result(turn),
                shorten(turn.before.text, _MAX_SHOWN),
                "" if turn.same else explain(turn) or shorten(turn.after.text, _MAX_SHOWN),
            )
            for turn in turns
        ]
        print_table(("turn", "channel", "result", "before", "after"), rows)
    note(str(Counts.of(turns)))
