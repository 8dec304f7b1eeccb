"""What people promised, where a contact asks about it: it goes before what the documents say in general."""

from __future__ import annotations

from agent_worker.handoff.promises import about
from agent_worker.voice import Voice
from schemas.desk import Handoff
from schemas.messages import Citation
from schemas.ports import Draft, Found, Passage

DOCUMENT = "handoff:"
"""Begins the name under which it is cited."""


def with_promises(found: Found, tenant: str, handoff: Handoff | None, text: str) -> Found:
    """With what people promised that the text is about, as a passage like any other, and the surest."""
    said = [] if handoff is None else about(text, handoff.promised)
    if handoff is None or not said:
        return found
    passage = Passage(
        tenant=tenant,
        document=f"{DOCUMENT}{handoff.number}",
        version=0,
        title=handoff.name or "A colleague",
        heading="",
        url="",
        text="\n".join(said),
        score=1.0,
    )
    return Found([passage, *found.passages], True, 1.0, found.encoder, found.vector)


def told_by_people(found: Found, voice: Voice) -> Draft | None:
    """The promise as it was given, by a model that can only quote: beside what the documents say it might read as if it
    were another. None when people promised nothing of what is asked."""
    passage = next((one for one in found.passages if one.document.startswith(DOCUMENT)), None)
    if passage is None:
        return None
    said = voice.colleague_wrote.replace("{said}", passage.text.replace("\n", " "))
    cited = Citation(n=1, document=passage.document, title=passage.title, quote=passage.text)
    return Draft(text=f"{said} [1]", answered=True, citations=[cited], model="local")
