"""The lines of an export. Their shape is what training tools take as it is: ``messages`` for supervised training,
``prompt``, ``chosen`` and ``rejected`` for preferences. A golden file in the tests holds it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

Approval = Literal["thumb", "resolved"]
Rejection = Literal["thumb", "handed_off", "discarded"]


class Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Said(Line):
    role: Literal["user", "assistant"]
    content: str


class Talk(Line):
    """A conversation that was the agent's throughout. ``approved``: by a contact's thumb, or because every question was
    answered from the documents and nobody objected."""

    messages: list[Said]
    conversation: str
    tenant: str
    channel: str
    approved: Approval
    models: list[str]
    at: datetime


class Preference(Line):
    """A reply of the agent that was none: ``chosen`` is what a person said in its place, None where nobody did."""

    prompt: list[Said]
    chosen: str | None
    rejected: str
    conversation: str
    tenant: str
    channel: str
    reason: Rejection
    model: str
    at: datetime
