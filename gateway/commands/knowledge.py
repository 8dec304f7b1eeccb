"""`parley knowledge`: publish, list, search and check the documents that the agent answers from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.common.options import AsJson, ConfigFile, TenantName, Url, load, run, select_tenant, with_api
from gateway.commands.common.printing import note, print_json, print_table, progress
from gateway.commands.knowledge_doctor import doctor
from schemas.errors import Conflict, InvalidRequest

if TYPE_CHECKING:
    from agent_worker.knowledge.quality.check import QualityReport
    from agent_worker.knowledge.quality.suite import Suite
    from gateway.commands.common.instance import AdminApi
    from gateway.config.settings import Config
    from gateway.documents.sync import SyncReport


class Visibility(StrEnum):
    """Who may see a document."""

    public = "public"
    verified = "verified"
    internal = "internal"


class Assurance(StrEnum):
    """How well a contact is identified."""

    anonymous = "anonymous"
    channel = "channel"
    verified = "verified"


app = typer.Typer(help="Publish, list, search and check the agent's documents.", no_args_is_help=True)
_FIGURES = {
    "right": "answered and right",
    "wrong": "answered and wrong (misleading, or beside the question)",
    "score": "right − 3 × wrong",
    "helped": "helped (right, or the right question offered)",
    "unanswerable_declined": "of the unanswerable: declined or asked back",
    "polarity_wrong": "of the yes/no questions: answered with the wrong one",
    "follow_ups_right": "of the follow-ups: right",
    "all_parts_named": "of several questions at once: all answered or named",
    "other_languages_helped": "of other languages: helped",
    "separation": "right answers surer than wrong ones (AUROC)",
}
LocationsArgument = Annotated[
    list[str],
    typer.Argument(
        help="Files and folders (.md, .txt, .html, .pdf, .docx, .csv of questions and answers), pages, sitemaps.",
        metavar="PATH_OR_URL...",
    ),
]
VisibilityOption = Annotated[
    Visibility | None,
    typer.Option(help="Who may see documents that do not set it themselves [public].", show_default=False),
]
LanguageOption = Annotated[
    str | None,
    typer.Option(help="The language of documents that do not set it themselves, such as de.", show_default=False),
]
DepthOption = Annotated[
    int | None, typer.Option(help="How many links to follow from a page [0].", min=0, max=50, show_default=False)
]
PagesOption = Annotated[
    int | None, typer.Option(help="How many pages of a website to read at most [500].", min=1, show_default=False)
]


@dataclass(frozen=True, slots=True)
class SyncArguments:
    """The arguments of `add` and `sync`. None stands for the configured value."""

    locations: list[str]
    visibility: str | None
    language: str | None
    options: dict[str, int | None]


@app.command()
def add(
    places: LocationsArgument,
    visibility: VisibilityOption = None,
    language: LanguageOption = None,
    depth: DepthOption = None,
    pages: PagesOption = None,
    config: ConfigFile = None,
    tenant: TenantName = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Publish files and pages that are new or have changed."""
    options = {"depth": depth, "pages": pages}
    request = SyncArguments(places, visibility.value if visibility else None, language, options)
    _print_report(_sync(request, config, tenant, url, remove=False), as_json)


