"""`parley knowledge add`, `sync` and `status`: publish documents, here or by the instance, and see how that went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.common.options import AsJson, ConfigFile, TenantName, Url, load, select_tenant, with_api
from gateway.commands.common.printing import note, print_json, print_table, progress
from schemas.errors import Conflict, InvalidRequest
from schemas.validation.texts import describe_count

if TYPE_CHECKING:
    from gateway.commands.common.instance import AdminApi
    from gateway.commands.common.remote_sources import SourceSyncs
    from gateway.config.settings import Config
    from gateway.documents.sync import SyncReport


class Visibility(StrEnum):
    """Who may see a document."""

    public = "public"
    verified = "verified"
    internal = "internal"


_NOTHING = "there is nothing to read"
_NOTHING_FIX = "name files, folders or addresses, or set `knowledge` in the configuration"
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


def sync(
    places: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files, folders, pages, sitemaps and ids of `knowledge status` [all that are configured].",
            metavar="[PATH_OR_URL...]",
        ),
    ] = None,
    depth: DepthOption = None,
    pages: PagesOption = None,
    allow_removals: Annotated[
        bool, typer.Option("--allow-removals", help="Remove what is gone, however much of a source it is.")
    ] = False,
    approve_removals: Annotated[
        bool, typer.Option("--approve-removals", help="Sync nothing; remove what waits for a decision.")
    ] = False,
    discard_removals: Annotated[
        bool, typer.Option("--discard-removals", help="Sync nothing; keep what waits for a decision.")
    ] = False,
    config: ConfigFile = None,
    tenant: TenantName = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Publish changed documents, and remove those that are gone.

    The instance reads what is configured; other places are read here. Only documents of sources that could be read
    completely are removed. If they are several, and more than a fifth of a source, they wait for a decision."""
    loaded = load(config)
    ids = _find_source_ids(loaded, tenant, places or [])
    if approve_removals or discard_removals:
        if approve_removals and discard_removals:
            raise InvalidRequest("removals can be approved or discarded", fix="give one of the two options")
        _decide_removals(ids, "approve" if approve_removals else "discard", config, tenant, url, as_json)
    elif ids is None or depth is not None or pages is not None:
        request = SyncArguments(places or [], None, None, {"depth": depth, "pages": pages})
        _print_report(_sync(request, config, tenant, url, remove=True, allow_removals=allow_removals), as_json)
    else:
        syncs = _sync_configured(ids, config, tenant, url, allow_removals=allow_removals)
        _print_report(syncs.report, as_json, syncs.counts)


def _find_source_ids(config: Config, tenant: str | None, places: list[str]) -> list[str] | None:
    """The configured sources at these places; None if one of the places is not configured."""
    from gateway.commands.common.remote_sources import find_ids
    from gateway.documents.document_sources import configured_sources

    ids = find_ids(configured_sources(config, select_tenant(config, tenant)), places)
    if not places and not ids:
        raise InvalidRequest(_NOTHING, fix=_NOTHING_FIX)
    return ids


def _sync_configured(
    ids: list[str], config: Path | None, tenant: str | None, url: str | None, *, allow_removals: bool
) -> SourceSyncs:
    from gateway.commands.common.remote_sources import sync_sources

    with progress("documents", None) as step:
        syncs = with_api(config, tenant, url, lambda api: sync_sources(api, ids, step, allow_removals=allow_removals))
    if syncs.report.is_empty:
        raise InvalidRequest(_NOTHING, fix=_NOTHING_FIX)
    return syncs


def _decide_removals(
    ids: list[str] | None, decision: str, config: Path | None, tenant: str | None, url: str | None, as_json: bool
) -> None:
    from gateway.commands.common.remote_sources import decide_removals

    if ids is None:
        raise InvalidRequest("not all of these are configured sources", fix="see `parley knowledge status`")
    decided = with_api(config, tenant, url, lambda api: decide_removals(api, ids, decision))
    if as_json:
        print_json(decided)
        return
    done = "removed" if decision == "approve" else "kept"
    for location, documents in decided.items():
        typer.echo(f"{location}: {describe_count(len(documents), 'document')} {done}")


def status(config: ConfigFile = None, tenant: TenantName = None, url: Url = None, as_json: AsJson = False) -> None:
    """Show each source: its last and next sync, what was refused, and what waits for a decision."""
    from gateway.commands.common.remote_sources import describe_sources

    items = with_api(config, tenant, url, lambda api: api.list_items("/knowledge/sources"))
    if as_json:
        print_json(items)
        return
    rows, remarks = describe_sources(items)
    print_table(("source", "location", "status", "last sync", "documents", "next sync"), rows)
    for text in remarks:
        typer.echo(text)


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
        raise InvalidRequest(_NOTHING, fix=_NOTHING_FIX)
    return report


def _print_report(report: SyncReport, as_json: bool, counts: Mapping[str, int] | None = None) -> None:
    """Print the report. ``counts`` are given if it does not name all documents. Exits with 1 if a file or page was
    skipped. Raises Conflict if too many documents are gone."""
    lists = {name: getattr(report, name) for name in ("added", "changed", "unchanged", "removed")}
    counted = {name: counts[name] if counts else len(ids) for name, ids in lists.items()}
    if as_json:
        problems = {"held": report.held, "failed": report.failed, "notes": report.notes}
        print_json({**lists, "counts": counted, **problems})
    else:
        counts = {**counted, "failed": counts["refused"] if counts else len(report.failed)}
        typer.echo(", ".join(f"{count} {key}" for key, count in counts.items() if count or key == "added"))
        for file, problem in report.failed.items():
            note(f"skipped {file}: {problem}")
        for text in report.notes:
            note(text)
    if report.held:
        held = (f"{source}: {describe_count(len(gone), 'document')}" for source, gone in report.held.items())
        raise Conflict(
            f"so many documents of a source are gone that none of them was removed: {'; '.join(held)}",
            fix="check the source first, for example whether it is still shared; if the documents are really gone, "
            "remove them with --approve-removals (or --allow-removals for places that are not configured); "
            "otherwise keep them with --discard-removals",
        )
    if report.failed:
        raise typer.Exit(1)
