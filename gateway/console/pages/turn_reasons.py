"""The rendering of a turn's record: why the agent answered as it did."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.console.html import Child, Html, join, tag
from schemas.conversation import ActionRecord, CitedPassage, Turn


def render_turn(turn: Turn) -> Html:
    # Route and outcome are often the same word, such as "person".
    summary = f"Why: {', '.join(dict.fromkeys(each for each in (turn.route, turn.outcome) if each))}"
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
    return tag(
        "details",
        tag("summary", summary),
        render_definitions(facts),
        _render_passages(turn.passages),
        [_render_action(action) for action in turn.actions],
        class_="why",
        id=f"why-{turn.id}",
    )


def render_definitions(facts: Iterable[tuple[str, Child]]) -> Html:
    """Render a list of names and values, without empty values."""
    return tag("dl", [join(tag("dt", name), tag("dd", value)) for name, value in facts if value])


def format_scores(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in values.items())


def _render_passages(passages: Iterable[CitedPassage]) -> Html | None:
    rows = [
        tag(
            "tr",
            tag("td", each.document, f" · {each.heading}" if each.heading else None),
            tag("td", f"{each.score:.2f}"),
            tag("td", "cited" if each.cited else "not cited"),
        )
        for each in passages
    ]
    if not rows:
        return None
    head = tag("tr", [tag("th", name, scope="col") for name in ("Passage", "Score", "In the answer")])
    caption = tag("caption", "Passages found")
    table = tag("table", caption, tag("thead", head), tag("tbody", rows))
    return tag("div", table, class_="wide", tabindex="0", role="region", aria_label="Passages found")


def _render_action(action: ActionRecord) -> Html:
    name = f"{action.title} ({action.name})" if action.title else action.name
    facts: list[tuple[str, Child]] = [("Action", name), ("Outcome", action.outcome), ("Reason", action.reason)]
    facts += [("With", f"{name}: {value}") for name, value in action.arguments.items()]
    return tag("div", render_definitions([*facts, ("Key", action.key)]), class_=f"action {action.outcome}")
