"""After the contact's answer to a question about one action: what else they had asked for."""

from __future__ import annotations

from datetime import datetime

from agent_worker.actions.acting import Acting
from agent_worker.actions.dialogue.talk import Talk
from agent_worker.voice import Voice
from schemas.ports import Draft, Question


async def followed(draft: Draft, acting: Acting, question: Question, voice: Voice, now: datetime) -> Draft:
    """``draft`` tells what came of it. While the question is still open, nothing follows."""
    memory = acting.effects.memory
    if memory.filling is None or memory.confirmation is not None or acting.effects.asked is not None:
        return draft
    talk = Talk(question, voice, draft.model, now, acting.today(now))
    return acting.finish(await talk.after(draft, memory.filling))
