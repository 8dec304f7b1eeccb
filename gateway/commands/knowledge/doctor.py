"""`parley knowledge doctor`: find defects of the documents, and say what to do about each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.common.options import AsJson, ConfigFile, TenantName, Url, with_api
from gateway.commands.common.printing import note, print_json
from schemas.errors import Unavailable

if TYPE_CHECKING:
    from gateway.commands.common.instance import AdminApi

_POLL_EVERY = 0.5
_PATH = "/knowledge-health"
_NO_DEFECTS = frozenset({"expires_soon", "never_cited"})


def doctor(
    links: Annotated[bool, typer.Option(help="Ask for every address that the documents link to.")] = True,
    config: ConfigFile = None,
    tenant: TenantName = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Find contradictions, duplicates, expired and uncited documents, and broken links.

    Exits with 1 if it finds a defect. Documents that expire soon or were never cited do not count."""
    report = with_api(config, tenant, url, lambda api: _check(api, links=links))
    if as_json:
        print_json(report)
    else:
        _print_report(report)
    if any(count for code, count in report["counts"].items() if code not in _NO_DEFECTS):
        raise typer.Exit(1)


async def _check(api: AdminApi, *, links: bool) -> Any:
    import asyncio

    report = await api.call("POST", _PATH, {"links": links})
    if report["running"]:
        note("checking the documents")
    while report["running"]:
        await asyncio.sleep(_POLL_EVERY)
        report = await api.call("GET", _PATH)
    if report["failed"] or report["finished_at"] is None:
        raise Unavailable("the check failed", fix="look at the log of the instance")
    return report


def _print_report(report: Any) -> None:
    from gateway.knowledge.health import TITLES

    typer.echo(f"{report['documents']} documents checked in {report['seconds']} s")
    for code, title in TITLES.items():
        count = report["counts"].get(code, 0)
        if not count:
            continue
        typer.echo(f"\n{title} ({count})")
        listed = [finding for finding in report["findings"] if finding["code"] == code]
        for finding in listed:
            _print_finding(finding)
        if count > len(listed):
            typer.echo(f"  and {count - len(listed)} more")
    if report["links_checked"] is not None:
        unchecked = f", {report['links_unchecked']} not checked" if report["links_unchecked"] else ""
        typer.echo(f"\n{report['links_checked']} links checked{unchecked}")


def _print_finding(finding: Any) -> None:
    typer.echo(f"  {finding['detail']}")
    for place in finding["places"]:
        quote = f": {' '.join(place['quote'].split())}" if place["quote"] else ""
        heading = f" · {place['heading']}" if place["heading"] else ""
        typer.echo(f"    {place['document']}{heading}{quote}")
    typer.echo(f"    → {finding['fix']}")
