"""The actions a model asks for while it answers: called as offered, and what came of it told as data."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from agent_worker.grounding.failures import AttemptFailed
from agent_worker.grounding.gate import Gate
from agent_worker.models.request import Call, Returned
from schemas.ports import ActionResult, Draft, Offer, Passage

MISTAKES = 1
"""Calls of what is not offered, or with arguments that are none, that a model is told of; at the next it has failed."""
_LONGEST_FACTS = 4_000


class Calls:
    """For one answer. ``done``: what was really called, in order."""

    def __init__(self, tenant: str, offers: Sequence[Offer], gate: Gate) -> None:
        self._tenant = tenant
        self._offers = {offer.name: offer for offer in offers}
        self._gate = gate
        self._mistakes = 0
        self._known: dict[tuple[str, str], tuple[ActionResult, str]] = {}

    @property
    def done(self) -> list[ActionResult]:
        return [result for result, _ in self._known.values()]

    async def perform(self, calls: Sequence[Call]) -> tuple[Returned, ActionResult | None]:
        """One after another. The result that is ``asked`` is the last: the contact has the word. Raises AttemptFailed
        at the second call that makes no sense."""
        results: list[tuple[Call, str]] = []
        for call in calls:
            arguments = self._read(call)
            if isinstance(arguments, str):
                results.append((call, self._mistaken(arguments)))
                continue
            result, told = await self._once(call.name, arguments)
            results.append((call, told))
            if result.outcome == "asked":
                return Returned(tuple(results)), result
        return Returned(tuple(results)), None

    def _read(self, call: Call) -> Mapping[str, Any] | str:
        """The arguments, or what is wrong with the call."""
        offer = self._offers.get(call.name)
        if offer is None:
            return f"there is no function of this name; there are: {', '.join(sorted(self._offers)) or 'none'}"
        try:
            arguments = json.loads(call.arguments or "{}")
        except ValueError:
            return "the arguments are not JSON"
        return problem(arguments, offer.parameters) or arguments

    def _mistaken(self, what: str) -> str:
        self._mistakes += 1
        if self._mistakes > MISTAKES:
            raise AttemptFailed("wrong action calls")
        return json.dumps({"outcome": "refused", "reason": what})

    async def _once(self, name: str, arguments: Mapping[str, Any]) -> tuple[ActionResult, str]:
        """The same call again has the same result: it was the last word on it."""
        key = (name, json.dumps(arguments, sort_keys=True))
        if key not in self._known:
            result = await self._offers[name].call(arguments)
            self._known[key] = (result, self._told(result))
        return self._known[key]

    def _told(self, result: ActionResult) -> str:
        """For the model: the number to cite, and the passage that a sentence must agree with."""
        passage = result.told or told_of(self._tenant, result)
        said: dict[str, object] = {"outcome": result.outcome}
        if passage is not None:
            said |= {"n": self._gate.add(passage), "text": passage.text}
        if result.reason:
            said["reason"] = result.reason
        facts = json.dumps(dict(result.facts), ensure_ascii=False, default=str)
        if len(facts) <= _LONGEST_FACTS:
            said["facts"] = json.loads(facts)
        return json.dumps(said, ensure_ascii=False)


_ASKING = "please could would can tell me give send write what which when how is your the to for do you want"


def askable(offers: Sequence[Offer]) -> str:
    """The words in which a contact may be asked for what is missing: those of the actions. The contact's own are not
    among them, for they may be anybody's, pasted."""
    if not offers:
        return ""
    words = [f"{offer.name} {offer.description} {json.dumps(offer.parameters)}" for offer in offers]
    return "\n".join([_ASKING, *words]).replace("_", " ")


def asked_draft(asked: ActionResult, bill: Draft) -> Draft:
    """What the action wants to know from the contact, exactly as it says it. ``bill``: model, tokens and cost."""
    reasons = [f"the action {asked.action} asks first"]
    return replace(bill, text=asked.say, answered=True, choices=list(asked.choices), reasons=reasons)


def told_of(tenant: str, result: ActionResult) -> Passage | None:
    """What a result comes to that has no passage: its words or its reason, and its facts, a line each. None when it has
    none of them, or was not the last word."""
    lines = [said] if (said := result.say or result.reason) else []
    lines += [f"{name.replace('_', ' ')}: {value}" for name, value in result.facts.items()]
    if result.outcome == "asked" or not lines:
        return None
    return Passage(
        tenant=tenant,
        document=f"action:{result.action}",
        version=0,
        title=result.action.replace("_", " "),
        heading=result.outcome,
        url="",
        text=lines[0] if len(lines) == 1 else "\n".join(f"- {line}" for line in lines),
        score=1.0,
    )


# Whether what a model filled in has the shape that was asked for. Values are for the action itself to judge.
_KINDS: dict[str, Callable[[object], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}


def problem(arguments: object, schema: Mapping[str, Any]) -> str:
    """Empty when there is none. Names, required ones, kinds and closed lists are looked at, on the first level."""
    if not isinstance(arguments, dict):
        return "the arguments are not an object"
    known: Mapping[str, Any] = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in arguments:
            return f"{name} is missing"
    for name, value in arguments.items():
        if name not in known:
            return f"there is no {name}; there are: {', '.join(sorted(known)) or 'none'}"
        if wrong := _wrong(value, known[name]):
            return f"{name} must be {wrong}"
    return ""


def _wrong(value: object, schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return "" if value in schema["enum"] else f"one of {', '.join(map(str, schema['enum']))}"
    if "anyOf" in schema:
        wrongs = [_wrong(value, one) for one in schema["anyOf"]]
        return "" if "" in wrongs else " or ".join(wrongs)
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    fits = not kinds or any(kind not in _KINDS or _KINDS[kind](value) for kind in kinds)
    return "" if fits else " or ".join(kinds)
