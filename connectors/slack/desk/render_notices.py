"""What the agent puts before people: actions to approve, and drafts of answers. Pure."""

from __future__ import annotations

from datetime import datetime

import orjson

from connectors.slack.desk import block_kit as kit
from connectors.slack.desk.block_kit import Json
from connectors.slack.desk.render_card import Card
from schemas.actions import PendingApproval
from schemas.desk import DeskActed, DraftMade

MOST_DRAFT = 6_000
"""Characters of a draft that its message's metadata carry; Slack takes about 8,000 in all."""
DECIDED = {"approve": "✅ Approved", "deny": "⛔ Denied"}
SETTLED = {"send_draft": "✅ Sent", "discard_draft": "🗑️ Discarded"}


def summary(approval: PendingApproval) -> str:
    """The exact action in one line."""
    exact = ", ".join(f"{name}: {_value(value)}" for name, value in approval.arguments.items())
    return f"{approval.called} ({exact})"


def _value(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def asked(approval: PendingApproval, contact: str) -> Card:
    """Every argument as it is going to be used: whoever approves approves exactly this."""
    exact = "\n".join(f"{name}: {_value(value)}" for name, value in approval.arguments.items())
    blocks = [
        kit.marked(f"🔐 *Approval needed* {kit.moment(approval.expires_at, after='until')}"),
        *kit.exact(f"{approval.called}\n{exact}"),
        kit.small("*Customer*", kit.plain(contact)),
        kit.small("*Why*", kit.plain(approval.reason)),
        *kit.buttons(
            [
                kit.button("approve", "Approve", approval.id, "primary"),
                kit.button("deny", "Deny", approval.id, "danger"),
            ]
        ),
    ]
    return Card(tuple(blocks), kit.notice(f"Approval needed: {summary(approval)} for {contact}"))


def decided(what: str, word: DeskActed | None, expired: bool) -> Card:
    """What came of it. None: it was decided elsewhere, or by nobody."""
    if word is not None:
        said = f"{DECIDED[word.kind]} by {word.name or word.by}"
    else:
        said = "⌛ Not decided in time" if expired else "Decided elsewhere"
    return Card((kit.small(kit.plain(f"🔐 {what}")), kit.small(kit.plain(said))), kit.notice(f"{said}: {what}"))


def draft(made: DraftMade) -> Card:
    """With the whole text, to be sent as it is, changed first, or discarded."""
    text = kit.unnumbered(made.text, made.citations)
    if not text.strip():
        why = made.reason or "there is no answer in the documents"
        return Card((kit.small("✏️ *No draft*", kit.plain(why)),), kit.notice(f"No draft: {why}"))
    cited = dict.fromkeys(each.title for each in made.citations)
    blocks: list[Json] = [kit.small("✏️ *Draft* · only people see this"), *kit.sections(text)]
    if cited:
        blocks.append(kit.small(kit.plain(f"📚 {', '.join(cited)}")))
    if len(text) > MOST_DRAFT:
        blocks.append(kit.small("It is too long to be sent from here: copy what you need of it."))
        return Card(tuple(blocks), kit.notice(f"Draft: {kit.unmarked(text)}"))
    blocks += kit.buttons(
        [
            kit.button("send_draft", "Send", made.id, "primary"),
            kit.button("edit_draft", "Edit", made.id),
            kit.button("discard_draft", "Discard", made.id),
        ]
    )
    return Card(tuple(blocks), kit.notice(f"Draft: {kit.unmarked(text)}"))


def carried(made: DraftMade) -> dict[str, str]:
    """What the message of a draft carries along, so that it can be sent after everything else was lost: a person's
    words come to the customer without a list of sources."""
    text = kit.unnumbered(made.text, made.citations)
    return {"draft": made.id, "text": text if len(text) <= MOST_DRAFT else ""}


def settled(acted: DeskActed, at: datetime) -> Card:
    said = f"{SETTLED[acted.kind]} by {acted.name or acted.by}"
    return Card((kit.small("✏️", kit.plain(said), kit.moment(at, "{time}")),), kit.notice(f"Draft: {said}"))
