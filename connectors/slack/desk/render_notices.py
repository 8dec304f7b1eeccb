"""Rendering of notices in the thread: time limits, approvals, drafts, and failed messages. Pure."""

from __future__ import annotations

from connectors.desk.contents import (
    ApprovalOutcome,
    ApprovalRequest,
    Draft,
    DraftOutcome,
    ErasureNotice,
    InDoubt,
    NotDelivered,
    ResolutionNotice,
    TimeNotice,
    WeeklyReport,
    format_argument,
    summarize_approval,
)
from connectors.desk.port import RenderedPost
from connectors.slack.desk import block_kit as kit
from connectors.slack.desk.block_kit import Json
from connectors.slack.desk.render_card import AUTHOR_ICONS

MAX_DRAFT = 6_000
"""Characters of a draft that fit into its message's metadata; Slack allows about 8,000 in all."""
DRAFT_LABELS = {"send_draft": "✅ Sent", "discard_draft": "🗑️ Discarded"}


def render_time_notice(content: TimeNotice) -> RenderedPost:
    text = "The customer is waiting for an answer"
    if content.kind == "danger":
        text = "Danger to life: a customer needs a person now"
    elif content.is_elsewhere:
        text = "A customer is waiting for an answer, longer than agreed"
    markup = _escalation_text(content) if content.is_elsewhere else _reminder_text(content)
    return RenderedPost(kit.notification_text(text), (kit.mrkdwn_section(markup),))


def _reminder_text(content: TimeNotice) -> str:
    waiting = kit.date_token(content.since, after="waits since")
    match content.kind:
        case "late":
            return f"⏰ *The customer should have had an answer by now*: {waiting}"
        case "closed":
            closed = "⌛ *The channel's reply window has closed.*"
            return f"{closed} Replies arrive only as a template, if one is set up"
        case "closing":
            return f"⌛ The channel's reply window {kit.date_token(content.due, after='closes')}"
    return f"⏰ The customer {waiting}: {kit.date_token(content.due, after='please answer by')}"


def _escalation_text(content: TimeNotice) -> str:
    called = f"<!{content.mention}> " if content.mention else ""
    if content.kind == "danger":
        text = "*Danger to life*: a customer needs a person now"
    elif content.kind == "help":
        text = "A colleague is asking for help with a conversation"
    else:
        text = f"A customer is waiting for an answer {kit.date_token(content.since, after='since')}, longer than agreed"
    return f"{called}🚨 {text}" + (f": <{content.link}|open the thread>" if content.link else "")


def render_approval_request(content: ApprovalRequest) -> RenderedPost:
    """Render the request with every argument as it is going to be used: the approval is for exactly this."""
    approval = content.approval
    arguments = "\n".join(f"{name}: {format_argument(value)}" for name, value in approval.arguments.items())
    blocks = [
        kit.mrkdwn_section(f"🔐 *Approval needed* {kit.date_token(approval.expires_at, after='until')}"),
        *kit.literal_sections(f"{approval.display_name}\n{arguments}"),
        kit.context_block("*Customer*", kit.plain_text(content.contact)),
        kit.context_block("*Why*", kit.plain_text(approval.reason)),
        *kit.action_blocks(content.buttons),
    ]
    text = f"Approval needed: {summarize_approval(approval)} for {content.contact}"
    return RenderedPost(kit.notification_text(text), tuple(blocks))


def render_approval_outcome(content: ApprovalOutcome) -> RenderedPost:
    summary = kit.context_block(kit.plain_text(f"🔐 {content.summary}"))
    return RenderedPost(
        kit.notification_text(f"{content.text}: {content.summary}"),
        (summary, kit.context_block(kit.plain_text(content.text))),
    )


def render_draft(content: Draft) -> RenderedPost:
    draft, text = content.draft, content.text
    if not text.strip():
        reason = draft.reason or "there is no answer in the documents"
        return RenderedPost(
            kit.notification_text(f"No draft: {reason}"), (kit.context_block("✏️ *No draft*", kit.plain_text(reason)),)
        )
    cited = dict.fromkeys(each.title for each in draft.citations)
    blocks: list[Json] = [kit.context_block("✏️ *Draft* · only people see this"), *kit.markdown_sections(text)]
    if cited:
        blocks.append(kit.context_block(kit.plain_text(f"📚 {', '.join(cited)}")))
    if len(text) > MAX_DRAFT:
        blocks.append(kit.context_block("It is too long to be sent from here. Copy what you need."))
    else:
        blocks += kit.action_blocks(content.buttons)
    return RenderedPost(kit.notification_text(f"Draft: {kit.strip_markdown(text)}"), tuple(blocks))


def render_draft_outcome(content: DraftOutcome) -> RenderedPost:
    command = content.command
    text = f"{DRAFT_LABELS[command.kind]} by {command.name or command.by}"
    block = kit.context_block("✏️", kit.plain_text(text), kit.date_token(content.at, "{time}"))
    return RenderedPost(kit.notification_text(f"Draft: {text}"), (block,))


def render_resolution(content: ResolutionNotice) -> RenderedPost:
    """Render it with the note, which only colleagues see."""
    note = "" if content.is_rating else content.resolution.note
    blocks = (kit.context_block(kit.plain_text(content.text)), *(kit.literal_sections(f"📝 {note}") if note else ()))
    return RenderedPost(kit.notification_text(content.text), blocks)


def render_not_delivered(content: NotDelivered) -> RenderedPost:
    line, reason = content.line, content.reason
    reasons = [kit.plain_text(reason)] if reason else []
    quoted = kit.context_block(kit.plain_text(f"{AUTHOR_ICONS[line.author.kind]} {line.text or 'a file'}"))
    blocks = (kit.context_block("❌ *Not delivered to the customer*", *reasons), quoted)
    return RenderedPost(kit.notification_text(f"Not delivered: {reason or line.text}"), blocks)


def render_in_doubt(content: InDoubt) -> RenderedPost:
    line = content.line
    blocks = [
        kit.context_block("⚠️ *This may not have reached the customer*"),
        kit.context_block(kit.plain_text(f"{AUTHOR_ICONS[line.author.kind]} {line.text or 'a file'}")),
        *kit.action_blocks(content.buttons),
    ]
    text = f"This may not have reached the customer: {line.text}"
    return RenderedPost(kit.notification_text(text), tuple(blocks))


def render_erasure_notice(content: ErasureNotice) -> RenderedPost:
    return RenderedPost(kit.notification_text(content.text), (kit.context_block("🗑️", kit.plain_text(content.text)),))


def render_weekly_report(content: WeeklyReport) -> RenderedPost:
    """Render the report. Its groups contain words of contacts, so they are shown literally."""
    blocks = [kit.mrkdwn_section(f"📊 *{content.title}*"), *kit.literal_sections("\n".join(content.figures))]
    if content.groups:
        blocks += [kit.mrkdwn_section("*What to improve*"), *kit.literal_sections("\n".join(content.groups))]
    if content.link:
        blocks.append(kit.context_block(f"<{content.link}|The whole report>"))
    return RenderedPost(kit.notification_text(f"{content.title}: {content.figures[0]}"), tuple(blocks))
