"""Forms that are opened for people, and the drafts that they send. Slack lets a form be opened for three seconds after
a press, so this cannot wait for a lane."""

from __future__ import annotations

from connectors.desk.rules import DeskRules
from connectors.slack.desk import forms
from connectors.slack.desk.parse_interactions import TRIGGER
from connectors.slack.desk.web_api import WebApi
from schemas.conversation import Conversation
from schemas.desk import DeskActed
from schemas.errors import SendRefused
from schemas.ports import Account

AGAIN = "This form could not be opened. Please press again."
TOO_LONG = "This draft is too long for a form. Please copy it into the thread and change it there."
LOST = "This draft is not there any more. Please ask for another one."


class Openings:
    def __init__(self, slack: WebApi) -> None:
        self._slack = slack

    async def open(self, account: Account, found: Conversation, acted: DeskActed, rules: DeskRules) -> None:
        """Raises Unavailable."""
        if acted.kind == "resolve":
            view = forms.resolve(found, acted, rules)
        elif acted.kind == "transfer":
            view = forms.transfer(found, acted, rules)
        else:
            text = await self._text(account, acted)
            if not text or len(text) > forms.MOST_DRAFT:
                return await self._slack.whisper(account, acted.place, acted.by, TOO_LONG if text else LOST)
            view = forms.draft(found, acted, text)
        try:
            await self._slack.ask(account, "views.open", {"trigger_id": acted.fields[TRIGGER][0], "view": view})
        except SendRefused:
            # Too late, or told twice: the form may be open already.
            await self._slack.whisper(account, acted.place, acted.by, AGAIN)

    async def drafted(self, account: Account, acted: DeskActed) -> DeskActed:
        """A draft that is sent or discarded, with its text as it was written (``fields["draft"]``) and as it goes out.
        Both are empty when it is not there any more. Raises Unavailable."""
        draft = await self._text(account, acted)
        sent = next(iter(acted.fields.get("text", ())), "") or draft
        return acted.model_copy(update={"text": sent, "fields": {"draft": [draft]}})

    async def _text(self, account: Account, acted: DeskActed) -> str:
        """What the message of a draft carries along."""
        message = await self._slack.message(account, acted.external_id)
        home = await self._slack.home(account)
        told = message.get("metadata") if message is not None and message.get("bot_id") == home.bot else None
        about = told.get("event_payload") if isinstance(told, dict) else None
        if not isinstance(about, dict) or about.get("draft") != acted.value:
            return ""
        return str(about.get("text") or "")
