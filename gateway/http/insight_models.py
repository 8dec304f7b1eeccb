"""The response models of the endpoints about outcomes and insights."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from agent_worker.learning.insights.outcomes import Dimension
from gateway.http.response_models import ResponseModel


class DocumentDraftResponse(ResponseModel):
    """``draft``: the id of the draft; ``document``: what it becomes once somebody publishes it."""

    draft: str
    document: str


class OutcomeRowResponse(ResponseModel):
    """The figures of the conversations with this channel, route, model or intent. ``durable``: resolved by the agent
    alone, and the contact did not come back within seven days; of ``provisional`` ones the seven days are not over.
    ``first_reply_ms`` is the median. ``cost``: of all of them, in US dollars. ``csat``: the share of thumbs up and of
    scores of 4 and 5."""

    key: str
    conversations: int
    autonomous: int
    durable: int
    provisional: int
    handed_off: int
    reopened: int
    first_reply_ms: int | None
    cost: float
    cost_per_durable: float | None
    csat: float | None = Field(ge=0, le=1)
    csat_agent: float | None = Field(ge=0, le=1)
    csat_people: float | None = Field(ge=0, le=1)
    rated: int


class HandoffReasonItem(ResponseModel):
    reason: str
    conversations: int


class OutcomesResponse(ResponseModel):
    """The outcomes of the conversations of a period: by ``by``, and in total."""

    since: datetime
    until: datetime
    by: Dimension
    rows: list[OutcomeRowResponse]
    total: OutcomeRowResponse
    handoff_reasons: list[HandoffReasonItem]


class OutcomeConversationItem(ResponseModel):
    """A conversation that a figure counts. ``at``: when its last case in the period began."""

    id: str
    channel: str
    at: datetime


class OutcomeConversationListResponse(ResponseModel):
    items: list[OutcomeConversationItem]
    next: str
