"""The card: who waits, for what, since when, and who has it. It begins the thread and is kept up to date. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.desk.rules import DeskRules
from connectors.desk.view import View
from connectors.markup import blank
from connectors.outbound.rendering import within_deadline
from connectors.slack.desk import block_kit as kit
from connectors.slack.desk.block_kit import Json
from connectors.slack.desk.render_transcript import MAY_BE_LOST, content
from schemas.content import all_words
from schemas.messages import TranscriptMessage

MOST_EXCERPT = 600
"""Characters of a message on the card; all of it is in the thread then."""
MOST_LINE = 300
"""Characters of a line of the summary."""
MOST_SOURCES = 3
MOST_SOURCE = 90
"""Characters: so many together have room in one element."""
SAME = timedelta(seconds=5)
"""Between two times that people would take for one."""
CHANNELS = {
    "web": "Web",
    "slack": "Slack",
    "discord": "Discord",
    "whatsapp": "WhatsApp",
    "instagram": "Instagram",
}
WHO = {"agent": "🤖", "contact": "💬", "person": "🧑‍💼", "system": "ℹ️"}


@dataclass(frozen=True, slots=True)
class Card:
    blocks: tuple[Json, ...]
    text: str


def card(view: View, rules: DeskRules) -> Card:
    """At most 50 blocks and 13,000 characters, whatever there is to say."""
    head = [_title(view), *_state(view, rules)]
    foot = [*_tried(view), *kit.buttons(_acts(view))]
    said = [line for line in view.before if not blank(all_words(line))]
    middle = [*_why(view), *_before(view, said)]
    while middle and not kit.fits([*head, *middle, *foot]):
        if said:
            middle = [*_why(view), *_before(view, said := said[1:])]
        else:
            middle.pop()
    who = view.name if view.handoff is None else f"{view.name} #{view.handoff.number}"
    return Card((*head, *middle, *foot), kit.notice(f"{who}: {_status(view)}. {view.reason}"))


async def shown_card(view: View, rules: DeskRules) -> Card:
    return await within_deadline(lambda: card(view, rules), [line.text for line in view.before], surface="desk card")


def moved(view: View, to: str) -> Card:
    """What is left of a card whose conversation has another one now."""
    where = f"Shown in <#{to}> from now on." if to else "Shown further down from now on."
    return Card((_title(view), kit.marked(where)), kit.notice(f"{view.name}: moved"))


def _title(view: View) -> Json:
    origin, locale = view.conversation.origin, view.conversation.facts.locale
    channel = CHANNELS.get(origin.channel, origin.channel.title())
    account = f" ({origin.account})" if origin.account != "main" else ""
    about = " · ".join(part for part in (channel + account, locale) if part)
    return {"type": "header", "text": kit.plain(kit.shortened(f"{view.name} · {about}", 150))}


def _status(view: View) -> str:
    holder = view.conversation.holder
    name = (holder.name or holder.by) if holder is not None else ""
    match view.conversation.owner:
        case "queue":
            return "waits for a person"
        case "person":
            return f"with {name}"
        case "closed":
            return f"resolved by {name}" if name else "resolved"
    return "with the agent" if view.handoff is None else "back with the agent"


def _state(view: View, rules: DeskRules) -> list[Json]:
    icons = {"queue": "🟠", "person": "🟢", "closed": "✅", "agent": "🤖"}
    holder = view.conversation.holder
    since = holder.since if holder is not None else view.opened_at
    lines = [small_status(f"{icons[view.conversation.owner]} {_status(view)}", kit.moment(since, after="since"))]
    waits = view.waits_since
    # Whoever waits since the handoff itself: the line above has said so.
    if waits is not None and not (view.conversation.owner == "queue" and abs(waits - since) < SAME):
        lines.append(kit.small(f"⏱️ *{kit.moment(waits, after='The customer waits since')}*"))
    if (closes := window_closes(view, rules)) is not None and view.is_with_people:
        said = "closes" if closes > view.at else "closed"
        lines.append(kit.small(f"⌛ *{kit.moment(closes, after=f'The window for answers {said}')}*"))
    return lines


def small_status(status: str, since: str) -> Json:
    return kit.small(kit.plain(status), since)


def window_closes(view: View, rules: DeskRules) -> datetime | None:
    """Until when the channel lets people answer, where it has such a limit."""
    origin, heard = view.conversation.origin, view.conversation.facts.heard_at
    window: timedelta | None = rules.windows.get((origin.channel, origin.account))
    if heard is None:
        heard = max((line.created_at for line in _all(view) if line.author.kind == "contact"), default=None)
    return None if window is None or heard is None else heard + window


def _all(view: View) -> list[TranscriptMessage]:
    return [*view.before, *view.lines]


def _why(view: View) -> list[Json]:
    blocks = [kit.marked(f"*Why:* {kit.escaped(view.reason)}")] if not blank(view.reason) else []
    return [*blocks, *summary(view)]


def summary(view: View) -> list[Json]:
    """Without what only repeats the reason: what is open is often that, and nothing else."""
    lines = view.handoff.summary if view.handoff is not None else []
    told = [line for line in lines if not blank(line) and line.partition(": ")[2] != view.reason]
    return [kit.marked("\n".join(f"• {kit.escaped(kit.shortened(line, MOST_LINE))}" for line in told))] if told else []


def _before(view: View, shown: Sequence[TranscriptMessage]) -> list[Json]:
    """What was said last before it, in the order of a talk: where there is too little room the oldest are left out."""
    blocks = [kit.small("*Before that*")] if shown else []
    for line in shown:
        name = line.author.name or (view.name if line.author.kind == "contact" else line.author.kind.title())
        mark = [MAY_BE_LOST] if line.state == "unknown" else []
        heading = kit.small(kit.plain(f"{WHO[line.author.kind]} {name}"), kit.moment(line.created_at, "{time}"), *mark)
        blocks += [heading, *content(line), *(_excerpt(line) if not blank(line.text) else [])]
    return blocks


def _excerpt(line: TranscriptMessage) -> list[Json]:
    text = kit.unnumbered(line.text, line.citations)
    show = kit.exact if line.author.kind == "contact" else kit.sections
    if not is_long(line):
        return show(text)
    return [*show(f"{text[:MOST_EXCERPT].rstrip()} …"), kit.small("_All of it is in the thread_")]


def is_long(line: TranscriptMessage) -> bool:
    return len(line.text) > MOST_EXCERPT


def _tried(view: View) -> list[Json]:
    """What the agent looked at, and what it did."""
    titles = {each.document: each.title for line in _all(view) for each in line.citations}
    passages = [passage for turn in view.turns for passage in turn.passages if passage.cited]
    sources = dict.fromkeys(_source(titles.get(each.document, each.document), each.heading) for each in passages)
    actions = [f"{each.called} ({each.outcome})" for turn in view.turns for each in turn.actions]
    told: list[Json] = []
    if sources:
        told.append(kit.small(kit.plain("📚 " + "\n📚 ".join([*sources][-MOST_SOURCES:]))))
    if actions:
        told.append(kit.small(kit.plain("🛠️ " + ", ".join(actions[-MOST_SOURCES:]))))
    return told


def _source(title: str, heading: str) -> str:
    """Cut at the end: a heading may be a whole question."""
    return kit.shortened(" › ".join(part for part in (title, *heading.split(" > ")) if part), MOST_SOURCE)


def _acts(view: View) -> Sequence[Json]:
    """What can be done with it now, by whom is decided when it is done."""
    this = view.id
    if view.conversation.owner == "queue":
        acts = [kit.button("claim", "Claim", this, "primary")]
    elif view.conversation.owner == "person":
        acts = [kit.button("release", "Release", this), kit.button("draft", "Draft", this)]
    else:
        return [kit.button("claim", "Take over", this)] if view.conversation.owner == "agent" else []
    return [
        *acts,
        kit.button("return", "Return to agent", this),
        kit.button("transfer", "Transfer", this),
        kit.button("resolve", "Resolve", this),
    ]