@app.command()
def sync(
    places: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files, folders, pages and sitemaps [all that are configured].", metavar="[PATH_OR_URL...]"
        ),
    ] = None,
    depth: DepthOption = None,
    pages: PagesOption = None,
    allow_removals: Annotated[
        bool, typer.Option("--allow-removals", help="Allow the removal of more than half of a source's documents.")
    ] = False,
    config: ConfigFile = None,
    tenant: TenantName = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Publish changed documents, and remove those that are gone.

    Only documents of sources that could be read completely are removed."""
    request = SyncArguments(places or [], None, None, {"depth": depth, "pages": pages})
    _print_report(_sync(request, config, tenant, url, remove=True, allow_removals=allow_removals), as_json)


@app.command("list")
def list_documents(
    config: ConfigFile = None, tenant: TenantName = None, url: Url = None, as_json: AsJson = False
) -> None:
    """List the documents."""
    items = with_api(config, tenant, url, lambda api: api.list_items("/knowledge"))
    if as_json:
        print_json(items)
    else:
        rows = ([item[key] for key in ("document", "version", "size", "updated_at", "title")] for item in items)
        print_table(("document", "version", "bytes", "updated", "title"), rows)


@app.command()
def remove(
    documents: Annotated[list[str], typer.Argument(help="Ids from `knowledge list`.", metavar="DOCUMENT...")],
    config: ConfigFile = None,
    tenant: TenantName = None,
    url: Url = None,
) -> None:
    """Remove documents."""
    from gateway.commands.common.remote_documents import document_path

    async def remove_documents(api: AdminApi) -> None:
        for document in documents:
            await api.call("DELETE", document_path(document))

    with_api(config, tenant, url, remove_documents)
    note(f"removed {', '.join(documents)}")


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="What a customer might ask.")],
    config: ConfigFile = None,
    tenant: TenantName = None,
    k: Annotated[int, typer.Option("-k", help="How many passages to show.", min=1, max=50)] = 5,
    assurance: Annotated[Assurance, typer.Option(help="How well the contact is identified.")] = Assurance.anonymous,
    language: Annotated[str, typer.Option(help="The language that the contact prefers, such as de.")] = "",
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show what the agent would find, and whether it would answer."""
    body = {"query": question, "k": k, "assurance": assurance.value, "language": language}
    result = with_api(config, tenant, url, lambda api: api.call("POST", "/knowledge/search", body))
    if as_json:
        print_json(result)
        return
    verdict = "would answer" if result["answerable"] else "would not answer"
    typer.echo(f"{verdict} (confidence {result['confidence']:.2f})")
    for passage in result["passages"]:
        typer.echo(f"\n{passage['score']:.2f}  {passage['document']} · {passage['heading'] or passage['title']}")
        typer.echo("      " + " ".join(passage["text"].split())[:240])


@app.command()
def check(
    suites: Annotated[
        list[Path],
        typer.Argument(help="YAML files of customers' messages with rules for the replies.", metavar="SUITE..."),
    ],
    config: ConfigFile = None,
    tenant: TenantName = None,
    url: Url = None,
    show: Annotated[bool, typer.Option("--show", help="Show each reply that is not as it should be.")] = False,
    as_json: AsJson = False,
) -> None:
    """Answer customers' messages, and count right and wrong answers."""
    loaded = load(config)
    reports = run(_check_answers(loaded, select_tenant(loaded, tenant), [_read_suite(file) for file in suites], url))
    if as_json:
        print_json([_report_as_json(report, show) for report in reports])
        return
    for report in reports:
        _print_quality(report, show)


app.command()(doctor)


def _read_suite(file: Path) -> Suite:
    import yaml

    from agent_worker.knowledge.quality.suite import read_suite

    try:
        raw = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidRequest(
            f"cannot read {file}: {type(error).__name__}", fix="check the path, and that the file is YAML"
        ) from error
    suite = read_suite(raw)
    return suite if suite.name else suite.model_copy(update={"name": str(file)})


def _report_as_json(report: QualityReport, show: bool) -> dict[str, object]:
    shown: dict[str, object] = {"suite": report.name, "encoder": report.encoder, "replies": len(report.outcomes)}
    shown |= report.figures()
    shown["by_kind"] = {kind: dict(grades) for kind, grades in report.by_kind().items()}
    if show:
        shown["not_right"] = [
            {"id": each.case.id, "said": each.message.say, "grade": each.grade, "reply": each.reply.text}
            for each in report.outcomes
            if each.grade not in ("right", "rightly_declined")
        ]
    return shown


