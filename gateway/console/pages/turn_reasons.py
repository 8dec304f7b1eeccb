"""The record of a turn in words: why the agent answered as it did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.conversation import ActionRecord, CitedPassage, Turn


@dataclass(frozen=True, slots=True)
class ActionReasons:
    outcome: str
    facts: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class TurnReasons:
    id: str
    summary: str
    facts: list[tuple[str, str]]
    passages: Sequence[CitedPassage]
    actions: list[ActionReasons]


def describe_turn(turn: Turn) -> TurnReasons:
    # Route and outcome are often the same word, such as "person".
    summary = ", ".join(dict.fromkeys(each for each in (turn.route, turn.outcome) if each))
    cost = f"{turn.tokens} tokens, ${turn.cost:.4f}" if turn.tokens else "no tokens"
    facts = [
        ("Route", turn.route),
        ("Intent", turn.intent),
        ("Reasons", "; ".join(turn.reasons)),
        ("Confidence", f"{turn.confidence:.2f}"),
        ("Scores", format_scores(turn.scores)),
        ("Model", turn.model),
        ("Cost", cost),
        ("Time", ", ".join(f"{name} {value:.0f} ms" for name, value in turn.stages.items())),
        ("Turn", turn.id),
    ]
    return TurnReasons(turn.id, summary, facts, turn.passages, [_describe_action(action) for action in turn.actions])


def format_scores(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in values.items())


def _describe_action(action: ActionRecord) -> ActionReasons:
    name = f"{action.title} ({action.name})" if action.title else action.name
    facts = [("Action", name), ("Outcome", action.outcome), ("Reason", action.reason)]
    facts += [("With", f"{name}: {value}") for name, value in action.arguments.items()]
    return ActionReasons(action.outcome, [*facts, ("Key", action.key)])
