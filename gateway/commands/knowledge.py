"""`parley knowledge`: the documents the agent answers from."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from gateway.commands.options import AsJson, ConfigFile, TenantName, Url, load, run, tenant_of, with_api
from gateway.commands.printing import Progress, note, print_json, progress, table
from schemas.errors import InvalidRequest

if TYPE_CHECKING:
    from agent_worker.knowledge.quality import Asked, Figures
    from agent_worker.knowledge.reading import DocumentDraft
    from gateway.commands.instance import Api
    from gateway.settings import Config
    from gateway.sync import SyncReport
    from schemas.conversation import Document
    from schemas.ports import Found

app = typer.Typer(help="The documents the agent answers from.", no_args_is_help=True)
Paths = Annotated[list[Path], typer.Argument(help="Files and folders (.md, .txt, .html).", metavar="PATH...")]


class RemoteShelf:
    """A tenant's documents behind the admin API."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def hashes(self) -> dict[str, str]:
        return {item["document"]: item["hash"] for item in await self._api.every("/knowledge")}

    async def put(self, draft: DocumentDraft) -> None:
        body = {"title": draft.title, "body": draft.body, "url": draft.url, "language": draft.language}
        ends = {"expires_at": draft.expires_at.isoformat()} if draft.expires_at else {}
        await self._api.call("PUT", _path(draft.id), body | {"visibility": draft.visibility} | ends)

    async def remove(self, document: str) -> None:
        await self._api.call("DELETE", _path(document))


@app.command()
def add(
    paths: Paths, config: ConfigFile = None, tenant: TenantName = None, url: Url = None, as_json: AsJson = False
) -> None:
    """Publish files; what did not change is left alone."""
    _told(_sync(paths, config, tenant, url, remove=False), as_json)


@app.command()
def sync(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files and folders [those configured].", metavar="[PATH...]")
    ] = None,
    config: ConfigFile = None,
    tenant: TenantName = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Make the documents equal to the files: publish what changed, remove what is gone."""
    _told(_sync(paths or [], config, tenant, url, remove=True), as_json)


@app.command("list")
def listing(config: ConfigFile = None, tenant: TenantName = None, url: Url = None, as_json: AsJson = False) -> None:
    """List the documents."""
    items = with_api(config, tenant, url, lambda api: api.every("/knowledge"))
    if as_json:
        print_json(items)
    else:
        rows = ([item[key] for key in ("document", "version", "size", "updated_at", "title")] for item in items)
        table(("document", "version", "bytes", "updated", "title"), rows)


@app.command()
def remove(
    documents: Annotated[list[str], typer.Argument(help="Ids from `knowledge list`.", metavar="DOCUMENT...")],
    config: ConfigFile = None,
    tenant: TenantName = None,
    url: Url = None,
) -> None:
    """Remove documents."""

    async def work(api: Api) -> None:
        for document in documents:
            await api.call("DELETE", _path(document))

    with_api(config, tenant, url, work)
    note(f"removed {', '.join(documents)}")


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="What a customer might ask.")],
    config: ConfigFile = None,
    tenant: TenantName = None,
    k: Annotated[int, typer.Option("-k", help="How many passages.", min=1, max=50)] = 5,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show what the agent would find, and whether it would answer."""
    body = {"query": question, "k": k}
    found = with_api(config, tenant, url, lambda api: api.call("POST", "/knowledge/search", body))
    if as_json:
        print_json(found)
        return
    verdict = "would answer" if found["answerable"] else "would not answer"
    typer.echo(f"{verdict} (confidence {found['confidence']:.2f})")
    for passage in found["passages"]:
        typer.echo(f"\n{passage['score']:.2f}  {passage['document']} · {passage['heading'] or passage['title']}")
        typer.echo("      " + " ".join(passage["text"].split())[:240])


