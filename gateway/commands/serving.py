"""`parley dev` and `parley run`: start an instance, or one role of an installation."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.common.options import ConfigFile, load
from gateway.commands.common.printing import program_name, progress, tell
from schemas.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.config.settings import Config
    from gateway.wiring.process_services import ProcessServices
    from gateway.wiring.secret_reload import SecretReload
    from schemas.ports import Knowledge

_QUESTION_HEADING = re.compile(r"^#{1,6} +([^\n]{8,70}\?) *$", re.MULTILINE)
"""A heading that is a question."""
_MAX_HEADINGS = 12
"""How many headings are tried to find an example of a question."""


class Role(StrEnum):
    """The role of one process in a scaled installation."""

    edge = "edge"
    connectors = "connectors"
    worker = "worker"


def add(app: typer.Typer) -> None:
    app.command()(dev)
    app.command()(run)


def dev(
    config: ConfigFile = None,
    port: Annotated[
        int | None, typer.Option(help="Listen at this port instead of the configured one.", show_default=False)
    ] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "warning",
    fetch_languages: Annotated[
        bool,
        typer.Option(
            "--fetch-languages", help="Then install the encoder for questions in other languages, if it is missing."
        ),
    ] = False,
) -> None:
    """Start everything in one process, on SQLite. It serves a chat page to try it."""
    import asyncio

    from gateway.storage.private_files import restrict_data_folder
    from gateway.wiring.secret_reload import SecretReload
    from schemas.errors import SetupError

    loaded = load(config, port=port)
    if not loaded.embedded:
        raise SetupError(
            f"`parley dev` runs on SQLite; this configuration uses {loaded.servers}",
            fix="start the roles with `parley run`, or set `bus` and `state` to sqlite",
        )
    _set_up_logging(log_level)
    restrict_data_folder(loaded)
    reload = SecretReload(loaded, lambda: load(config, port=port))
    asyncio.run(_run_dev(loaded, _config_option(config), reload, fetch_languages=fetch_languages))


def run(
    role: Annotated[Role, typer.Argument(help="edge, connectors or worker.")],
    config: ConfigFile = None,
    channels: Annotated[str, typer.Option(help="Serve only these channels, separated by commas; by default all.")] = "",
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Start one role of a scaled installation (Kafka and Redis)."""
    import asyncio

    from gateway.doctor import preflight
    from gateway.storage.private_files import restrict_data_folder
    from gateway.wiring import compose
    from gateway.wiring.engines import refuse_embedded
    from gateway.wiring.routing import ensure_trained
    from gateway.wiring.secret_reload import SecretReload

    loaded = load(config)
    refuse_embedded(loaded, f"run {role.value}")
    _set_up_logging(log_level)
    served = parse_channels(loaded, channels)
    preflight.require_imports(loaded)
    for tenant in loaded.tenants if role is Role.worker else ():
        ensure_trained(loaded, tenant)
    restrict_data_folder(loaded)
    reload = SecretReload(loaded, lambda: load(config))
    asyncio.run(compose.serve_role(loaded, role.value, served, reload=reload))


def parse_channels(config: Config, text: str) -> list[str]:
    """The channels in the value of ``--channels``. Raises InvalidRequest for a channel that no tenant has."""
    from gateway.wiring.engines import channels_of

    configured = channels_of(config)
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in configured]
    if unknown:
        raise InvalidRequest(
            f"no tenant has the channel {unknown[0]!r}", fix=f"use --channels with some of: {','.join(configured)}"
        )
    return names


def _set_up_logging(level: str) -> None:
    from infra.telemetry import set_up_logging

    if level not in ("debug", "info", "warning", "error"):
        raise InvalidRequest(f"unknown log level {level!r}", fix="use --log-level debug, info, warning or error")
    set_up_logging(human=sys.stderr.isatty(), level=level)


async def _run_dev(config: Config, config_option: str, reload: SecretReload, *, fetch_languages: bool) -> None:
    import asyncio

    from gateway.commands.common.instance import publish_address
    from gateway.config import loader as configuration
    from gateway.doctor import preflight
    from gateway.documents.startup_import import StartupImport
    from gateway.wiring import compose
    from gateway.wiring.listening import check_port
    from gateway.wiring.models.discovery import choose_models, find_offers
    from gateway.wiring.models.encoders import find_missing_languages
    from gateway.wiring.routing import train_changed_models

    offers = await find_offers(config, configuration.environment())
    config, chosen = await choose_models(config, configuration.environment())
    if chosen:
        tell(chosen)
    for address in config.addresses:
        check_port(*address)
    await asyncio.to_thread(preflight.require_imports, config)
    await asyncio.to_thread(train_changed_models, config, tell)

    async def show_examples(services: ProcessServices) -> None:
        if services.knowledge is not None:
            sample = await find_sample_question(services.knowledge, next(iter(config.tenants)))
            typer.echo(examples(config, config_option, sample))
        if fetch_languages and find_missing_languages(config):
            await _fetch_languages(config)

    documents = StartupImport(config, progress=partial(progress, print_line=tell), note=tell, on_done=show_examples)
    await compose.serve_dev(
        config,
        documents=documents,
        address=publish_address(config),
        on_ready=lambda: typer.echo(banner(config, offers, fetches_languages=fetch_languages)),
        reload=reload,
    )


