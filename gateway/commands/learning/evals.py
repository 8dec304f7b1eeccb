"""`parley eval`: suites of cases, run against the current setup and candidates, and compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.common.options import AsJson, ConfigFile, TenantName, Url, load, run, select_tenant
from gateway.commands.common.printing import note, print_json, print_table, progress, shorten
from schemas.errors import InvalidRequest, NotFound

if TYPE_CHECKING:
    from agent_worker.learning.conversation_log import ConversationLog
    from agent_worker.learning.evals.comparison import Comparison, Difference
    from agent_worker.learning.evals.results import CaseResult, RunResult
    from agent_worker.learning.evals.suite import Suite
    from gateway.config.settings import Config
    from gateway.evals.runs import Setup

SUITE = "evals.yaml"
"""The suite beside the configuration, where no other is named."""
_MAX_SHOWN = 70
"""Characters of an explanation in a table."""
app = typer.Typer(help="Check the agent's answers with test suites.", no_args_is_help=True)

SuiteFile = Annotated[
    Path | None,
    typer.Argument(metavar="[SUITE]", help=f"The suite [{SUITE}, beside the configuration].", show_default=False),
]
Judge = Annotated[str, typer.Option(metavar="MODEL", help="The model that judges tone, in place of the suite's.")]
Customer = Annotated[
    str, typer.Option(metavar="MODEL", help="The model that plays simulated customers, in place of the suite's.")
]
Jobs = Annotated[int, typer.Option(min=1, max=64, help="Cases to run at once.")]
Offline = Annotated[
    bool, typer.Option("--offline", help="Read the documents from the configured folders, without an instance.")
]


@app.command("run")
def run_suite(
    suite: SuiteFile = None,
    config: ConfigFile = None,
    tenant: TenantName = None,
    candidate: Annotated[
        Path | None,
        typer.Option(help="Try the model, prompt, voice, routes and documents in this file.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Keep the results in this file, to compare them later.", show_default=False)
    ] = None,
    gate: Annotated[
        float | None, typer.Option(min=0, max=1, help="The share of cases that must pass.", show_default=False)
    ] = None,
    judge: Judge = "",
    customer: Customer = "",
    jobs: Jobs = 8,
    offline: Offline = False,
    publish: Annotated[bool, typer.Option("--publish", help="Show the results in the console.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Run all cases of a suite and check the answers. Exits with 1 below the gate.

    The conversations are held apart from the instance: nothing is sent or stored, and no action is performed."""
    loaded = load(config)
    name = select_tenant(loaded, tenant)
    path, cases = _read_suite(loaded, suite)
    if gate is not None:
        cases = cases.model_copy(update={"gate": cases.gate.model_copy(update={"passed": gate})})
    setup = _read_setup(str(candidate or "current"), config, loaded, name)
    (result,) = run(_run_suite(loaded, name, path, cases, [setup], judge, customer, jobs, url, offline=offline))
    if out is not None:
        out.write_text(result.model_dump_json(indent=2), encoding="utf-8")
    if publish:
        run(_publish(loaded, name, result, url))
    if as_json:
        print_json(result.summarize())
    else:
        _print_result(result)
    if any(result.find_misses()):
        raise typer.Exit(1)


