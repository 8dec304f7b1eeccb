"""A contact's picture on its way to a model that can look at it."""

from __future__ import annotations

import aiohttp

from tests.e2e.models.conftest import tab_of
from tests.harness.chat_client import Contact
from tests.harness.installation import QUESTIONS, Installation
from tests.simulators.models.request_reading import images_of
from tests.simulators.models.server import ModelServer

HEAT, *_ = QUESTIONS
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40


async def test_an_uploaded_picture_reaches_the_model_as_it_is(
    parley: Installation, model: ModelServer, contact: Contact
) -> None:
    """From the upload over the store of files to the provider's request; the reply is the model's."""
    form = aiohttp.FormData()
    form.add_field("file", PNG, filename="leaf.png", content_type="image/png")
    bearer = {"Authorization": f"Bearer {contact.token}"}
    up = await contact.insist("POST", "attachments", data=form, headers=bearer)
    async with tab_of(contact) as tab:
        await contact.say(HEAT, attachments=[up["attachment_id"]])
        call = await model.called()
        await tab.reply()
    assert images_of(call.body) == [("image/png", PNG)]
    (turn,) = await parley.turns(contact)
    assert turn["model"] == "remote"
