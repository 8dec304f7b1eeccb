"""Cases taken from the log: a past conversation, with what is to be expected of the agent the next time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent_worker.actions.arguments import HIDDEN
from agent_worker.learning.conversation_log import ConversationLog
from gateway.training_export.examples import Anonymizer
from schemas.conversation import Turn
from schemas.errors import NotFound
from schemas.messages import InboundMessage

_FIGURE = re.compile(r"(?<![\w.,])\d+(?:[.,]\d+)?(?![\w]|[.,]\d)")
_MAX_NAME = 60


@dataclass(slots=True)
class _MessageGroup:
    """Messages of the contact that were answered together, by a turn or by people."""

    messages: list[InboundMessage] = field(default_factory=list)
    turn: Turn | None = None
    people: list[str] = field(default_factory=list)


def build_case(log: ConversationLog, name: str = "", *, failed: bool = False) -> dict[str, Any]:
    """The case as it is written into a suite. What people answered counts more than what the agent did, which counts
    for nothing if it ``failed``. Names, e-mail addresses, telephone and card numbers are masked. Raises NotFound if the
    contact wrote nothing."""
    groups = _group_messages(log)
    if not groups:
        raise NotFound(f"conversation {log.id} has no messages of a contact on the log")
    names = {message.author.name for message in log.messages if message.author.name}
    mask = Anonymizer(None, names)
    turns = [_build_turn(group, mask, failed=failed) for group in groups]
    case: dict[str, Any] = {"name": name or _name_of(log, turns[0])}
    case |= _describe_contact(log, groups)
    if results := list(_list_results(log)):
        case["actions"] = _mask_values(results, mask)
    if len(turns) == 1 and "message" in turns[0]:
        return case | turns[0]
    return case | {"turns": turns}


def _group_messages(log: ConversationLog) -> list[_MessageGroup]:
    """The groups in the order of the messages."""
    turn_of = {id: turn for turn in log.turns for id in turn.handled}
    groups: list[_MessageGroup] = []
    for message in log.messages:
        if message.author.kind == "person":
            if groups and message.text.strip():
                groups[-1].people.append(message.text.strip())
            continue
        if message.author.kind != "contact" or not message.text.strip():
            continue
        turn = turn_of.get(message.id)
        if groups and turn is not None and groups[-1].turn is turn:
            groups[-1].messages.append(message)
        else:
            groups.append(_MessageGroup([message], turn))
    return groups


def _build_turn(group: _MessageGroup, mask: Anonymizer, *, failed: bool) -> dict[str, Any]:
    first = group.messages[0]
    text = mask("\n".join(message.text.strip() for message in group.messages))
    turn: dict[str, Any] = {"picks": first.choice.id.partition(":")[0]} if first.choice else {"message": text}
    people = mask("\n".join(group.people))
    if people:
        expect = _expect_from_people(people)
    else:
        expect = _expect_other_than(group.turn) if failed else _expect_from_turn(group.turn)
    if expect:
        turn["expect"] = expect
    if people:
        turn["people"] = people
    return turn


def _expect_from_people(text: str) -> dict[str, Any]:
    """The figures that a person gave."""
    figures = list(dict.fromkeys(_FIGURE.findall(text)))
    return {"contains": figures} if figures else {}


def _expect_other_than(turn: Turn | None) -> dict[str, Any]:
    """What can be said of a better answer than this one: it does not decline."""
    return {"declines": False} if turn is not None and turn.outcome == "declined" else {}


def _expect_from_turn(turn: Turn | None) -> dict[str, Any]:
    """What the agent did: the documents, the actions, or that it declined or passed the contact on."""
    if turn is None:
        return {}
    if turn.actions:
        return {"action": [_describe_action(action.name, action.arguments, action.outcome) for action in turn.actions]}
    if turn.outcome == "action":
        return {"asks": True, "action": []}
    if turn.outcome == "declined":
        return {"declines": True}
    if turn.outcome == "person":
        return {"hands_over": True}
    cited = dict.fromkeys(citation.document for reply in turn.replies for citation in reply.citations)
    return {"cites": list(cited)} if cited else {}


def _describe_action(name: str, arguments: dict[str, str], outcome: str) -> dict[str, Any]:
    described: dict[str, Any] = {"name": name}
    if shown := _list_shown(arguments):
        described["arguments"] = shown
    return described if outcome == "succeeded" else described | {"outcome": outcome}


def _list_shown(arguments: dict[str, str]) -> dict[str, str]:
    """The arguments that are not masked."""
    return {name: value for name, value in arguments.items() if HIDDEN not in value and "***" not in value}


def _list_results(log: ConversationLog) -> Iterator[dict[str, Any]]:
    """The results of the actions that were called, in the order of the calls."""
    for turn in log.turns:
        recording = log.recordings.get(turn.id)
        calls = [] if recording is None else [call for call in recording.calls if call.kind == "run"]
        for action in turn.actions:
            call = next((call for call in calls if call.action == action.name), None)
            if call is None:
                continue
            calls.remove(call)
            result: dict[str, Any] = {"name": action.name}
            if shown := _list_shown(action.arguments):
                result["arguments"] = shown
            if call.outcome == "succeeded":
                yield result | {"result": call.result or {}}
            else:
                yield result | {"refused" if call.outcome == "refused" else "failed": call.say or call.reason or "-"}


def _describe_contact(log: ConversationLog, groups: Sequence[_MessageGroup]) -> dict[str, Any]:
    first = groups[0].messages[0]
    recording = next((log.recordings[turn.id] for turn in log.turns if turn.id in log.recordings), None)
    described: dict[str, Any] = {"conversation": log.id, "channel": log.channel}
    if locale := first.locale:
        described["locale"] = locale
    if recording is not None and recording.assurance != "anonymous":
        described["assurance"] = recording.assurance
    described["at"] = (first.sent_at if recording is None else recording.clock).isoformat()
    return described


def _mask_values(value: Any, mask: Anonymizer) -> Any:
    """The same structure, with every text in it masked."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        return {name: _mask_values(each, mask) for name, each in value.items()}
    return [_mask_values(each, mask) for each in value] if isinstance(value, list) else value


def _name_of(log: ConversationLog, turn: dict[str, Any]) -> str:
    words = " ".join(str(turn.get("message") or "a button").split())
    short = words if len(words) <= _MAX_NAME else f"{words[: _MAX_NAME - 1].rstrip()}…"
    return f"{short} ({log.id[:8]})"
