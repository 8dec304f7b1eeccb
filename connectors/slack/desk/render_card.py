"""The card as Slack's blocks, and what is said in the thread when it changes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from connectors.desk.contents import LONG_LINE, Card, CardTransfer, HandoffNotice, is_long, strip_citations
from connectors.desk.port import RenderedPost
from connectors.desk.view import View
from connectors.markup import is_blank
from connectors.slack.desk import block_kit as kit
from connectors.slack.desk.block_kit import Json
from connectors.slack.desk.render_transcript import MAY_BE_LOST, content_blocks
from schemas.content import describe_message
from schemas.messages import TranscriptMessage

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
OWNERS = {"queue": "🟠", "person": "🟢", "closed": "✅", "agent": "🤖"}


def render_card(content: Card) -> RenderedPost:
    """At most 50 blocks and 13,000 characters, whatever there is to say."""
    view = content.view
    head = [_title(view), *_state(content)]
    foot = [*_attempts(view), *kit.action_blocks(content.buttons)]
    said = [line for line in view.before if not is_blank(describe_message(line))]
    middle = [*_reason(view), *_excerpts(view, said)]
    while middle and not kit.fits([*head, *middle, *foot]):
        if said:
            middle = [*_reason(view), *_excerpts(view, said := said[1:])]
        else:
            middle.pop()
    who = view.name if view.handoff is None else f"{view.name} #{view.handoff.number}"
    text = kit.notification_text(f"{who}: {view.status}. {view.reason}")
    return RenderedPost(text, (*head, *middle, *foot))


def render_moved_card(content: CardTransfer) -> RenderedPost:
    view, to = content.view, content.to
    where = f"Shown in <#{to}> from now on." if to else "Shown further down from now on."
    return RenderedPost(kit.notification_text(f"{view.name}: moved"), (_title(view), kit.mrkdwn_section(where)))


def render_handoff_notice(content: HandoffNotice) -> RenderedPost:
    again = " again" if content.is_repeated else ""
    blocks = [kit.mrkdwn_section(f"🟠 *Handed over to people{again}*"), *kit.literal_sections(content.reason)]
    text = kit.notification_text(f"{content.view.name} waits{again}: {content.reason}")
    return RenderedPost(text, (*blocks, *_summary(content.view)))


def _title(view: View) -> Json:
    origin, locale = view.conversation.origin, view.conversation.facts.locale
    channel = CHANNELS.get(origin.channel, origin.channel.title())
    account = f" ({origin.account})" if origin.account != "main" else ""
    about = " · ".join(part for part in (channel + account, locale) if part)
    return {"type": "header", "text": kit.plain_text(kit.shorten(f"{view.name} · {about}", 150))}


def _state(content: Card) -> list[Json]:
    view, owner, holder = content.view, content.view.conversation.owner, content.view.conversation.holder
    since = holder.since if holder is not None else view.opened_at
    status = kit.plain_text(f"{OWNERS[owner]} {view.status}")
    lines = [kit.context_block(status, kit.date_token(since, after="since"))]
    waits = view.waits_since
    # Whoever waits since the handoff itself: the line above has said so.
    if waits is not None and not (owner == "queue" and abs(waits - since) < SAME):
        lines.append(kit.context_block(f"⏱️ *{kit.date_token(waits, after='The customer waits since')}*"))
    if (closes := view.window_closes(content.rules)) is not None and view.is_with_people:
        lines.append(kit.context_block(_window(closes, view)))
    return lines


def _window(closes: datetime, view: View) -> str:
    said = "closes" if closes > view.at else "closed"
    return f"⌛ *{kit.date_token(closes, after=f'The window for answers {said}')}*"


def _reason(view: View) -> list[Json]:
    blocks = [kit.mrkdwn_section(f"*Why:* {kit.escape_text(view.reason)}")] if not is_blank(view.reason) else []
    return [*blocks, *_summary(view)]


def _summary(view: View) -> list[Json]:
    lines = [f"• {kit.escape_text(kit.shorten(line, MOST_LINE))}" for line in view.summary]
    return [kit.mrkdwn_section("\n".join(lines))] if lines else []


def _excerpts(view: View, shown: Sequence[TranscriptMessage]) -> list[Json]:
    """Show what was said last before it, in the order of a talk: where there is too little room the oldest are left
    out."""
    blocks = [kit.context_block("*Before that*")] if shown else []
    for line in shown:
        name = line.author.name or (view.name if line.author.kind == "contact" else line.author.kind.title())
        mark = [MAY_BE_LOST] if line.state == "unknown" else []
        who, at = kit.plain_text(f"{WHO[line.author.kind]} {name}"), kit.date_token(line.created_at, "{time}")
        blocks += [kit.context_block(who, at, *mark), *content_blocks(line)]
        blocks += _excerpt(line) if not is_blank(line.text) else []
    return blocks


def _excerpt(line: TranscriptMessage) -> list[Json]:
    text = strip_citations(line.text, line.citations)
    show = kit.literal_sections if line.author.kind == "contact" else kit.sections
    if not is_long(line):
        return show(text)
    return [*show(f"{text[:LONG_LINE].rstrip()} …"), kit.context_block("_All of it is in the thread_")]


def _attempts(view: View) -> list[Json]:
    """Show what the agent looked at, and what it did."""
    titles = {each.document: each.title for line in view.all_lines for each in line.citations}
    passages = [passage for turn in view.turns for passage in turn.passages if passage.cited]
    sources = dict.fromkeys(_source(titles.get(each.document, each.document), each.heading) for each in passages)
    actions = [f"{each.display_name} ({each.outcome})" for turn in view.turns for each in turn.actions]
    blocks: list[Json] = []
    if sources:
        blocks.append(kit.context_block(kit.plain_text("📚 " + "\n📚 ".join([*sources][-MOST_SOURCES:]))))
    if actions:
        blocks.append(kit.context_block(kit.plain_text("🛠️ " + ", ".join(actions[-MOST_SOURCES:]))))
    return blocks


def _source(title: str, heading: str) -> str:
    """Cut at the end: a heading may be a whole question."""
    return kit.shorten(" › ".join(part for part in (title, *heading.split(" > ")) if part), MOST_SOURCE)
