"""PromQL held against what Parley exports: names, labels, and the values that labels can have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

import promql_parser as promql

from connectors.outbound.delivery_log import OUTCOMES
from connectors.registry import CHANNELS
from gateway.documents.source_run import DOCUMENT_OUTCOMES
from infra.metrics import COUNTERS, GAUGES, HISTOGRAMS
from schemas.actions import ActionOutcome

PROCESS = frozenset({"process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"})
SCRAPED = frozenset({"job", "instance", "namespace", "pod"})
"""Labels that Prometheus itself adds."""
VALUES = {
    "channel": frozenset(CHANNELS),
    "result": frozenset(OUTCOMES),
    "role": frozenset({"edge", "worker", "connectors", "dev"}),
    "part": frozenset({"bus", "state", "knowledge"}),
    "status": frozenset({"429", "503"}),
    "stage": frozenset({"fold", "load", "retrieve", "route", "answer", "commit", "publish", "total"}),
    "owner": frozenset({"agent", "queue", "person", "closed"}),
    "route": frozenset({"local", "cheap", "strong", "person"}),
    "outcome": frozenset({"action", "answer", "declined", "person", "small_talk", *get_args(ActionOutcome)})
    | set(DOCUMENT_OUTCOMES),
}


def labels_of(name: str) -> frozenset[str] | None:
    """The labels of a series as it is scraped; None when Parley has no such series."""
    if name in PROCESS:
        return frozenset()
    for kinds in (COUNTERS, GAUGES):
        if name in kinds:
            return frozenset(kinds[name][1])
    stem, _, suffix = name.rpartition("_")
    if stem in HISTOGRAMS and suffix in ("bucket", "sum", "count"):
        return frozenset(HISTOGRAMS[stem][1]) | ({"le"} if suffix == "bucket" else set())
    return None


def problems(expression: str) -> list[str]:
    """Everything wrong with an expression; dashboard variables are filled in first."""
    text = expression.replace("$__rate_interval", "1m").replace("$channel", ".*")
    try:
        tree = promql.parse(text)
    except ValueError as error:
        return [f"does not parse: {error}"]
    found: list[str] = []
    promql.walk(tree, pre_visit=lambda node: found.extend(_of_node(node)))
    return found


def names_in(expression: str) -> set[str]:
    names: set[str] = set()
    tree = promql.parse(expression.replace("$__rate_interval", "1m"))
    promql.walk(tree, pre_visit=lambda node: names.update([s.name for s in _selectors(node)]))
    return names


def _of_node(node: Any) -> Iterator[str]:
    for selector in _selectors(node):
        yield from _of_selector(selector)
    if isinstance(node, promql.AggregateExpr) and node.modifier is not None:
        yield from _of_grouping(node)
    if isinstance(node, promql.Call) and node.func.name in ("rate", "increase"):
        yield from _of_rate(node)


def _selectors(node: Any) -> list[Any]:
    # A range selector holds its own; the walk does not go into it.
    found = node.vector_selector if isinstance(node, promql.MatrixSelector) else node
    return [found] if isinstance(found, promql.VectorSelector) else []


def _of_selector(selector: Any) -> Iterator[str]:
    known = labels_of(selector.name)
    if known is None:
        yield f"Parley does not export {selector.name}"
        return
    for matcher in selector.matchers.matchers:
        if matcher.name not in known | SCRAPED:
            yield f"{selector.name} has no label {matcher.name}"
        elif matcher.name in VALUES and not any(re.fullmatch(matcher.value, v) for v in VALUES[matcher.name]):
            yield f"{matcher.name} is never {matcher.value}"


def _of_grouping(node: Any) -> Iterator[str]:
    """Grouping by a label that what is inside does not have gives one empty group, and nobody notices."""
    below: list[frozenset[str]] = []

    def look(inner: Any) -> None:
        below.extend((labels_of(s.name) or frozenset()) | SCRAPED for s in _selectors(inner))

    promql.walk(node.expr, pre_visit=look)
    for label in node.modifier.labels:
        if below and not any(label in labels for labels in below):
            yield f"grouped by {label}, which none of its series has"


def _of_rate(node: Any) -> Iterator[str]:
    for argument in node.args:
        for selector in _selectors(argument):
            if not selector.name.endswith(("_total", "_bucket", "_sum", "_count")):
                yield f"{node.func.name} of {selector.name}, which is no counter"
