"""`parley finetune evaluate`, `promote` and `demote`: tuned models against the ones that they were trained on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.common.options import AsJson, ConfigFile, TenantName, Url, load, run, select_tenant
from gateway.commands.common.printing import note, print_json, print_table, progress
from schemas.errors import ConfigInvalid, InvalidRequest

if TYPE_CHECKING:
    from agent_worker.learning.finetune.adapter_evaluation import AdapterEvaluation
    from gateway.config.settings import Config

SUITE, FORGETTING, EVALUATION = "evals.yaml", "forgetting.yaml", "evaluation.json"


def add(app: typer.Typer) -> None:
    app.command()(evaluate)
    app.command()(promote)
    app.command()(demote)


def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The tuned model's name at the provider.")],
    base: Annotated[str, typer.Option(help="The entry of `models` that it was trained on.")],
    suite: Annotated[
        Path | None, typer.Option(help=f"The tenant's suite [{SUITE}, beside the configuration].", show_default=False)
    ] = None,
    forgetting: Annotated[
        Path | None,
        typer.Option(
            help=f"A suite of what must not be forgotten [{FORGETTING}, beside the configuration, if there is one].",
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Keep the figures in this file, for `promote`.")] = Path(EVALUATION),
    judge: Annotated[str, typer.Option(metavar="MODEL", help="The model that judges tone.")] = "",
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Cases to run at once.")] = 8,
    offline: Annotated[
        bool, typer.Option("--offline", help="Read the documents from the configured folders, without an instance.")
    ] = False,
    config: ConfigFile = None,
    tenant: TenantName = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Run a suite before and after tuning, for each language, and a set that shows what was forgotten.

    The conversations are held apart from the instance: nothing is sent or stored, and no action is performed."""
    loaded = load(config)
    name = select_tenant(loaded, tenant)
    _check_base(loaded, base)
    default = loaded.folder / FORGETTING
    others = forgetting or (default if default.exists() else None)
    evaluation = run(
        _evaluate(
            config, loaded, name, base, model, suite or loaded.folder / SUITE, others, judge, jobs, url, offline=offline
        )
    )
    out.write_text(evaluation.model_dump_json(indent=2) + "\n", encoding="utf-8")
    if as_json:
        print_json(evaluation.model_dump(mode="json"))
    else:
        _print_evaluation(evaluation)
        note(f"written to {out}")


def promote(
    evaluation: Annotated[Path, typer.Argument(metavar="EVALUATION", help="The figures that `evaluate` wrote.")],
    share: Annotated[float, typer.Option(min=0.01, max=1, help="The share of conversations that it answers.")] = 0.1,
    locale: Annotated[
        str, typer.Option(help="Only conversations in this language, such as de.", show_default="all languages")
    ] = "",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Let a tuned model answer a share of the conversations. Refused if it is not better.

    Writes `adapters.yaml` beside the configuration. Workers read it when they start."""
    from agent_worker.learning.finetune.adapter_evaluation import AdapterEvaluation
    from gateway.finetune.adapter_registry import promote_adapter

    loaded = load(config)
    try:
        figures = AdapterEvaluation.model_validate_json(evaluation.read_bytes())
    except (OSError, ValueError) as error:
        fix = "write it with `parley finetune evaluate`"
        raise InvalidRequest(f"{evaluation} has no figures of an evaluation", fix=fix) from error
    name = promote_adapter(loaded, figures, share, locale)
    load(config)
    if as_json:
        print_json({"model": name, "tenant": figures.tenant, "share": share, "locale": locale})
    else:
        where = f" in {locale}" if locale else ""
        note(f"{name} answers {share:.0%} of the conversations of {figures.tenant}{where} once the workers restart")


def demote(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The adapter, in the registry or at the provider.")],
    locale: Annotated[str | None, typer.Option(help="Only in this language.", show_default="everywhere")] = None,
    config: ConfigFile = None,
    tenant: TenantName = None,
    as_json: AsJson = False,
) -> None:
    """Take a tuned model out of use, so that the model that it was trained on answers again."""
    from gateway.finetune.adapter_registry import demote_adapter

    loaded = load(config)
    removed = demote_adapter(loaded, select_tenant(loaded, tenant), name, locale)
    if as_json:
        print_json({"model": name, "removed": removed})
    else:
        note(f"{name} answers nobody any more once the workers restart")


def _check_base(config: Config, base: str) -> None:
    entry = config.models.get(base)
    if entry is None or entry.provider == "local" or entry.adapter_of:
        able = sorted(name for name, each in config.models.items() if each.provider != "local" and not each.adapter_of)
        fix = f"name one of: {', '.join(able)}" if able else "add one to `models`"
        raise ConfigInvalid(f"{base!r} is no model that can have adapters", fix=fix)


async def _evaluate(
    file: Path | None,
    loaded: Config,
    tenant: str,
    base: str,
    model: str,
    suite: Path,
    forgetting: Path | None,
    judge: str,
    jobs: int,
    url: str | None,
    *,
    offline: bool,
) -> AdapterEvaluation:
    import tempfile

    from gateway.commands.common.published_documents import fetch_documents
    from gateway.evals.runs import EvalOptions
    from gateway.evals.suite_files import read_suite
    from gateway.finetune.adapter_trials import AdapterTrial

    with tempfile.TemporaryDirectory(prefix="parley-finetune-") as folder:
        scratch = Path(folder)
        documents = await fetch_documents(loaded, tenant, url, scratch, offline=offline)
        cases = sum(len(read_suite(path).cases) for path in (suite, forgetting) if path is not None)
        with progress(f"running {suite.name} with {base} and {model}", 2 * cases) as step:
            options = EvalOptions(judge, jobs=jobs, step=step)
            trial = AdapterTrial(tenant, base, model, suite, forgetting, documents, options)
            return await trial.run(lambda overlay: load(file, overlay=overlay), scratch)


def _print_evaluation(evaluation: AdapterEvaluation) -> None:
    rows = [
        (kind, each.locale, each.cases, f"{each.before:.1%}", f"{each.after:.1%}", f"{each.low:.1%} to {each.high:.1%}")
        for kind, figures in (("suite", evaluation.suite), ("forgetting", evaluation.forgetting))
        for each in figures
    ]
    print_table(("set", "language", "cases", "before", "after", "95% of the difference"), rows)
    note(f"cost of the suite: ${evaluation.before_cost:.4f} before, ${evaluation.after_cost:.4f} after")