async def _fetch_languages(config: Config) -> None:
    """Install the encoder for questions in other languages; the next such question uses it. It ends with the
    process."""
    import asyncio

    from gateway.wiring.models.encoders import OTHER_LANGUAGES_FIND_LITTLE, find_missing_languages

    command = [sys.executable, "-m", "infra.deploy.encoder", "--languages"]
    fetching = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
    try:
        await fetching.wait()
    finally:
        if fetching.returncode is None:
            fetching.terminate()
            await fetching.wait()
    if missing := find_missing_languages(config):
        tell(f"{OTHER_LANGUAGES_FIND_LITTLE} ({missing}); run `make encoder`")


async def find_sample_question(knowledge: Knowledge, tenant: str) -> str:
    """A question that is a heading in the tenant's documents and that a search answers from there, or an empty text."""
    headings = [
        (document.id, question)
        for document in sorted(await knowledge.documents(tenant), key=lambda each: each.id)
        if document.visibility == "public"
        for question in _QUESTION_HEADING.findall(document.body)
    ]
    best, confidence = "", 0.0
    for document, question in headings[:: max(1, len(headings) // _MAX_HEADINGS)]:
        found = await knowledge.search(tenant, question, k=1)
        if found.answerable and found.passages[0].document == document and found.confidence > confidence:
            best, confidence = question, found.confidence
    return best


def banner(config: Config, offers: Sequence[str] = (), *, fetches_languages: bool = False) -> str:
    """The text that is shown as soon as the instance listens: its addresses, the model that answers, ``offers``, the
    models that could answer, and what other languages lack."""
    from gateway.wiring.models.discovery import describe_model
    from gateway.wiring.models.encoders import OTHER_LANGUAGES_FIND_LITTLE, find_missing_languages

    models = f"\n{' ' * 16}".join((describe_model(config, next(iter(config.tenants))), *offers))
    languages = ""
    if find_missing_languages(config):
        cure = "until their encoder is here; it is fetched below" if fetches_languages else "without `make encoder`"
        languages = f"  languages     {OTHER_LANGUAGES_FIND_LITTLE} {cure}\n"
    return f"""
Parley is running (one process, SQLite in {config.data_dir}). Stop it with Ctrl-C.

  chat page     {config.local_url}/
  console       {config.local_admin_url}/console
  admin token   {_own_token(config) or "as configured"}
  model         {models}
{languages}"""


def _own_token(config: Config) -> str:
    """The generated admin token, or an empty text. One that somebody has chosen is not repeated: the output often ends
    in a system log."""
    from gateway.config.secret_keys import is_generated

    return config.admin_token.get_secret_value() if is_generated(config, "admin_token") else ""


def examples(config: Config, config_option: str, sample: str) -> str:
    """Examples of questions, shown once all documents can be searched.

    ``config_option`` is the ``--config`` that commands in another terminal need, ``sample`` a question that the
    documents answer."""
    url, tenant, token = config.local_url, next(iter(config.tenants)), _own_token(config) or "…"
    ask = shlex.quote(json.dumps({"query": sample or "…", "k": 3}, ensure_ascii=False))
    message = f" -m {shlex.quote(sample)}" if sample else ""
    return f"""Ask in the terminal:
  {program_name()} chat{message}{config_option}

Or over HTTP:
  curl -s -X POST {url}/v1/chat/{tenant}/sessions -H 'Content-Type: application/json' -d '{{}}'
  curl -s -X POST {config.local_admin_url}/v1/admin/{tenant}/knowledge/search -H 'Content-Type: application/json' \\
    -H "Authorization: Bearer {token}" -d {ask}
"""


def _config_option(file: Path | None) -> str:
    """The ``--config`` option that other commands in this folder need, or an empty text if they find the file."""
    from gateway.config.loader import FILE_NAME, find_file

    path = find_file(file)
    if path == Path(FILE_NAME).absolute():
        return ""
    short = os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
    return f" --config {shlex.quote(short)}"
