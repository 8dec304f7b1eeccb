"""Posts in the thread that are no lines: times, approvals, drafts, and what has not arrived. Pure."""

from __future__ import annotations

from connectors.desk.contents import (
    ApprovalOutcome,
    ApprovalRequest,
    Draft,
    DraftOutcome,
    InDoubt,
    NotDelivered,
    TimeNotice,
    format_argument,
    summarize_approval,
)
from connectors.desk.port import RenderedPost
from connectors.slack.desk import block_kit as kit
from connectors.slack.desk.block_kit import Json
from connectors.slack.desk.render_card import WHO

MOST_DRAFT = 6_000
"""Characters of a draft that its message's metadata carry; Slack takes about 8,000 in all."""
DECIDED = {"approve": "✅ Approved", "deny": "⛔ Denied"}
SETTLED = {"send_draft": "✅ Sent", "discard_draft": "🗑️ Discarded"}


def render_time_notice(content: TimeNotice) -> RenderedPost:
    waits = "The customer waits for an answer" if not content.is_elsewhere else "A customer waits for an answer"
    text = f"{waits}, longer than agreed" if content.is_elsewhere else waits
    said = _escalation_text(content) if content.is_elsewhere else _reminder_text(content)
    return RenderedPost(kit.notification_text(text), (kit.mrkdwn_section(said),))


def _reminder_text(content: TimeNotice) -> str:
    waiting = kit.date_token(content.since, after="waits since")
    match content.kind:
        case "late":
            return f"⏰ *The customer should have had an answer by now*: {waiting}"
        case "closed":
            closed = "⌛ *The channel's window for answers has closed.*"
            return f"{closed} Replies arrive only as a template, if one is set up"
        case "closing":
            return f"⌛ The channel's window for answers {kit.date_token(content.due, after='closes')}"
    return f"⏰ The customer {waiting}: {kit.date_token(content.due, after='please answer until')}"


def _escalation_text(content: TimeNotice) -> str:
    called = f"<!{content.mention}> " if content.mention else ""
    if content.kind == "help":
        said = "A colleague asks for help with a conversation"
    else:
        said = f"A customer waits for an answer {kit.date_token(content.since, after='since')}, longer than agreed"
    return f"{called}🚨 {said}" + (f": <{content.link}|open the thread>" if content.link else "")


def render_approval_request(content: ApprovalRequest) -> RenderedPost:
    """Every argument as it is going to be used: whoever approves approves exactly this."""
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
    if content.decided is not None:
        said = f"{DECIDED[content.decided.kind]} by {content.decided.name or content.decided.by}"
    else:
        said = "⌛ Not decided in time" if content.is_expired else "Decided elsewhere"
    what = kit.context_block(kit.plain_text(f"🔐 {content.summary}"))
    return RenderedPost(
        kit.notification_text(f"{said}: {content.summary}"), (what, kit.context_block(kit.plain_text(said)))
    )


def render_draft(content: Draft) -> RenderedPost:
    """With the whole text."""
    made, text = content.made, content.text
    if not text.strip():
        why = made.reason or "there is no answer in the documents"
        return RenderedPost(
            kit.notification_text(f"No draft: {why}"), (kit.context_block("✏️ *No draft*", kit.plain_text(why)),)
        )
    cited = dict.fromkeys(each.title for each in made.citations)
    blocks: list[Json] = [kit.context_block("✏️ *Draft* · only people see this"), *kit.sections(text)]
    if cited:
        blocks.append(kit.context_block(kit.plain_text(f"📚 {', '.join(cited)}")))
    if len(text) > MOST_DRAFT:
        blocks.append(kit.context_block("It is too long to be sent from here: copy what you need of it."))
    else:
        blocks += kit.action_blocks(content.buttons)
    return RenderedPost(kit.notification_text(f"Draft: {kit.strip_markdown(text)}"), tuple(blocks))


def render_draft_outcome(content: DraftOutcome) -> RenderedPost:
    acted = content.acted
    said = f"{SETTLED[acted.kind]} by {acted.name or acted.by}"
    block = kit.context_block("✏️", kit.plain_text(said), kit.date_token(content.at, "{time}"))
    return RenderedPost(kit.notification_text(f"Draft: {said}"), (block,))


def render_not_delivered(content: NotDelivered) -> RenderedPost:
    line, why = content.line, content.reason
    because = [kit.plain_text(why)] if why else []
    quoted = kit.context_block(kit.plain_text(f"🧑‍💼 {line.text or 'a file'}"))
    blocks = (kit.context_block("❌ *Not delivered to the customer*", *because), quoted)
    return RenderedPost(kit.notification_text(f"Not delivered: {why or line.text}"), blocks)


def render_in_doubt(content: InDoubt) -> RenderedPost:
    line = content.line
    blocks = [
        kit.context_block("⚠️ *This may not have reached the customer*"),
        kit.context_block(kit.plain_text(f"{WHO[line.author.kind]} {line.text or 'a file'}")),
        *kit.action_blocks(content.buttons),
    ]
    text = f"This may not have reached the customer: {line.text}"
    return RenderedPost(kit.notification_text(text), tuple(blocks))
