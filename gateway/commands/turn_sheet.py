"""One turn as a person reads it: everything that its record says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_NAMED = frozenset(
    {"id", "at", "route", "outcome", "intent", "confidence", "model", "tokens", "cost", "reasons", "scores", "stages"}
    | {"passages", "actions", "replies", "handled", "conversation_id", "channel"}
)


def sheet(turn: dict[str, Any]) -> str:
    return "\n".join(_lines(turn))


def _lines(turn: dict[str, Any]) -> Iterator[str]:
    yield f"turn {turn['id']}  {turn['at']}"
    came = f" -> {turn['outcome']}" if turn.get("outcome") else ""
    intent = f", intent {turn['intent']}" if turn.get("intent") else ""
    yield f"  route     {turn['route']}{came}{intent}, confidence {turn['confidence']:.2f}"
    yield from (f"  because   {reason}" for reason in turn["reasons"])
    yield from (f"  score     {value:.3f}  {name}" for name, value in turn.get("scores", {}).items())
    yield f"  model     {turn['model'] or 'none'}, {turn['tokens']} tokens, {turn['cost']:.6f} dollars"
    stages = ", ".join(f"{name} {spent:.0f}" for name, spent in turn["stages"].items())
    yield f"  ms        {sum(turn['stages'].values()):.0f} ({stages})"
    for passage in turn["passages"]:
        where = " > ".join(filter(None, (passage["document"], passage["heading"])))
        yield f"  passage   {passage['score']:.3f}  {'cited ' if passage['cited'] else '      '}{where}"
    yield from (_action(action) for action in turn["actions"])
    yield from (f"  {name:9} {value}" for name, value in turn.items() if name not in _NAMED and value)
    yield f"  answered  {len(turn['handled'])} messages: {', '.join(turn['handled'])}"
    for reply in turn["replies"]:
        text = " ".join(reply["text"].split())
        yield f"  reply     {reply['id']}  {text}"


def _action(action: dict[str, Any]) -> str:
    arguments = ", ".join(f"{name}={value}" for name, value in action["arguments"].items())
    why = f"  {action['reason']}" if action["reason"] else ""
    key = f"  key {action['key']}" if action["key"] else ""
    return f"  action    {action['name']}({arguments}): {action['outcome']}{why}{key}"
