"""The bench itself: each row runs to its end and yields figures. How fast anything is, is nobody's business here."""

from __future__ import annotations

import json
import math
from importlib import import_module
from pathlib import Path
from typing import Literal

import pytest

from tests.bench.__main__ import ROWS, UNASKED, merge_report
from tests.bench.chart import chart
from tests.bench.figures import Row, ValueRange, find_regressions
from tests.bench.setup import stage, tenants
from tests.bench.sockets import course
from tests.harness.installation import Installation
from tests.harness.processes import ForkServer
from tests.harness.sizes import size

SOCKETS = size(120, full=300)
NEEDS_SERVERS = {"worker", "waiting", "passages", "connectors"}


def _marked(row: str) -> object:
    return pytest.param(row, marks=pytest.mark.scaled) if row in NEEDS_SERVERS else pytest.param(row)


@pytest.mark.slow
@pytest.mark.parametrize("name", [_marked(row) for row in UNASKED])
async def test_row_yields_figures(
    name: str, fork_server: ForkServer, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Every row that `make bench` measures can be measured, and its figures are numbers."""
    servers = {}
    if name in NEEDS_SERVERS:
        servers = {"kafka": request.getfixturevalue("kafka_bootstrap"), "redis": request.getfixturevalue("redis_url")}
    async with stage(tmp_path, quick=True, fork_server=fork_server, **servers) as here:
        rows = await import_module(f"tests.bench.{name}").measure(here)
    assert rows
    for row in rows:
        assert math.isfinite(row.measured.median)
        assert row.measured.low <= row.measured.median <= row.measured.high
        # Nothing is written to a disk if the folder of the tests is in memory.
        assert row.measured.median > 0 or row.unit == "KB"
        json.dumps(row.as_json())


@pytest.mark.slow
async def test_sockets_lose_no_frame_in_a_reconnect_storm(fork_server: ForkServer, tmp_path: Path) -> None:
    """Sockets of one edge, gone and back all at once, are shown every message and answer once and in order."""
    installation = Installation.make(fork_server, tmp_path, tenants=tenants(), encoder="light")
    await installation.start()
    try:
        python = str(fork_server.programs / "python")
        ran = await course(installation.roles["dev"], SOCKETS, processes=2, python=python)
    finally:
        await installation.stop()
    assert not any(ran.faults.values()), ran.faults


def test_rows_are_known() -> None:
    """Every row of the list is a module with something to measure."""
    for name in ROWS:
        assert callable(import_module(f"tests.bench.{name}").measure)


def test_a_budget_is_met_on_its_own_side() -> None:
    """A time must stay below its budget, a ratio above it."""
    spread = ValueRange.of([1.0, 3.0, 2.0])
    assert (spread.median, spread.low, spread.high) == (2.0, 1.0, 3.0)
    assert Row("a", "", "ms", spread, 2.5).met is True
    assert Row("a", "", "ms", spread, 1.5).met is False
    assert Row("a", "", "x", spread, 2.5, "at least").met is False
    assert Row("a", "", "x", spread).met is None


def test_report_keeps_rows_of_earlier_runs(tmp_path: Path) -> None:
    """Measuring one row again replaces that row alone."""
    path = tmp_path / "bench.json"
    one, other = (Row(name, "", "ms", ValueRange.of([1.0]), 2.0) for name in "ab")
    path.write_text(json.dumps(merge_report(path, [one, other], {}, whole=True)))
    again = Row("b", "", "ms", ValueRange.of([5.0]), 2.0)
    report = merge_report(path, [again], {}, whole=False)
    assert {row["name"]: row["measured"]["median"] for row in report["rows"]} == {"a": 1.0, "b": 5.0}
    assert "MISSED" not in chart(report["rows"])
    assert chart(report["rows"]).count("<rect") == 3


def test_a_ratio_that_got_worse_is_a_regression() -> None:
    """More than 15 % worse on its own side; times are not compared, nor are rows without an earlier figure."""

    def row(name: str, value: float, *, unit: str = "x bare", side: Literal["at most", "at least"] = "at most") -> Row:
        return Row(name, "", unit, ValueRange.of([value]), 1.0, side)

    before = [row("edge", 2.0), row("worker", 0.5, side="at least"), row("agent", 5.0, unit="ms")]
    earlier = [each.as_json() for each in before]
    slower = [row("edge", 2.4), row("worker", 0.4, side="at least"), row("agent", 50.0, unit="ms"), row("new", 9.0)]
    assert [each.split(":")[0] for each in find_regressions(slower, earlier)] == ["edge", "worker"]
    assert find_regressions([row("edge", 2.2), row("worker", 0.45, side="at least")], earlier) == []
