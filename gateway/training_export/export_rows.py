"""The lines of an export, in the format of common training tools: ``messages`` for supervised training, and ``prompt``,
``chosen`` and ``rejected`` for preference training. The tests compare it with a golden file."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

Role = Literal["user", "assistant"]
Approval = Literal["thumb", "resolved", "draft_sent"]
Rejection = Literal["thumb", "handed_off", "discarded", "draft_edited", "draft_discarded"]


class ExportRow(BaseModel):
    """A line of an export."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ExportMessage(ExportRow):
    """A message of the contact (``user``), or of the agent or a colleague (``assistant``)."""

    role: Role
    content: str


class ExportPassage(ExportRow):
    """A passage that the agent had found when it wrote a reply, as it was then. ``message``: the index of that reply
    among the messages; of a rejected reply, the number of messages before it."""

    message: int
    document: str
    heading: str
    version: int
    text: str


class ConversationExample(ExportRow):
    """A conversation to learn from as a whole. ``approved``: by a contact's thumb; because only the agent answered, and
    it answered every question or did what was asked; or because a person sent the agent's draft unchanged, which is the
    last message."""

    messages: list[ExportMessage]
    conversation: str
    tenant: str
    channel: str
    approved: Approval
    models: list[str]
    passages: list[ExportPassage]
    at: datetime


class Preference(ExportRow):
    """A rejected reply or draft of the agent. ``chosen`` is what a person answered instead, or None if nobody did.
    ``note``: the contact's comment on it."""

    prompt: list[ExportMessage]
    chosen: str | None
    rejected: str
    conversation: str
    tenant: str
    channel: str
    reason: Rejection
    note: str = ""
    model: str
    passages: list[ExportPassage]
    at: datetime
