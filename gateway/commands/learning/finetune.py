"""`parley finetune`: training data from the log, and the comparison and promotion of tuned models."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

import typer

from gateway.commands.common.options import AsJson, ConfigFile, TenantName, Url, load, run, select_tenant
from gateway.commands.common.printing import note, print_json, print_table
from gateway.commands.learning import adapters, training
from schemas.errors import NotFound

if TYPE_CHECKING:
    from agent_worker.learning.finetune.advice import Advice, TuningPrices
    from agent_worker.learning.finetune.data_card import DataCard
    from agent_worker.learning.finetune.training_example import TrainingExample
    from gateway.config.settings import Config

DATA = "finetune-data"
"""The folder in ``data_dir``, where no other is named."""
app = typer.Typer(help="Tune models on what people approved and wrote.", no_args_is_help=True)
adapters.add(app)
training.add(app)


@app.command()
def data(
    config: ConfigFile = None,
    tenant: TenantName = None,
    since: Annotated[str, typer.Option(help="Only conversations of this period (90d), or since this time.")] = "90d",
    out: Annotated[
        Path | None,
        typer.Option(help=f"The folder to write to [{DATA}/TENANT in the data folder].", show_default=False),
    ] = None,
    model_share: Annotated[
        float, typer.Option(min=0, max=1, help="The part of the answers that models may have written.")
    ] = 0.5,
    held_out: Annotated[float, typer.Option(min=0, max=0.5, help="The share of contacts kept for measuring.")] = 0.1,
    seed: Annotated[int, typer.Option(help="Another number splits the contacts in another way.")] = 1,
    licence: Annotated[
        str, typer.Option(help="The licence of the data, for its card.", show_default="the tenant's own")
    ] = "",
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Write training data: requests as the model saw them, with answers that people approved, wrote or changed.

    Leaves out what must not be learned, masks personal data, and writes a card that says what was dropped and why."""
    from agent_worker.learning.finetune.data_card import OWN_LICENCE
    from agent_worker.learning.finetune.example_filters import FilterOptions, filter_examples
    from agent_worker.learning.finetune.training_files import FileOptions, write_training_files

    loaded = load(config)
    name = select_tenant(loaded, tenant)
    examples = run(_fetch_examples(loaded, name, since, url))
    if not examples:
        raise NotFound("nobody judged an answer in this period", fix="choose another period with --since")
    filtered = filter_examples(examples, FilterOptions(model_share))
    folder = out or loaded.data_path / DATA / name
    options = FileOptions(
        tenant=name,
        since=since,
        held_out=held_out,
        seed=seed,
        model_share=model_share,
        licence=licence or OWN_LICENCE,
    )
    card = write_training_files(folder, filtered, options, datetime.now(UTC))
    if as_json:
        print_json(card.model_dump(mode="json") | {"folder": str(folder)})
    else:
        _print_card(card, folder)


@app.command()
def advise(
    since: Annotated[str, typer.Option(help="The period up to now (30d), or its first date or time.")] = "30d",
    training_price: Annotated[float, typer.Option(min=0, help="US dollars for training on a million tokens.")] = 0.0,
    hosting: Annotated[float, typer.Option(min=0, help="US dollars a month for serving a tuned model.")] = 0.0,
    config: ConfigFile = None,
    tenant: TenantName = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Say whether documents, the prompt, routes, actions or tuning would help most, and why.

    It follows from the groups of failed answers, the number of good examples, and the costs at the tenant's volume."""
    from agent_worker.learning.finetune.advice import TuningPrices

    loaded = load(config)
    name = select_tenant(loaded, tenant)
    found = run(_advise(loaded, name, since, TuningPrices(training_price, hosting), url))
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    if found.cures:
        rows = [(each.cure, each.groups, each.failures, "; ".join(each.examples)) for each in found.cures]
        print_table(("cure", "groups", "failures", "largest"), rows)
        typer.echo()
    typer.echo(found.verdict)
    for reason in found.reasons:
        typer.echo(f"  {reason}")


async def _advise(config: Config, tenant: str, since: str, prices: TuningPrices, url: str | None) -> Advice:
    from agent_worker.learning.finetune.advice import TenantUsage, advise
    from agent_worker.learning.finetune.example_filters import filter_examples
    from agent_worker.learning.insights.report import InsightReport
    from gateway.commands.common.instance import open_api

    query = urlencode({"since": since})
    async with open_api(config, tenant, url) as api:
        report = InsightReport.model_validate(await api.call("GET", f"/insights?{query}", is_slow=True))
        outcomes = await api.call("GET", f"/outcomes?{query}", is_slow=True)
    begin, end = (datetime.fromisoformat(outcomes[name]) for name in ("since", "until"))
    days = (end - begin).total_seconds() / 86_400
    traffic = TenantUsage(days, report.totals.questions, outcomes["total"]["cost"])
    kept = filter_examples(await _fetch_examples(config, tenant, since, url)).kept
    return advise(report.groups, kept, traffic, prices)


async def _fetch_examples(config: Config, tenant: str, since: str, url: str | None) -> list[TrainingExample]:
    from agent_worker.learning.finetune.training_example import TrainingExample
    from gateway.commands.common.instance import open_api

    query = urlencode({"since": since} if since else {})
    async with open_api(config, tenant, url) as api:
        lines = api.stream_lines(f"/finetune/examples?{query}")
        return [TrainingExample.model_validate_json(line) async for line in lines]


def _print_card(card: DataCard, folder: Path) -> None:
    print_table(("file", "rows"), list(card.files.items()))
    if card.dropped:
        typer.echo()
        print_table(("dropped", "examples", "why"), [(each.problem, each.examples, each.why) for each in card.dropped])
    note(
        f"{card.examples} examples of {card.contacts} contacts, {card.model_share:.0%} of the answers by models; "
        f"{card.dropped_examples} dropped; written to {folder}"
    )
