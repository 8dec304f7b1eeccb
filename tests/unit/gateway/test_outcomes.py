"""The outcomes over the API: figures by channel, route, model or intent, and the conversations behind each."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.unit.gateway.conftest import Instance
from tests.unit.insights.log_writer import LogWriter


async def write(instance: Instance, name: str, days_ago: float, **answer: Any) -> LogWriter:
    talk = LogWriter(name, at=instance.clock() - timedelta(days=days_ago))
    talk.asks()
    talk.wait(seconds=2)
    talk.answers(**answer)
    await instance.services.bus.append(talk.events)
    return talk


async def read(instance: Instance, path: str = "", **query: str) -> Any:
    answer = await instance.admin("GET", f"/outcomes{path}?{urlencode(query)}")
    assert answer.status == 200, answer.body
    return answer.body


async def test_without_conversations_there_are_no_rows(instance: Instance) -> None:
    found = await read(instance)
    assert (found["rows"], found["total"]["conversations"], found["handoff_reasons"]) == ([], 0, [])


async def test_rows_have_what_the_contract_names(instance: Instance) -> None:
    await write(instance, "a", 20, model="large", route="strong", cost=0.5)
    await write(instance, "b", 2, model="large", route="cheap", cost=0.25)
    handed = await write(instance, "c", 1, outcome="person", route="person", model="")
    handed.passes_to("queue", reason="the contact asked for a person")
    await instance.services.bus.append(handed.events[-1:])
    (row, other) = (await read(instance, by="model"))["rows"]
    assert row == {
        "key": "large",
        "conversations": 2,
        "autonomous": 2,
        "durable": 2,
        "provisional": 1,
        "handed_off": 0,
        "reopened": 0,
        "first_reply_ms": 2000,
        "cost": 0.75,
        "cost_per_durable": 0.375,
        "csat": None,
        "csat_agent": None,
        "csat_people": None,
        "rated": 0,
    }
    assert (other["key"], other["handed_off"], other["cost_per_durable"]) == ("none", 1, None)
    found = await read(instance, by="route")
    assert [each["key"] for each in found["rows"]] == ["cheap", "person", "strong"]
    assert found["handoff_reasons"] == [{"reason": "the contact asked for a person", "conversations": 1}]


async def test_the_period_may_be_given_as_a_length(instance: Instance) -> None:
    await write(instance, "a", 20)
    await write(instance, "b", 2)
    assert (await read(instance, since="7d"))["total"]["conversations"] == 1
    early = (instance.clock() - timedelta(days=10)).isoformat()
    assert (await read(instance, until=early))["total"]["conversations"] == 1


async def test_every_figure_lists_its_conversations(instance: Instance) -> None:
    await write(instance, "a", 20, model="large")
    await write(instance, "b", 2, model="large")
    await write(instance, "c", 3, outcome="declined", model="large")
    await write(instance, "d", 4, model="small")
    for row in (await read(instance, by="model"))["rows"]:
        for figure in ("conversations", "autonomous", "durable", "provisional", "handed_off", "reopened", "rated"):
            listed = await read(instance, "/conversations", by="model", key=row["key"], figure=figure)
            assert len(listed["items"]) == row[figure], (row["key"], figure)
    listed = await read(instance, "/conversations", figure="durable", by="model", key="large")
    assert [item["id"] for item in listed["items"]] == ["b", "a"]
    assert await read(instance, "/conversations", after="a") == {"items": [], "next": ""}


async def test_other_tenants_see_nothing_of_it(instance: Instance) -> None:
    await write(instance, "a", 2)
    answer = await instance.call("GET", "/v1/admin/other/outcomes")
    assert answer.body["total"]["conversations"] == 0


@pytest.mark.parametrize(
    "query", ["by=weather", "since=yesterday", "since=2026-06-01&until=2026-05-01", "by=model&until=x"]
)
async def test_a_wrong_query_is_refused(instance: Instance, query: str) -> None:
    assert (await instance.admin("GET", f"/outcomes?{query}")).code == "invalid_request"


async def test_an_unknown_figure_is_refused(instance: Instance) -> None:
    assert (await instance.admin("GET", "/outcomes/conversations?figure=happy")).code == "invalid_request"
