"""`parley knowledge`: list, search and check the documents that the agent answers from."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.common.options import AsJson, ConfigFile, TenantName, Url, load, run, select_tenant, with_api
from gateway.commands.common.printing import note, print_json, print_table, progress
from gateway.commands.knowledge import sync
from gateway.commands.knowledge.doctor import doctor
from schemas.validation.texts import describe_count

if TYPE_CHECKING:
    from agent_worker.knowledge.quality.check import QualityReport
    from agent_worker.knowledge.quality.suite import Suite
    from gateway.commands.common.instance import AdminApi
    from gateway.config.settings import Config


class Assurance(StrEnum):
    """How well a contact is identified."""

    anonymous = "anonymous"
    channel = "channel"
    verified = "verified"


app = typer.Typer(help="Publish, list, search and check the agent's documents.", no_args_is_help=True)
app.command()(sync.add)
app.command()(sync.sync)
app.command()(sync.status)
_MOST_NAMED = 50
"""Documents that may be listed where an unknown one is named."""
_FIGURES = {
    "right": "answered and right",
    "right_as_closest": "of these: not sure, and quoted as the closest",
    "beside_as_closest": "quoted as the closest, and not what was asked for",
    "wrong": "answered and wrong (misleading, or beside the question)",
    "score": "right − 3 × wrong",
    "helped": "helped (right, or the right question offered)",
    "unanswerable_declined": "of the unanswerable: declined or asked back",
    "polarity_wrong": "of the yes/no questions: answered with the wrong one",
    "follow_ups_right": "of the follow-ups (all but first messages): right",
    "all_parts_named": "of several questions at once: all answered or named",
    "other_languages_helped": "of other languages: helped",
    "separation": "right answers surer than wrong ones (AUROC)",
}


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
    """Show what the agent would find, and what the built-in model would reply.

    Another model words its replies itself, from the same passages. Nothing is sent or kept.
    """
    loaded = load(config)
    name = select_tenant(loaded, tenant)
    body = {"query": question, "k": k, "assurance": assurance.value, "language": language}

    async def search_and_answer(api: AdminApi) -> dict[str, Any]:
        found = await api.call("POST", "/knowledge/search", body)
        return {**found, "reply": await _draft_reply(api, loaded, name, question, assurance, language)}

    result = with_api(config, tenant, url, search_and_answer)
    if as_json:
        print_json(result)
        return
    verdict = "would answer" if result["reply"]["answered"] else "would not answer"
    typer.echo(f"{verdict} (confidence {result['confidence']:.2f})")
    typer.echo("\n" + "\n".join(f"> {line}".rstrip() for line in result["reply"]["text"].splitlines()))
    for choice in result["reply"]["choices"]:
        typer.echo(f"> [{choice}]")
    for passage in result["passages"]:
        typer.echo(f"\n{passage['score']:.2f}  {passage['document']} · {passage['heading'] or passage['title']}")
        typer.echo("      " + " ".join(passage["text"].split())[:240])


async def _draft_reply(
    api: AdminApi, config: Config, tenant: str, question: str, assurance: Assurance, language: str
) -> dict[str, Any]:
    from agent_worker.models.local.model import LocalModel
    from agent_worker.reading.message_reading import discard, read_message
    from gateway.commands.common.remote_documents import search_remotely
    from gateway.wiring.consumers import build_worker_settings

    settings = build_worker_settings(config.tenants, {})
    search = partial(search_remotely, api, tenant, assurance=assurance.value)
    read = await read_message(tenant, question, [], language or settings.of(tenant).voice.locale, search)
    draft = await LocalModel(settings).answer(read, discard)
    return {"answered": draft.answered, "text": draft.text, "choices": [choice.label for choice in draft.choices]}


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
    from agent_worker.knowledge.quality.suite import Suite
    from gateway.evals.suite_files import read_cases

    suite = read_cases(file, Suite, "docs/quality.md describes the format")
    return suite if suite.name else suite.model_copy(update={"name": str(file)})


def _report_as_json(report: QualityReport, show: bool) -> dict[str, object]:
    shown: dict[str, object] = {"suite": report.name, "encoder": report.encoder, "replies": len(report.outcomes)}
    shown |= report.figures()
    shown["by_kind"] = {kind: dict(grades) for kind, grades in report.by_kind().items()}
    if show:
        shown["not_right"] = [
            {
                "id": each.case.id,
                "said": each.message.say,
                "grade": each.grade,
                "reply": each.reply.text,
                "choices": list(each.reply.choices),
            }
            for each in report.outcomes
            if each.grade not in ("right", "rightly_declined")
        ]
    return shown


def _print_quality(report: QualityReport, show: bool) -> None:
    from agent_worker.knowledge.quality.grades import GRADES

    replies = describe_count(len(report.outcomes), "reply")
    typer.echo(f"{report.name}: {replies}, encoder {report.encoder or 'none, words alone'}")
    for name, label in _FIGURES.items():
        value = report.figures()[name]
        if value is not None:
            typer.echo(
                f"  {label:<58} {value:6.3f}" if name in ("score", "separation") else f"  {label:<58} {value:6.1%}"
            )
    by_kind = report.by_kind()
    rows = [(kind, *(by_kind[kind][grade] for grade in GRADES)) for kind in by_kind]
    totals = ("all", *(report.count(grade) for grade in GRADES))
    print_table(("kind of case", *(grade.replace("_", " ") for grade in GRADES)), [*rows, totals])
    for each in report.outcomes if show else ():
        if each.grade not in ("right", "rightly_declined"):
            typer.echo(
                f"\n{each.case.id} {each.grade}\n  > {each.message.say}\n  {' '.join(each.reply.text.split())[:300]}"
            )
            for label in each.reply.choices:
                typer.echo(f"    [{label}]")


async def _check_answers(config: Config, tenant: str, suites: list[Suite], url: str | None) -> list[QualityReport]:
    from agent_worker.knowledge.quality.check import SuiteRunner
    from agent_worker.models.local.model import LocalModel
    from gateway.commands.common.instance import open_api
    from gateway.commands.common.remote_documents import search_remotely
    from gateway.wiring.consumers import build_worker_settings

    settings = build_worker_settings(config.tenants, {})
    async with open_api(config, tenant, url) as api:
        await _check_own_documents(api, config, url)
        await _note_unknown_documents(api, suites)
        runner = SuiteRunner(
            partial(search_remotely, api, tenant), LocalModel(settings), tenant, settings.of(tenant).voice
        )
        with progress("customers", sum(len(suite.cases) for suite in suites)) as step:
            return [await runner.run(suite, step) for suite in suites]


async def _note_unknown_documents(api: AdminApi, suites: list[Suite]) -> None:
    """Name the documents of rules that do not exist: no reply can be as they want it."""
    from gateway.config.validation import suggest

    known = [item["document"] for item in await api.list_items("/knowledge")]
    for suite in suites:
        for case, field, document in suite.list_named_documents():
            if document not in known:
                hint = suggest(document, known) if len(known) <= _MOST_NAMED else ""
                note(f"{suite.name}: case {case}: {field}: there is no document {document!r}{hint}")


async def _check_own_documents(api: AdminApi, config: Config, url: str | None) -> None:
    """If no instance runs, say so. Raises SetupError if there are no documents either: all figures would be zero."""
    from gateway.commands.common.instance import not_running_error

    if not api.is_own:
        return
    page = await api.call("GET", "/knowledge?limit=1")
    if not page["items"]:
        raise not_running_error(config, url)
    note(f"no instance runs; the questions are put to the documents in {config.data_path}")
