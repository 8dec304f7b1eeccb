"""Slack as a desk: people work in channels, whose messages have ids like ``CHANNEL/TS``. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from connectors.desk.contents import (
    ApprovalOutcome,
    ApprovalRequest,
    Card,
    CardTransfer,
    Content,
    Draft,
    DraftOutcome,
    ErasureNotice,
    HandoffNotice,
    InDoubt,
    NotDelivered,
    ResolutionNotice,
    TimeNotice,
    TranscriptLines,
    WeeklyReport,
)
from connectors.desk.port import DeskRates, Post, Rate, RenderedPost
from connectors.desk.thread_ids import Place, message_id, message_of
from connectors.slack.desk import block_kit, render_card, render_notices, render_transcript
from connectors.slack.errors import require_external_id
from connectors.slack.places import parse_timestamp
from schemas.messages import MessageState, TranscriptMessage
from schemas.ports import Account, DeliveryPolicy, VendorCall, VendorResponse

if TYPE_CHECKING:
    from connectors.slack.desk.connection import SlackDeskConnection
    from connectors.slack.file_transfer import ReadFile

CLOCK_TOLERANCE = timedelta(minutes=1)
"""Largest expected difference between clocks."""
MARKS: dict[MessageState, str] = {
    "accepted": "envelope",
    "unknown": "warning",
    "sent": "envelope",
    "delivered": "white_check_mark",
    "read": "eyes",
    "failed": "x",
    "dropped": "x",
}
"""Marks are reactions, by the state of the message."""
RATES = DeskRates(
    gather_seconds=1.0,
    posts=Rate(1.0, 2),
    updates=Rate(0.6, 15),
    marks=Rate(0.33, 15),
    card_every=timedelta(seconds=5),
    retry=timedelta(seconds=3),
)
"""Slack allows one message a second in a channel and, for the whole app in a minute, 50 changes of messages, of which
some are reserved for changes of owner and edits, and 20 removals of reactions.
https://docs.slack.dev/apis/web-api/rate-limits"""

RENDERERS: dict[type[Content], Callable[[Any], RenderedPost]] = {
    Card: render_card.render_card,
    CardTransfer: render_card.render_moved_card,
    HandoffNotice: render_card.render_handoff_notice,
    TranscriptLines: render_transcript.render_lines,
    TimeNotice: render_notices.render_time_notice,
    ApprovalRequest: render_notices.render_approval_request,
    ApprovalOutcome: render_notices.render_approval_outcome,
    Draft: render_notices.render_draft,
    DraftOutcome: render_notices.render_draft_outcome,
    ResolutionNotice: render_notices.render_resolution,
    NotDelivered: render_notices.render_not_delivered,
    ErasureNotice: render_notices.render_erasure_notice,
    InDoubt: render_notices.render_in_doubt,
    WeeklyReport: render_notices.render_weekly_report,
}


class SlackDesk:
    name = "slack"
    title = "Slack"
    rates = RATES
    marks: Mapping[MessageState, str] = MARKS
    max_draft = render_notices.MAX_DRAFT
    mentions = re.compile(r"@([UW][A-Z0-9]{6,20})\b")
    policy = DeliveryPolicy(reconciliation="lookup")
    """A post in doubt delays all posts below it, so it is looked up at once in the thread's history. If it arrives even
    later, people see it twice, which does no harm."""

    def __init__(self, read_file: ReadFile) -> None:
        self._read_file = read_file

    def render_post(self, content: Content) -> RenderedPost:
        return RENDERERS[type(content)](content)

    def count_fitting(self, lines: Sequence[TranscriptMessage], contact: str) -> int:
        return render_transcript.count_fitting(lines, contact)

    def split(self, rendered: RenderedPost) -> list[RenderedPost]:
        return [RenderedPost(rendered.text, tuple(blocks)) for blocks in block_kit.pack(rendered.blocks)]

    def post_call(self, post: Post) -> VendorCall:
        since = f"{(post.since - CLOCK_TOLERANCE).timestamp():.6f}"
        thread = {"thread_ts": post.thread} if post.thread else {}
        if post.files:
            to = {"channel_id": post.channel, **thread, "since": since}
            return VendorCall("files.completeUploadExternal", to, post.files)
        content = {"text": post.rendered.text, "blocks": list(post.rendered.blocks)}
        arguments = {"channel": post.channel, **thread, **content, "unfurl_links": False, "unfurl_media": False}
        return VendorCall("chat.postMessage", {**arguments, "since": since, "about": dict(post.metadata)})

    def parse_response(self, call: VendorCall, reply: VendorResponse) -> str:
        return message_id(channel_of_call(call), require_external_id(reply))

    def is_file(self, place: Place) -> bool:
        """Message ids are timestamps, with a dot; file ids are not."""
        return bool(place.message) and "." not in place.message

    def written_at(self, external_id: str) -> datetime:
        return parse_timestamp(message_of(external_id))

    def connect(self, account: Account) -> SlackDeskConnection:
        from connectors.slack.desk.connection import SlackDeskConnection

        return SlackDeskConnection(account, self._read_file, self.is_file)


def channel_of_call(call: VendorCall) -> str:
    return str(call.arguments["channel_id" if call.files else "channel"])
