"""The erasure that a contact asks for in a conversation: a built-in action.

The action asks for a confirmation and, where the tenant wants it, for an approval, as all actions do. It only notes the
request. The erasure begins once the contact was sent the message that it does."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from agent_worker.actions.context import ActionContext
from agent_worker.actions.failures import ActionFailed, ActionRefused
from agent_worker.actions.spec import Action
from agent_worker.translations import LANGUAGES
from agent_worker.voice import Voice, translate_phrase, translate_voice
from gateway.config.privacy import PrivacySettings
from gateway.contacts.directory import ContactDirectory
from gateway.contacts.erasure import ContactErasureService
from gateway.contacts.erasure_records import ErasureRequest
from gateway.wiring.process_services import ProcessServices
from schemas import ids
from schemas.errors import NotFound

NAME = "erase_own_data"
REQUESTED_BY = "contact"
"""The one who asked for the erasure, in its record."""


class ErasureArguments(BaseModel):
    """The erasure concerns whoever asks for it, so there is nothing to choose."""


class ErasureResult(BaseModel):
    """The erasure that was noted."""

    erasure_id: str


class ErasureRequests:
    """Notes the erasures that contacts ask for."""

    def __init__(self, services: ProcessServices) -> None:
        self._audit = services.audit
        self._directory = ContactDirectory(services.state)
        self._state = services.state
        self._erasures = ContactErasureService(services)

    async def is_theirs(self, context: ActionContext) -> bool:
        """Return whether all that would be erased belongs to whoever asks. An anonymous visitor may erase a contact
        only if none of its addresses is certain, because nobody knows who such a visitor is."""
        if not context.contact.id:
            return False
        if context.contact.reaches("channel"):
            return True
        contact = await self._state.contacts.get(context.tenant, context.contact.id)
        return contact is None or all(each.assurance == "anonymous" for each in (*contact.addresses, *contact.left))

    async def note(self, context: ActionContext) -> ErasureResult:
        """Note the request under the action's key, and record it in the audit trail first. May be repeated."""
        conversation = await self._state.conversations.get(context.conversation)
        channel = conversation.origin.channel if conversation is not None else ""
        try:
            person = await self._directory.find(context.tenant, context.contact.id)
        except NotFound as error:
            raise ActionFailed("there is no such contact any more") from error
        actor = f"contact:{person.contact.id}"
        await self._audit.record(context.tenant, "contact.erase", actor=actor, surface=channel, subject=actor)
        noted = await self._erasures.request(
            context.tenant,
            person.contact.id,
            by=REQUESTED_BY,
            id=ids.derived_id(context.key, "erasure"),
            request=ErasureRequest(conversation=context.conversation, action_key=context.key),
        )
        return ErasureResult(erasure_id=noted.id)


def build_erasure_action(settings: PrivacySettings, voice: Voice, erasures: ErasureRequests | None = None) -> Action:
    """The action of a tenant. ``erasures``: None where actions are declared and never called."""

    def speak(context: ActionContext) -> Voice:
        return translate_voice(voice, context.locale)

    async def check(context: ActionContext, _arguments: ErasureArguments) -> None:
        if erasures is not None and not await erasures.is_theirs(context):
            raise ActionRefused(speak(context).erasure_unverified)

    async def explain(context: ActionContext, _arguments: ErasureArguments) -> str:
        return speak(context).erasure_explained

    async def note(context: ActionContext, _arguments: ErasureArguments) -> ErasureResult:
        if erasures is None:
            raise ActionFailed("nothing is erased here")
        return await erasures.note(context)

    def report(context: ActionContext, _arguments: Any, _result: Any) -> str:
        return speak(context).erasure_begun

    return Action(
        name=NAME,
        title=voice.erasure_title,
        titles={language: translate_phrase(voice, "erasure_title", language) for language in LANGUAGES},
        description="Delete everything that is stored about the contact.",
        model=ErasureArguments,
        answer=ErasureResult,
        run=note,
        risk="write",
        needs="anonymous",
        confirm=True,
        approve=settings.erasure_approval,
        topic="deletion",
        check=check,
        preview=explain,
        report=report,
        # What the contact has confirmed is noted now if the attempt at it was interrupted.
        look_up=note,
    )
