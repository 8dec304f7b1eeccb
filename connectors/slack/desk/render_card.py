"""Rendering of the card, of its remainder after a move, and of the handoff notice. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from connectors.desk.contents import MAX_CARD_LINE, Card, CardTransfer, HandoffNotice, is_long, strip_citations
from connectors.desk.port import RenderedPost
from connectors.desk.view import View
from connectors.markup import is_blank
from connectors.slack.desk import block_kit as kit
from connectors.slack.desk.block_kit import Json
from connectors.slack.desk.render_transcript import MAY_BE_LOST, content_blocks
from schemas.content import describe_message
from schemas.messages import TranscriptMessage

MAX_SUMMARY_LINE = 300
"""Characters of a line of the summary."""
MAX_SOURCES = 3
MAX_SOURCE = 90
"""Characters of a source, so that all sources fit into one element."""
SAME_TIME = timedelta(seconds=5)
"""Difference up to which two times count as one."""
CHANNELS = {
    "web": "Web",
    "slack": "Slack",
    "discord": "Discord",
    "whatsapp": "WhatsApp",
    "instagram": "Instagram",
}
AUTHOR_ICONS = {"agent": "🤖", "contact": "💬", "person": "🧑‍💼", "system": "ℹ️"}
OWNER_ICONS = {"queue": "🟠", "person": "🟢", "closed": "✅", "agent": "🤖"}


def render_card(content: Card) -> RenderedPost:
    """Render the card within 50 blocks and 13,000 characters: the oldest excerpts are dropped first."""
    view = content.view
    head = [_build_title(view), *_build_status(content)]
    foot = [*_build_attempts(view), *kit.action_blocks(content.buttons)]
    excerpts = [line for line in view.before if not is_blank(describe_message(line))]
    middle = [*_build_reason(view), *_build_excerpts(view, excerpts)]
    while middle and not kit.fits([*head, *middle, *foot]):
        if excerpts:
            middle = [*_build_reason(view), *_build_excerpts(view, excerpts := excerpts[1:])]
        else:
            middle.pop()
    title = view.name if view.handoff is None else f"{view.name} #{view.handoff.number}"
    text = kit.notification_text(f"{_mark_danger(view)}{title}: {view.status}. {view.reason}")
    return RenderedPost(text, (*head, *middle, *foot))


def render_moved_card(content: CardTransfer) -> RenderedPost:
    view, to = content.view, content.to
    text = f"Shown in <#{to}> from now on." if to else "Shown further down from now on."
    return RenderedPost(kit.notification_text(f"{view.name}: moved"), (_build_title(view), kit.mrkdwn_section(text)))


def render_handoff_notice(content: HandoffNotice) -> RenderedPost:
    again = " again" if content.is_repeated else ""
    danger = _mark_danger(content.view)
    blocks = (kit.mrkdwn_section(f"{danger}🟠 *Handed over to people{again}*"), *kit.literal_sections(content.reason))
    return RenderedPost(
        kit.notification_text(f"{danger}{content.view.name} is waiting{again}: {content.reason}"), blocks
    )


def _build_title(view: View) -> Json:
    origin, locale = view.conversation.origin, view.conversation.facts.locale
    channel = CHANNELS.get(origin.channel, origin.channel.title())
    account = f" ({origin.account})" if origin.account != "main" else ""
    details = " · ".join(part for part in (channel + account, locale) if part)
    return {"type": "header", "text": kit.plain_text(kit.shorten(f"{_mark_danger(view)}{view.name} · {details}", 150))}


def _mark_danger(view: View) -> str:
    """Return the words that begin everything about a contact whose life may be in danger, empty for others."""
    return "🆘 Danger to life · " if view.in_danger else ""


def _build_status(content: Card) -> list[Json]:
    view, owner, holder = content.view, content.view.conversation.owner, content.view.conversation.holder
    since = holder.since if holder is not None else view.opened_at
    status = kit.plain_text(f"{OWNER_ICONS[owner]} {view.status}")
    lines = [kit.context_block(status, kit.date_token(since, after="since"))]
    waits = view.waiting_since
    # If the contact waits since the handoff, the line above says so already.
    if waits is not None and not (owner == "queue" and abs(waits - since) < SAME_TIME):
        lines.append(kit.context_block(f"⏱️ *{kit.date_token(waits, after='The customer has been waiting since')}*"))
    if (closes := view.window_closes(content.rules)) is not None and view.is_with_people:
        lines.append(kit.context_block(_format_window(closes, view)))
    return lines


def _format_window(closes: datetime, view: View) -> str:
    verb = "closes" if closes > view.now else "closed"
    return f"⌛ *{kit.date_token(closes, after=f'The reply window {verb}')}*"


def _build_reason(view: View) -> list[Json]:
    blocks = [kit.mrkdwn_section(f"*Why:* {kit.escape_text(view.reason)}")] if not is_blank(view.reason) else []
    return [*blocks, *_build_summary(view)]


def _build_summary(view: View) -> list[Json]:
    lines = [f"• {kit.escape_text(kit.shorten(line, MAX_SUMMARY_LINE))}" for line in view.summary]
    return [kit.mrkdwn_section("\n".join(lines))] if lines else []


def _build_excerpts(view: View, lines: Sequence[TranscriptMessage]) -> list[Json]:
    """Show the last messages before the handoff, the oldest first."""
    blocks = [kit.context_block("*Before that*")] if lines else []
    for line in lines:
        name = line.author.name or (view.name if line.author.kind == "contact" else line.author.kind.title())
        mark = [MAY_BE_LOST] if line.state == "unknown" else []
        author, at = (
            kit.plain_text(f"{AUTHOR_ICONS[line.author.kind]} {name}"),
            kit.date_token(line.created_at, "{time}"),
        )
        blocks += [kit.context_block(author, at, *mark), *content_blocks(line)]
        blocks += _build_excerpt(line) if not is_blank(line.text) else []
    return blocks


def _build_excerpt(line: TranscriptMessage) -> list[Json]:
    text = strip_citations(line.text, line.citations)
    show = kit.literal_sections if line.author.kind == "contact" else kit.markdown_sections
    if not is_long(line):
        return show(text)
    return [*show(f"{text[:MAX_CARD_LINE].rstrip()} …"), kit.context_block("_All of it is in the thread_")]


def _build_attempts(view: View) -> list[Json]:
    """Show the documents that the agent cited, and its actions."""
    titles = {each.document: each.title for line in view.all_lines for each in line.citations}
    passages = [passage for turn in view.turns for passage in turn.passages if passage.cited]
    sources = dict.fromkeys(_format_source(titles.get(each.document, each.document), each.heading) for each in passages)
    actions = [f"{each.display_name} ({each.outcome})" for turn in view.turns for each in turn.actions]
    blocks: list[Json] = []
    if sources:
        blocks.append(kit.context_block(kit.plain_text("📚 " + "\n📚 ".join([*sources][-MAX_SOURCES:]))))
    if actions:
        blocks.append(kit.context_block(kit.plain_text("🛠️ " + ", ".join(actions[-MAX_SOURCES:]))))
    return blocks


def _format_source(title: str, heading: str) -> str:
    """Format title and heading, shortened at the end: a heading may be a whole question."""
    return kit.shorten(" › ".join(part for part in (title, *heading.split(" > ")) if part), MAX_SOURCE)
