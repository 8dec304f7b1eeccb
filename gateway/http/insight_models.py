"""The response models of the endpoints about outcomes and insights."""

from __future__ import annotations

from datetime import datetime

from agent_worker.learning.insights.outcomes import Dimension, HandoffReason, OutcomeRow
from gateway.http.response_models import ResponseModel


class DocumentDraftResponse(ResponseModel):
    """``draft``: the id of the draft; ``document``: what it becomes once somebody publishes it."""

    draft: str
    document: str


class OutcomesResponse(ResponseModel):
    """The outcomes of the conversations of a period: by ``by``, and in total."""

    since: datetime
    until: datetime
    by: Dimension
    rows: list[OutcomeRow]
    total: OutcomeRow
    handoff_reasons: list[HandoffReason]


class OutcomeConversationItem(ResponseModel):
    """A conversation that a figure counts. ``at``: when its last case in the period began."""

    id: str
    channel: str
    at: datetime


class OutcomeConversationListResponse(ResponseModel):
    items: list[OutcomeConversationItem]
    next: str