@app.command()
def check(
    questions: Annotated[Path, typer.Argument(help="YAML: questions with id, question, document (or null), split.")],
    config: ConfigFile = None,
    tenant: TenantName = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Ask every question of a file and count how often the right document was cited."""
    loaded = load(config)
    figures = run(_figures(loaded, tenant_of(loaded, tenant), _asked(questions), url))
    if as_json:
        print_json([{key: value for key, value in asdict(item).items() if key != "wrong"} for item in figures])
        return
    typer.echo(f"encoder: {figures[0].encoder or 'none, words alone'}" if figures else "no questions")
    rows = (
        (
            item.split,
            item.answerable,
            f"{item.cited:.3f}",
            f"{item.found:.3f}",
            item.unanswerable,
            f"{item.declined:.3f}",
        )
        for item in figures
    )
    table(("split", "answerable", "cited right", "found first", "unanswerable", "declined"), rows)


def _asked(file: Path) -> list[Asked]:
    import yaml

    from agent_worker.knowledge.quality import read_questions

    try:
        return read_questions(yaml.safe_load(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        what = f"cannot read {file}: {type(error).__name__}"
        raise InvalidRequest(what, fix="check the path, and that it is YAML") from error


async def _figures(config: Config, tenant: str, asked: list[Asked], url: str | None) -> list[Figures]:
    from agent_worker.knowledge import quality
    from agent_worker.models.local import LocalModel
    from gateway.commands.instance import opened
    from gateway.consumers import worker_settings

    model = LocalModel(worker_settings(config.tenants, {}))
    async with opened(config, tenant, url) as api:
        with progress("questions", len(asked)) as step:
            return await quality.check(RemoteKnowledge(api, step), model, tenant, asked)


class RemoteKnowledge:
    """``schemas.ports.Knowledge`` over the admin API, with the bodies left out: the quality check only searches."""

    def __init__(self, api: Api, step: Progress) -> None:
        self._api = api
        self._step = step

    async def search(
        self, tenant: str, query: str, *, k: int = 8, wait: float = 0.25, channel: str = "", since: float = math.inf
    ) -> Found:
        from schemas.ports import Found, Passage

        self._step("")
        found = await self._api.call("POST", "/knowledge/search", {"query": query, "k": k, "explain": True})
        passages = [Passage(tenant=tenant, version=0, **passage) for passage in found["passages"]]
        judged = {name: found[name] for name in ("answerable", "confidence")}
        return Found(passages=passages, encoder=found.get("encoder", ""), **judged)

    async def documents(self, tenant: str) -> list[Document]:
        return [_document(item, "") for item in await self._api.every("/knowledge")]

    async def document(self, tenant: str, document: str) -> Document | None:
        from schemas.errors import NotFound

        try:
            found = await self._api.call("GET", _path(document))
        except NotFound:
            return None
        return _document(found, found["body"])

    async def ready(self) -> None:
        """An instance that answers is ready to search."""


def _document(item: dict[str, str], body: str) -> Document:
    from schemas.conversation import Document

    return Document.model_validate(item | {"id": item["document"], "body": body})


def _sync(paths: list[Path], config: Path | None, tenant: str | None, url: str | None, *, remove: bool) -> SyncReport:
    from gateway import sync as syncing

    loaded = load(config)
    configured = [Path(path) for path in loaded.tenants[tenant_of(loaded, tenant)].knowledge.paths]
    files = syncing.files_below(paths or configured)
    if not files:
        raise InvalidRequest("no file to read", fix="name files or folders with .md, .txt or .html files")

    async def work(api: Api) -> SyncReport:
        with progress("documents", len(files)) as step:
            return await syncing.sync(RemoteShelf(api), files, remove=remove, step=step)

    return with_api(config, tenant, url, work)


def _told(report: SyncReport, as_json: bool) -> None:
    """Exit code 1 when a file was left out."""
    if as_json:
        print_json(asdict(report))
    else:
        counts = {key: len(value) for key, value in asdict(report).items()}
        typer.echo(", ".join(f"{count} {key}" for key, count in counts.items() if count or key == "added"))
        for file, problem in report.failed.items():
            note(f"left out {file}: {problem}")
    if report.failed:
        raise typer.Exit(1)


def _path(document: str) -> str:
    return f"/knowledge/{quote(document, safe='')}"
