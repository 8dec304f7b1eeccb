"""`parley insights` and `parley report`: failed answers and their cures, and the outcomes of conversations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote, urlencode

import typer

from gateway.commands.common.options import AsJson, ConfigFile, TenantName, Url, load, select_tenant, with_api
from gateway.commands.common.printing import note, print_json, print_table, shorten

if TYPE_CHECKING:
    from gateway.commands.common.instance import AdminApi

Since = Annotated[
    str, typer.Option(help="The length of the period (30d, 12h), or its first date or time [30d].", show_default=False)
]
Until = Annotated[str, typer.Option(help="Only before this date or time.", show_default=False)]
_MAX_SHOWN = 72


def add(app: typer.Typer) -> None:
    app.command()(insights)
    app.command()(report)


def insights(
    config: ConfigFile = None,
    tenant: TenantName = None,
    since: Since = "",
    until: Until = "",
    draft: Annotated[
        str,
        typer.Option(
            metavar="GROUP",
            help="Save what people answered to this group as the draft of a document.",
            show_default=False,
        ),
    ] = "",
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Group the answers that failed, and show the cheapest cure of each group.

    A group's cure is a document, the prompt or voice, an action, the routing, or tuning."""
    query = _build_query(since, until)

    async def read(api: AdminApi) -> Any:
        if draft:
            return await api.call("POST", f"/insights/{quote(draft, safe='')}/draft{query}", is_slow=True)
        return await api.call("GET", f"/insights{query}", is_slow=True)

    found = with_api(config, tenant, url, read)
    if as_json:
        print_json(found)
    elif draft:
        typer.echo(f"saved as {found['draft']}: read it in the console, and publish it as {found['document']}")
    else:
        _print_insights(found)


def report(
    config: ConfigFile = None,
    tenant: TenantName = None,
    since: Since = "",
    until: Until = "",
    form: Annotated[
        Literal["markdown", "html"] | None,
        typer.Option("--format", help="The format [by the ending of --out, else markdown].", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write to this file instead of standard output.", show_default=False)
    ] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Report what became of conversations, and what to improve, as Markdown or as an HTML page."""
    from gateway.insights.period_report import PeriodReport
    from gateway.insights.report_rendering import render_html, render_markdown

    loaded = load(config)
    name = select_tenant(loaded, tenant)
    query = _build_query(since, until)
    found = with_api(config, tenant, url, lambda api: api.call("GET", f"/report{query}", is_slow=True))
    if as_json:
        print_json(found)
        return
    is_html = form == "html" or (form is None and out is not None and out.suffix in (".html", ".htm"))
    about = name, loaded.tenants[name].name or name, (url or loaded.public_url or loaded.local_url).rstrip("/")
    text = (render_html if is_html else render_markdown)(PeriodReport.model_validate(found), *about)
    if out is None:
        typer.echo(text)
        return
    out.write_text(text, encoding="utf-8")
    note(f"written to {out}")


def _build_query(since: str, until: str) -> str:
    return "?" + urlencode({name: text for name, text in (("since", since), ("until", until)) if text})


def _print_insights(found: Any) -> None:
    totals, groups = found["totals"], found["groups"]
    if groups:
        rows = [
            (group["id"], group["count"], group["signal"], group["cure"], shorten(group["title"], _MAX_SHOWN))
            for group in groups
        ]
        print_table(("group", "count", "signal", "cure", "title"), rows)
        for group in groups:
            typer.echo(f"\n{group['title']}\n  {group['suggestion']}")
            for text in group["asked"]:
                typer.echo(f"    {shorten(text, _MAX_SHOWN)}")
            typer.echo(f"  examples: {', '.join(group['examples'])}")
            if group["proposal"] is not None:
                typer.echo(f"  a document from what people answered: parley insights --draft {group['id']}")
        typer.echo("")
    note(f"{totals['failed']} of {totals['questions']} answers failed in some way, {totals['grouped']} of them alike")
