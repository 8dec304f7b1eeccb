"""One trace from a contact's frame to the receipt of the reply, over all processes and through the log."""

from __future__ import annotations

from tests.harness.installation import QUESTIONS
from tests.simulators.otlp_collector import CollectedSpan, Collector
from tests.telemetry.conftest import Start

STAGES = {"fold", "load", "retrieve", "route", "answer", "commit", "publish"}
WAY = {"append", "turn", "send", "receipt read", *STAGES}


def of_trace(spans: list[CollectedSpan], trace: str) -> dict[str, CollectedSpan]:
    found = [span for span in spans if span.trace == trace]
    named = {span.name: span for span in found}
    assert len(named) == len(found), sorted(span.name for span in found)
    return named


def whole(spans: list[CollectedSpan], root: str) -> dict[str, CollectedSpan] | None:
    """The trace that begins with a span of this name, once every part of the way is in it."""
    for span in spans:
        if span.name == root and not span.parent:
            trace = of_trace(spans, span.trace)
            if trace.keys() >= WAY:
                return trace
    return None


def assert_the_way(trace: dict[str, CollectedSpan], root: str) -> None:
    """Each span has the parent that caused it."""
    parents = {name: next((n for n, s in trace.items() if s.id == span.parent), "") for name, span in trace.items()}
    assert parents == {
        root: "",
        "append": root,
        "turn": "append",
        **dict.fromkeys(STAGES, "turn"),
        "send": "turn",
        "receipt read": "send",
    }


def assert_places(trace: dict[str, CollectedSpan], root: str, *, scaled: bool) -> None:
    """Each span was made by the process whose work it is."""
    where = {name: span.service.removeprefix("parley-") for name, span in trace.items()}
    edge, worker, connectors = ("edge", "worker", "connectors") if scaled else ("dev", "dev", "dev")
    assert {where[root], where["append"]} == {edge}
    assert {where["turn"], *(where[stage] for stage in STAGES)} == {worker}
    assert {where["send"], where["receipt read"]} == {connectors}


def folded(spans: list[CollectedSpan]) -> CollectedSpan | None:
    """The turn that answered three messages, once the frames and appends that led to it are there too."""
    names = [span.name for span in spans]
    if names.count("append") < 3 or names.count("frame message") < 3:
        return None
    return next((span for span in spans if span.name == "turn" and len(span.links) == 2), None)


async def test_a_frame_its_turn_its_reply_and_the_receipt_are_one_trace(start: Start, collector: Collector) -> None:
    shop = await start(telemetry={"otlp_endpoint": collector.endpoint})
    visitor = await shop.visitor()
    async with visitor.tab() as tab:
        await tab.send(type="message", client_msg_id="one", text=QUESTIONS[0])
        reply = await tab.reply()
        await tab.send(type="read", seq=reply["seq"])
        spans = await collector.until(lambda seen: whole(seen, "frame message") is not None)
    trace = whole(spans, "frame message")
    assert trace is not None
    assert_the_way(trace, "frame message")
    assert_places(trace, "frame message", scaled=shop.installation.scaled)
    assert trace["turn"].attributes["parley.conversation_id"] == visitor.conversation
    assert trace["send"].attributes["parley.message_id"] == reply["id"]
    assert QUESTIONS[0] not in repr(spans), "spans hold ids, never what people wrote"
    assert reply["text"] not in repr(spans)


async def test_a_callers_trace_is_joined_only_where_that_is_allowed(start: Start, collector: Collector) -> None:
    """A trusted proxy's traceparent is the parent of the whole way."""
    shop = await start(telemetry={"otlp_endpoint": collector.endpoint, "join_callers": True})
    visitor = await shop.visitor()
    caller = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{caller}-b7ad6b7169203331-01"}
    body = {"client_msg_id": "one", "text": QUESTIONS[1]}
    sent = await visitor.call("POST", "messages", json=body, headers=headers)
    assert sent.status == 202
    request = "POST /v1/chat/{tenant}/messages"
    spans = await collector.until(lambda seen: {request, "turn", "send"} <= {s.name for s in seen if s.trace == caller})
    root = of_trace(spans, caller)[request]
    assert root.parent == "b7ad6b7169203331"
    assert root.attributes["http.response.status_code"] == 202


async def test_messages_folded_into_one_turn_are_linked_to_it(start: Start, collector: Collector) -> None:
    fold = {"web": 1.0, "others": 1.0}
    tenants = {"plantstore": {"name": "Plants", "fold": fold, "channels": {"web": {"main": {}}}}}
    shop = await start(telemetry={"otlp_endpoint": collector.endpoint}, tenants=tenants)
    visitor = await shop.visitor()
    async with visitor.tab() as tab:
        for number in range(3):
            await tab.send(type="message", client_msg_id=f"m{number}", text=f"part {number}")
        await tab.reply()
        spans = await collector.until(lambda seen: folded(seen) is not None)
    turn = folded(spans)
    assert turn is not None
    appends = {span.id for span in spans if span.name == "append"}
    assert turn.links | {turn.parent} == appends
    roots = [span for span in spans if span.name == "frame message"]
    assert [root.parent for root in roots] == ["", "", ""], "without join_callers every request begins a trace"


async def test_without_a_collector_work_goes_on_and_a_stop_is_quick(start: Start) -> None:
    shop = await start(telemetry={"otlp_endpoint": "http://127.0.0.1:9"})
    visitor = await shop.visitor()
    assert (await visitor.ask(QUESTIONS[2]))["citations"]
    for process in shop.installation.roles.values():
        assert await process.stop(timeout=15) == 0
