"""Drafts of documents from what people answered. Somebody reads them before they are published."""

from __future__ import annotations

from dataclasses import dataclass, replace

from agent_worker.learning.insights.report import DocumentProposalText, InsightGroup
from gateway.knowledge.editor import DocumentEditor
from gateway.training_export.examples import Anonymizer
from schemas.errors import Conflict, NotFound
from schemas.ports import DocumentDraft
from schemas.privacy.cards import OwnNumbers
from schemas.validation.texts import describe_count

ORIGIN = "insights"


@dataclass(frozen=True, slots=True)
class DraftReference:
    """``document``: what the draft becomes once somebody publishes it."""

    id: str
    document: str


async def save_proposal(
    editor: DocumentEditor, tenant: str, group: InsightGroup, own: OwnNumbers | None, changed_by: str
) -> DraftReference:
    """Store the proposal of a group as a draft: of a new document, or of a corrected one. Personal data is masked.
    Raises NotFound if the group has no proposal, Unavailable."""
    proposal = group.proposal
    if proposal is None:
        raise NotFound("this group has no proposal for a document")
    anonymize = Anonymizer(own, proposal.names)
    text = replace_texts(proposal, anonymize)
    draft = await _extend(editor, tenant, text) if text.document else None
    if draft is None:
        draft = DocumentDraft(id=f"insight-{group.id}", title=text.title, body=text.body)
    reason = f"{group.suggestion} {describe_count(group.count, 'question')}, such as: {anonymize(group.asked[0])}"
    id = await editor.save_draft(tenant, replace(draft, changed_by=changed_by), origin=ORIGIN, reason=reason)
    return DraftReference(id, draft.id)


def replace_texts(proposal: DocumentProposalText, anonymize: Anonymizer) -> DocumentProposalText:
    """The proposal without personal data."""
    update = {"title": anonymize(proposal.title), "body": anonymize(proposal.body), "names": []}
    return proposal.model_copy(update=update)


async def _extend(editor: DocumentEditor, tenant: str, text: DocumentProposalText) -> DocumentDraft | None:
    """The document with people's answer below it; None if it is gone, or a source owns it and would overwrite it."""
    try:
        document = await editor.find(tenant, text.document)
        editor.check_editable(tenant, document)
    except (NotFound, Conflict):
        return None
    return DocumentDraft(
        id=document.id,
        title=document.title,
        body=f"{document.body.rstrip()}\n\n{text.body}",
        url=document.url,
        language=document.language,
        visibility=document.visibility,
        expires_at=document.expires_at,
    )
