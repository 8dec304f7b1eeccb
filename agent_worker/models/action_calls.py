"""Action calls of a model while it answers: each is checked, executed, and its result returned to the model as data."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from agent_worker.grounding.failures import AttemptFailed
from agent_worker.grounding.gate import Gate
from agent_worker.models.request import ActionCall, CallResults
from schemas.ports import ActionOffer, ActionResult, AnswerDraft, Passage

MAX_MISTAKES = 1
"""Invalid calls that are reported to the model. The next one fails the attempt."""
_MAX_FACTS_LENGTH = 4_000


class ActionCalls:
    """The calls of one answer."""

    def __init__(self, tenant: str, offers: Sequence[ActionOffer], gate: Gate) -> None:
        self._tenant = tenant
        self._offers = {offer.name: offer for offer in offers}
        self._gate = gate
        self._mistakes = 0
        self._by_call: dict[tuple[str, str], tuple[ActionResult, str]] = {}

    @property
    def results(self) -> list[ActionResult]:
        """The results of the executed calls, in order."""
        return [result for result, _ in self._by_call.values()]

    async def perform(self, calls: Sequence[ActionCall]) -> tuple[CallResults, ActionResult | None]:
        """Execute the calls one after another. A result of ``asked`` is the last, because the contact has to answer
        first. Raises AttemptFailed at the second invalid call."""
        results: list[tuple[ActionCall, str]] = []
        for call in calls:
            arguments = self._read(call)
            if isinstance(arguments, str):
                results.append((call, self._report_mistake(arguments)))
                continue
            result, encoded = await self._call_once(call.name, arguments)
            results.append((call, encoded))
            if result.outcome == "asked":
                return CallResults(tuple(results)), result
        return CallResults(tuple(results)), None

    def _read(self, call: ActionCall) -> Mapping[str, Any] | str:
        """The arguments, or an explanation of what is wrong with the call."""
        offer = self._offers.get(call.name)
        if offer is None:
            return f"there is no function of this name; there are: {', '.join(sorted(self._offers)) or 'none'}"
        try:
            arguments = json.loads(call.arguments or "{}")
        except ValueError:
            return "the arguments are not JSON"
        return find_problem(arguments, offer.parameters) or arguments

    def _report_mistake(self, reason: str) -> str:
        self._mistakes += 1
        if self._mistakes > MAX_MISTAKES:
            raise AttemptFailed("wrong action calls")
        return json.dumps({"outcome": "refused", "reason": reason})

    async def _call_once(self, name: str, arguments: Mapping[str, Any]) -> tuple[ActionResult, str]:
        """A repeated call returns the first result, which was final."""
        key = (name, json.dumps(arguments, sort_keys=True))
        if key not in self._by_call:
            result = await self._offers[name].call(arguments)
            self._by_call[key] = (result, self._encode_result(result))
        return self._by_call[key]

    def _encode_result(self, result: ActionResult) -> str:
        """JSON for the model, with the number to cite and the passage that its sentences must agree with."""
        passage = result.evidence or passage_from_result(self._tenant, result)
        encoded: dict[str, object] = {"outcome": result.outcome}
        if passage is not None:
            encoded |= {"n": self._gate.add(passage), "text": passage.text}
        if result.reason:
            encoded["reason"] = result.reason
        facts = json.dumps(dict(result.facts), ensure_ascii=False, default=str)
        if len(facts) <= _MAX_FACTS_LENGTH:
            encoded["facts"] = json.loads(facts)
        return json.dumps(encoded, ensure_ascii=False)


_QUESTION_WORDS = "please could would can tell me give send write what which when how is your the to for do you want"


def question_vocabulary(offers: Sequence[ActionOffer]) -> str:
    """The words with which the model may ask the contact for missing values: the words of the actions. The contact's
    own words are excluded, because they may be pasted from anyone."""
    if not offers:
        return ""
    words = [f"{offer.name} {offer.description} {json.dumps(offer.parameters)}" for offer in offers]
    return "\n".join([_QUESTION_WORDS, *words]).replace("_", " ")


def question_draft(result: ActionResult, bill: AnswerDraft) -> AnswerDraft:
    """The action's question to the contact, word for word. ``bill``: model, tokens and cost."""
    reasons = [f"the action {result.action} asks first"]
    return replace(bill, text=result.say, answered=True, choices=list(result.choices), reasons=reasons)


def passage_from_result(tenant: str, result: ActionResult) -> Passage | None:
    """A passage for a result that has none: its text or reason, and its facts, one per line. None when there is nothing
    to say, or when the action asked a question."""
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


_KINDS: dict[str, Callable[[object], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}


def find_problem(arguments: object, schema: Mapping[str, Any]) -> str:
    """An explanation of why the arguments do not fit the schema, or empty. Checks names, required parameters, types and
    enums on the first level; the action itself checks the values."""
    if not isinstance(arguments, dict):
        return "the arguments are not an object"
    properties: Mapping[str, Any] = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in arguments:
            return f"{name} is missing"
    for name, value in arguments.items():
        if name not in properties:
            return f"there is no {name}; there are: {', '.join(sorted(properties)) or 'none'}"
        if wrong := _expected_type(value, properties[name]):
            return f"{name} must be {wrong}"
    return ""


def _expected_type(value: object, schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return "" if value in schema["enum"] else f"one of {', '.join(map(str, schema['enum']))}"
    if "anyOf" in schema:
        wrongs = [_expected_type(value, one) for one in schema["anyOf"]]
        return "" if "" in wrongs else " or ".join(wrongs)
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    fits = not kinds or any(kind not in _KINDS or _KINDS[kind](value) for kind in kinds)
    return "" if fits else " or ".join(kinds)
