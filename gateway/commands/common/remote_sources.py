"""The configured sources of an instance over the admin API, for `parley knowledge sync` and `status`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.commands.common.instance import AdminApi
from gateway.documents.document_sources import DocumentSource
from gateway.documents.sync import SyncReport
from schemas.errors import InvalidRequest

_POLL_S = 0.3
_LISTS = ("added", "changed", "unchanged", "removed")


@dataclass(slots=True)
class SourceSyncs:
    """The results of syncs of several sources. ``report`` names the first documents, ``counts`` state all."""

    report: SyncReport = field(default_factory=SyncReport)
    counts: Counter[str] = field(default_factory=Counter)


def find_ids(sources: Iterable[DocumentSource], places: Sequence[str]) -> list[str] | None:
    """The ids of the sources at these places, all without any. None if one of the places is not configured."""
    by_name = {name: source.id for source in sources for name in (source.id, source.label, source.location)}
    if not places:
        return list(dict.fromkeys(by_name.values()))
    names = [
        place if "://" in place or place in by_name else str(Path(place).expanduser().resolve()) for place in places
    ]
    return [by_name[name] for name in names] if all(name in by_name for name in names) else None


async def sync_sources(
    api: AdminApi, ids: Sequence[str], step: Callable[[str], None], *, allow_removals: bool
) -> SourceSyncs:
    """Have the instance sync sources, and wait for the results."""
    waiting: dict[str, Any] = {}
    for id in ids:
        begun = await api.call("POST", f"/knowledge/sources/{id}/sync", {"allow_removals": allow_removals})
        waiting[id] = begun["last"]
    syncs, read = SourceSyncs(), 0
    while waiting:
        await asyncio.sleep(_POLL_S)
        items = await api.list_items("/knowledge/sources")
        for item in items:
            if item["source"] in waiting and _has_ended(item, waiting[item["source"]]):
                del waiting[item["source"]]
                _add(syncs, item)
        now = sum(syncs.counts[name] for name in ("added", "changed", "unchanged"))
        now += sum(item["running"]["read"] for item in items if item["running"] and item["source"] in waiting)
        for _ in range(read, now):
            step("")
        read = max(read, now)
    return syncs


def _has_ended(item: dict[str, Any], before: dict[str, Any] | None) -> bool:
    if item["requested_at"] or item["running"] or not item["last"]:
        return False
    return before is None or item["last"]["started"] != before["started"]


def _add(syncs: SourceSyncs, item: dict[str, Any]) -> None:
    run, report = item["last"], syncs.report
    for name in _LISTS:
        getattr(report, name).extend(run[name])
    syncs.counts.update(run["counts"])
    if run["result"] == "failed":
        report.failed[item["location"]] = _explain(run)
        syncs.counts["refused"] += 1
    report.failed |= {each["name"]: each["why"] for each in run["refused"]}
    report.notes += run["notes"]
    if item["held"]:
        report.held[item["location"]] = item["held"]["documents"]


def _explain(run: dict[str, Any]) -> str:
    return f"{run['why']} – {run['fix']}" if run["fix"] else str(run["why"])


async def decide_removals(api: AdminApi, ids: Sequence[str], decision: str) -> dict[str, list[str]]:
    """Location → documents that were removed or kept."""
    held = [item for item in await api.list_items("/knowledge/sources") if item["held"] and item["source"] in ids]
    if not held:
        raise InvalidRequest("no removal waits for a decision", fix="see `parley knowledge status`")
    decided = {}
    for item in held:
        done = await api.call("POST", f"/knowledge/sources/{item['source']}/removals", {"decision": decision})
        decided[item["location"]] = done["documents"]
    return decided


def describe_sources(items: Iterable[dict[str, Any]]) -> tuple[list[list[object]], list[str]]:
    """The rows of a table, and remarks below it."""
    rows: list[list[object]] = []
    remarks: list[str] = []
    for item in items:
        last, counts = item["last"], item["last"]["counts"] if item["last"] else {}
        counted = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        next_run = _shorten(item["next_run"]) if item["next_run"] else "when asked"
        ended = _shorten(last["ended"]) if last else "never"
        rows.append([item["source"], item["location"], _describe_status(item), ended, counted, next_run])
        remarks += _list_remarks(item)
    return rows, remarks


def _describe_status(item: dict[str, Any]) -> str:
    if item["running"]:
        return f"syncing ({item['running']['read']} read)"
    if item["requested_at"]:
        return "waiting"
    result = item["last"]["result"] if item["last"] else "not synced"
    failures = f" {item['failures']} times" if item["failures"] > 1 else ""
    return f"{result}{failures}{', stale' if item['is_stale'] else ''}"


def _list_remarks(item: dict[str, Any]) -> list[str]:
    name, last, held = item["source"], item["last"], item["held"]
    remarks = []
    if last and last["result"] == "failed":
        remarks.append(f"{name}: {_explain(last)}")
    if last:
        remarks += [f"{name}: {note}" for note in last["notes"]]
        remarks += [f"{name}: refused {each['name']} ({each['code']}): {each['why']}" for each in last["refused"]]
    if item["verification_token"]:
        remarks.append(
            f"{name}: the vendor's webhook sent the verification token {item['verification_token']}: enter it in the "
            "vendor's form, and set it as `webhook_token` in the options of the source"
        )
    if held:
        hidden = "they answer no questions until then" if held["hidden"] else "they still answer questions"
        remarks.append(
            f"{name}: {len(held['documents'])} of {held['total']} documents are gone, and wait for your decision; "
            f"{hidden}: parley knowledge sync {name} --approve-removals | --discard-removals"
        )
        remarks += [f"  {document}" for document in held["documents"]]
    return remarks


def _shorten(instant: str) -> str:
    return instant[:16].replace("T", " ")