@app.command()
def compare(
    a: Annotated[
        str, typer.Argument(metavar="A", help="Results (.json), a candidate (.yaml), a model, `current` or `people`.")
    ],
    b: Annotated[str, typer.Argument(metavar="B", help="What it is compared with.")],
    suite: Annotated[
        Path | None, typer.Option(help=f"The suite [{SUITE}, beside the configuration].", show_default=False)
    ] = None,
    config: ConfigFile = None,
    tenant: TenantName = None,
    judge: Judge = "",
    customer: Customer = "",
    jobs: Jobs = 8,
    offline: Offline = False,
    gate: Annotated[bool, typer.Option("--gate", help="Exit with 1 if B is certainly worse.")] = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Compare two setups over the cases of a suite: differences with 95% intervals, cost and times.

    A and B are results that `parley eval run --out` kept, candidates as for `parley replay`, models of the
    configuration, the `current` setup, or what `people` answered in the suite."""
    from agent_worker.learning.evals.comparison import compare_runs

    known = {side: _read_results(Path(side)) for side in (a, b) if side.endswith(".json")}
    if others := list(dict.fromkeys(side for side in (a, b) if side not in known)):
        loaded = load(config)
        name = select_tenant(loaded, tenant)
        path, cases = _read_suite(loaded, suite)
        setups = [_read_setup(side, config, loaded, name) for side in others]
        results = run(_run_suite(loaded, name, path, cases, setups, judge, customer, jobs, url, offline=offline))
        known |= dict(zip(others, results, strict=True))
    comparison = compare_runs(known[a], known[b])
    if as_json:
        print_json(comparison.to_json())
    else:
        _print_comparison(comparison)
    if gate and comparison.worse:
        raise typer.Exit(1)


@app.command()
def add(
    conversation: Annotated[str, typer.Option(metavar="ID", help="The conversation to take.")],
    suite: SuiteFile = None,
    name: Annotated[str, typer.Option(help="The name of the case.", show_default="its first words")] = "",
    config: ConfigFile = None,
    tenant: TenantName = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Add a past conversation to a suite, with what people answered in it and the results of its actions.

    Names, e-mail addresses, telephone and card numbers are masked. Read what is expected before you rely on it."""
    from gateway.evals.recorded_cases import build_case
    from gateway.evals.suite_files import add_case

    loaded = load(config)
    tenant_name = select_tenant(loaded, tenant)
    log = run(_fetch_conversation(loaded, tenant_name, conversation, url))
    case = build_case(log, name)
    path = suite or loaded.folder / SUITE
    add_case(path, case)
    if as_json:
        print_json({"suite": str(path), "case": case})
    else:
        note(f"added {case['name']!r} to {path}")


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _read_suite(config: Config, suite: Path | None) -> tuple[Path, Suite]:
    from gateway.evals.suite_files import read_suite

    path = suite or config.folder / SUITE
    return path, read_suite(path)


def _read_results(path: Path) -> RunResult:
    from gateway.evals.suite_files import read_results

    return read_results(path)


def _read_setup(side: str, file: Path | None, loaded: Config, tenant: str) -> Setup:
    """A setup by its name, its file or its model. Raises ConfigInvalid."""
    from gateway.config.yaml_reader import YamlDocument
    from gateway.evals.runs import CURRENT, PEOPLE, Setup
    from gateway.replay.candidate import read_candidate

    if side in (CURRENT, PEOPLE):
        return Setup(side, loaded, by_people=side == PEOPLE)
    if side in loaded.models:
        overlay = YamlDocument({"tenants": {tenant: {"model": side}}})
        return Setup(side, load(file, overlay=overlay))
    if not Path(side).suffix and not Path(side).exists():
        models = ", ".join(["", *loaded.models])
        raise InvalidRequest(
            f"there is no file {side}, and no model of this name",
            fix=f"give a file of results (.json), a candidate (.yaml), current, people{models}",
        )
    candidate = read_candidate(Path(side), tenant)
    return Setup(Path(side).name, load(file, overlay=candidate.overlay), candidate.folder)


async def _run_suite(
    loaded: Config,
    tenant: str,
    path: Path,
    suite: Suite,
    setups: Sequence[Setup],
    judge: str,
    customer: str,
    jobs: int,
    url: str | None,
    *,
    offline: bool,
) -> list[RunResult]:
    import tempfile

    from gateway.commands.common.published_documents import fetch_documents
    from gateway.evals.runs import EvalOptions, SuiteRunner

    with tempfile.TemporaryDirectory(prefix="parley-eval-") as folder:
        documents = await fetch_documents(loaded, tenant, url, Path(folder), offline=offline)
        results = []
        for number, setup in enumerate(setups):
            (scratch := Path(folder) / str(number)).mkdir()
            with progress(f"running {path.name} with {setup.name}", len(suite.cases)) as step:
                options = EvalOptions(judge, customer, jobs, step)
                results.append(await SuiteRunner(suite, path.name, tenant, documents, options).run(setup, scratch))
        return results


async def _publish(config: Config, tenant: str, result: RunResult, url: str | None) -> None:
    from gateway.commands.common.instance import open_api
    from gateway.evals.published_runs import build_published_run

    async with open_api(config, tenant, url) as api:
        await api.call("POST", "/evals", build_published_run(result).model_dump(mode="json"))


async def _fetch_conversation(config: Config, tenant: str, id: str, url: str | None) -> ConversationLog:
    from urllib.parse import urlencode

    from gateway.commands.common.instance import open_api
    from gateway.replay.recordings import RecordingReader

    async with open_api(config, tenant, url) as api:
        query = urlencode({"conversation": id})
        reader = RecordingReader(iter([line async for line in api.stream_lines(f"/recordings?{query}")]), tenant)
    reader.read_head()
    log = next(reader.conversations(), None)
    if log is None:
        raise NotFound(f"there is no conversation {id} with an answer on the log")
    return log


# ── printing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _print_result(result: RunResult) -> None:
    rows = [row for case in result.cases for row in _list_problems(case)]
    if rows:
        print_table(("case", "check", "what is wrong"), rows)
        typer.echo()
    counts = result.count_checks().items()
    print_table(
        ("check", "passed"), [(name, f"{count[True]} of {count[True] + count[False]}") for name, count in counts]
    )
    summary = result.summarize()
    low, high = summary["interval"]
    note(
        f"{summary['passed']} of {summary['cases']} cases passed (95% interval: {low:.0%} to {high:.0%}); "
        f"cost ${summary['cost']:.4f}; p95 {summary['p95_ms']:.0f} ms"
    )
    if not_checked := summary["not_checked"]:
        note(f"{not_checked} cases have no check that could be made: they need `judge`, a model that judges")
    for miss in summary["below_gate"]:
        note(f"below the gate: {miss}")


def _list_problems(case: CaseResult) -> Iterator[tuple[str, str, str]]:
    if case.error:
        yield case.name, "error", shorten(case.error, _MAX_SHOWN)
    for check in case.checks:
        if check.passed is False:
            yield case.name, check.check, shorten(check.why, _MAX_SHOWN)


def _print_comparison(comparison: Comparison) -> None:
    head = ("figure", "cases", "A", "B", "95% of B - A", "certain")
    print_table(head, [_format_difference(each) for each in comparison.differences])
    note(f"A is {comparison.a.setup}, B is {comparison.b.setup}")
    for name, is_better, checks in comparison.changed:
        note(f"only {'B' if is_better else 'A'} passes {name!r}: {', '.join(checks)}")


def _format_difference(difference: Difference) -> tuple[object, ...]:
    form = "{:.1%}" if difference.is_share else "{:.5f}" if difference.figure == "cost" else "{:.0f}"
    a, b, low, high = map(form.format, (difference.a, difference.b, difference.low, difference.high))
    certain = "yes" if difference.is_certain else ""
    return difference.figure, difference.cases, a, b, f"{low} to {high}", certain