def _print_quality(report: QualityReport, show: bool) -> None:
    from agent_worker.knowledge.quality.grades import GRADES

    typer.echo(f"{report.name}: {len(report.outcomes)} replies, encoder {report.encoder or 'none, words alone'}")
    for name, label in _FIGURES.items():
        value = report.figures()[name]
        if value is not None:
            typer.echo(
                f"  {label:<58} {value:6.3f}" if name in ("score", "separation") else f"  {label:<58} {value:6.1%}"
            )
    by_kind = report.by_kind()
    rows = [(kind, *(by_kind[kind][grade] for grade in GRADES)) for kind in by_kind]
    totals = ("all", *(report.count(grade) for grade in GRADES))
    print_table(("kind", *(grade.replace("_", " ") for grade in GRADES)), [*rows, totals])
    for each in report.outcomes if show else ():
        if each.grade not in ("right", "rightly_declined"):
            typer.echo(
                f"\n{each.case.id} {each.grade}\n  > {each.message.say}\n  {' '.join(each.reply.text.split())[:300]}"
            )


async def _check_answers(config: Config, tenant: str, suites: list[Suite], url: str | None) -> list[QualityReport]:
    from agent_worker.knowledge.quality.check import SuiteRunner
    from agent_worker.models.local.model import LocalModel
    from gateway.commands.common.instance import open_api
    from gateway.commands.common.remote_documents import search_remotely
    from gateway.wiring.consumers import build_worker_settings

    settings = build_worker_settings(config.tenants, {})
    async with open_api(config, tenant, url) as api:
        await _check_own_documents(api, config, url)
        runner = SuiteRunner(
            partial(search_remotely, api, tenant), LocalModel(settings), tenant, settings.of(tenant).voice
        )
        with progress("customers", sum(len(suite.cases) for suite in suites)) as step:
            return [await runner.run(suite, step) for suite in suites]


async def _check_own_documents(api: AdminApi, config: Config, url: str | None) -> None:
    """If no instance runs, say so. Raises SetupError if there are no documents either: all figures would be zero."""
    from gateway.commands.common.instance import not_running_error

    if not api.is_own:
        return
    page = await api.call("GET", "/knowledge?limit=1")
    if not page["items"]:
        raise not_running_error(config, url)
    note(f"no instance runs; the questions are put to the documents in {config.data_path}")


def _sync(
    request: SyncArguments,
    config: Path | None,
    tenant: str | None,
    url: str | None,
    *,
    remove: bool,
    allow_removals: bool = False,
) -> SyncReport:
    from gateway.commands.common.remote_documents import RemoteDocumentStore
    from gateway.documents import document_sources
    from gateway.documents.crawl_state import CrawlStateStore
    from gateway.documents.sync import sync_documents

    loaded = load(config)
    name = select_tenant(loaded, tenant)
    sources = document_sources.configured_sources(loaded, name)
    if request.locations:
        fields = {"visibility": request.visibility, "language": request.language}
        sources = document_sources.select_sources(loaded, name, request.locations, fields, request.options)
    crawl_states = CrawlStateStore(loaded.data_path / f"read-{name}.json")

    async def publish_and_remove(api: AdminApi) -> SyncReport:
        with progress("documents", None) as step:
            return await sync_documents(
                RemoteDocumentStore(api),
                sources,
                remove=remove,
                crawl_states=crawl_states,
                step=step,
                allow_removals=allow_removals,
            )

    report = with_api(config, tenant, url, publish_and_remove)
    if report.is_empty:
        raise InvalidRequest(
            "there is nothing to read", fix="name files, folders or addresses, or set `knowledge` in the configuration"
        )
    return report


def _print_report(report: SyncReport, as_json: bool) -> None:
    """Print the report. Exits with 1 if a file or page was skipped. Raises Conflict if too many documents are gone."""
    if as_json:
        print_json(asdict(report))
    else:
        counts = {key: len(value) for key, value in asdict(report).items() if key not in ("notes", "spared")}
        typer.echo(", ".join(f"{count} {key}" for key, count in counts.items() if count or key == "added"))
        for file, problem in report.failed.items():
            note(f"skipped {file}: {problem}")
        for text in report.notes:
            note(text)
    if report.spared:
        spared = (f"{source}: {len(gone)} documents" for source, gone in report.spared.items())
        raise Conflict(
            f"more than half of the documents of a source are gone, so none of them was removed: {'; '.join(spared)}",
            fix="check the source first, for example whether the start page still has its links; "
            "if the documents are really gone, run it again with --allow-removals",
        )
    if report.failed:
        raise typer.Exit(1)
