"""Dashboards and alerts speak of metrics that Parley exports, and of labels and values that those have."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.metrics import COUNTERS, GAUGES, HISTOGRAMS, PrometheusMetrics
from tests.deploy import promql_checks
from tests.harness.processes import ROOT

DEPLOY = ROOT / "infra" / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
]


def panels(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())["panels"]
    return found


TARGETS = [
    pytest.param(target["expr"], id=f"{path.stem}-{panel['title']}-{target['refId']}")
    for path in DASHBOARDS
    for panel in panels(path)
    for target in panel["targets"]
]


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_an_alert_asks_for_what_is_exported(rule: dict[str, Any]) -> None:
    assert promql_checks.problems(rule["expr"]) == []
    assert rule["labels"]["severity"] in ("warning", "critical")
    for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
        assert label in rule["expr"], f"the summary names {label}, which the expression does not keep"


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_an_alert_has_a_section_that_says_what_to_do(rule: dict[str, Any]) -> None:
    path, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert anchor == rule["alert"].lower()
    assert f"### {rule['alert']}\n" in (ROOT / path).read_text()


@pytest.mark.parametrize("expression", TARGETS)
def test_a_panel_asks_for_what_is_exported(expression: str) -> None:
    assert promql_checks.problems(expression) == []


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("sum(rate(parley_inbound_total[5m]", "does not parse"),
        ("parley_inbounds_total", "does not export"),
        ("sum by (stage) (rate(parley_inbound_total[5m]))", "grouped by stage"),
        ('parley_lag_records{channel="web"}', "has no label channel"),
        ('rate(parley_outbound_total{result="delivered"}[5m])', "result is never delivered"),
        ('parley_worker_load{channel="telegram"}', "channel is never telegram"),
        ("rate(parley_lag_records[5m])", "no counter"),
        ("parley_turn_seconds", "does not export"),
        (
            "histogram_quantile(0.9, sum by (le) (rate(parley_send_seconds_bucket{stage='x'}[5m])))",
            "has no label stage",
        ),
    ],
)
def test_a_mistake_in_an_expression_is_found(expression: str, problem: str) -> None:
    assert any(problem in told for told in promql_checks.problems(expression)), promql_checks.problems(expression)


def test_every_metric_is_on_a_dashboard() -> None:
    shown = {
        name for param in TARGETS for name in promql_checks.names_in(str(param.values[0]).replace("$channel", "web"))
    }
    stems = {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown}
    assert COUNTERS.keys() | GAUGES.keys() | HISTOGRAMS.keys() <= stems


def test_every_metric_stands_on_the_page_from_the_start() -> None:
    """Also what has no sample yet is announced, so that somebody who looks for it finds it."""
    page = PrometheusMetrics().render().decode()
    for name in (*COUNTERS, *GAUGES, *HISTOGRAMS):
        assert f"# TYPE {name} " in page


@pytest.mark.parametrize("path", DASHBOARDS, ids=[path.stem for path in DASHBOARDS])
def test_a_dashboard_fits_together(path: Path) -> None:
    """Ids are unique, panels do not overlap, and every data source is one that is provisioned."""
    board = json.loads(path.read_text())
    (provisioned,) = (DEPLOY / "grafana" / "provisioning" / "datasources").glob("*.yml")
    sources = {source["uid"] for source in yaml.safe_load(provisioned.read_text())["datasources"]}
    taken: dict[tuple[int, int], str] = {}
    for panel in board["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        for cell in ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])):
            assert cell not in taken, (panel["title"], taken[cell])
            taken[cell] = panel["title"]
        assert {panel["datasource"]["uid"], *(t["datasource"]["uid"] for t in panel["targets"])} <= sources
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert len({panel["title"] for panel in board["panels"]}) == len(board["panels"])


def test_promtool_agrees_where_it_is_installed() -> None:
    """The names and types in the file are right in any case; Prometheus' own tool looks again where there is one."""
    for rule in RULES:
        assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"\d+[sm]", rule.get("for", "0s"))
    cases = Path(__file__).with_name("alerts_test.yml")
    fired = {sample["labels"] for sample in wrong(yaml.safe_load(cases.read_text()))}
    assert fired == {f'{{alertname="{rule["alert"]}"}}' for rule in RULES}, "each alert has a case that fires it"
    promtool = shutil.which("promtool")
    if promtool is not None:
        for command in (["check", "rules", str(ALERTS)], ["test", "rules", str(cases)]):
            checked = subprocess.run([promtool, *command], capture_output=True, text=True, check=False)
            assert checked.returncode == 0, checked.stdout + checked.stderr


def wrong(cases: dict[str, Any]) -> list[dict[str, Any]]:
    """What is to fire in the case in which everything is wrong."""
    (case,) = [case for case in cases["tests"] if case["name"] == "everything is wrong"]
    samples: list[dict[str, Any]] = case["promql_expr_test"][0]["exp_samples"]
    return samples
