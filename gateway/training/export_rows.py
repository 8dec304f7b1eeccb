"""The lines of an export, in the format of common training tools: ``messages`` for supervised training, and ``prompt``,
``chosen`` and ``rejected`` for preference training. The tests compare it with a golden file."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

Approval = Literal["thumb", "resolved"]
Rejection = Literal["thumb", "handed_off", "discarded"]


class Line(BaseModel):
    """A line of an export."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Said(Line):
    """A message of the contact (``user``), or of the agent or a colleague (``assistant``)."""

    role: Literal["user", "assistant"]
    content: str


class Talk(Line):
    """A conversation that only the agent answered. ``approved``: by a contact's thumb, or because every question was
    answered from the documents and nobody objected."""

    messages: list[Said]
    conversation: str
    tenant: str
    channel: str
    approved: Approval
    models: list[str]
    at: datetime


class Preference(Line):
    """A rejected reply of the agent. ``chosen`` is what a person answered instead, or None if nobody did."""

    prompt: list[Said]
    chosen: str | None
    rejected: str
    conversation: str
    tenant: str
    channel: str
    reason: Rejection
    model: str
    at: datetime
