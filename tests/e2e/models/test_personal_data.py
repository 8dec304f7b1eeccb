"""Personal data stays here: the model's provider gets placeholders, and the reply, the transcript and the person at the
desk have the values."""

from __future__ import annotations

import json

from tests.harness.chat_client import Contact
from tests.harness.installation import QUESTIONS, Installation
from tests.simulators.models.server import ModelServer, Script

HEAT = QUESTIONS[0]
ADDRESS, PHONE = "ann.bloom@mail.example", "0171 2345678"
FACT = "In winter we add a heat pack to every parcel with tropical plants for 4.50 euro [1]."


async def test_the_provider_sees_no_address_and_the_transcript_keeps_it(
    parley: Installation, model: ModelServer, contact: Contact
) -> None:
    model.script = Script(text=FACT)
    first = f"{HEAT} My address is {ADDRESS}"
    await contact.answered((await contact.say(first)).message_id)
    answer = await contact.answered((await contact.say(f"{HEAT} You can also call {PHONE}")).message_id)
    assert answer["text"] == FACT
    sent = json.dumps([call.body for call in model.calls])
    assert ADDRESS not in sent
    assert PHONE not in sent
    assert [call.message for call in model.calls] == [
        f"{HEAT} My address is <EMAIL_1>",
        f"{HEAT} You can also call <PHONE_1>",
    ]
    assert "<EMAIL_1>" in sent.partition("<PHONE_1>")[0]
    assert (await contact.transcript())[0]["text"] == first
