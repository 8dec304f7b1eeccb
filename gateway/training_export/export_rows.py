"""The lines of an export, in the format of common training tools: ``messages`` for supervised training, and ``prompt``,
``chosen`` and ``rejected`` for preference training. The tests compare it with a golden file."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

Approval = Literal["thumb", "resolved"]
Rejection = Literal["thumb", "handed_off", "discarded"]


class ExportRow(BaseModel):
    """A line of an export."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ExportMessage(ExportRow):
    """A message of the contact (``user``), or of the agent or a colleague (``assistant``)."""

    role: Literal["user", "assistant"]
    content: str


class ConversationExample(ExportRow):
    """A conversation that only the agent answered. ``approved``: by a contact's thumb, or because every question was
    answered from the documents and nobody objected."""

    messages: list[ExportMessage]
    conversation: str
    tenant: str
    channel: str
    approved: Approval
    models: list[str]
    at: datetime


class Preference(ExportRow):
    """A rejected reply of the agent. ``chosen`` is what a person answered instead, or None if nobody did."""

    prompt: list[ExportMessage]
    chosen: str | None
    rejected: str
    conversation: str
    tenant: str
    channel: str
    reason: Rejection
    model: str
    at: datetime
