"""A contact's picture on its way to a model that can look at it."""

from __future__ import annotations

import io

import aiohttp
from PIL import Image

from tests.e2e.models.conftest import tab_of
from tests.harness.chat_client import Contact
from tests.harness.installation import QUESTIONS, Installation
from tests.simulators.models.request_reading import images_of
from tests.simulators.models.server import ModelServer

HEAT, *_ = QUESTIONS


def draw_leaf() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 30), "green").save(out, "PNG")
    return out.getvalue()


async def test_an_uploaded_picture_reaches_the_model(
    parley: Installation, model: ModelServer, contact: Contact
) -> None:
    """From the upload over the store of files to the provider's request; the reply is the model's."""
    form = aiohttp.FormData()
    form.add_field("file", draw_leaf(), filename="leaf.png", content_type="image/png")
    bearer = {"Authorization": f"Bearer {contact.token}"}
    up = await contact.insist("POST", "attachments", data=form, headers=bearer)
    async with tab_of(contact) as tab:
        await contact.say(HEAT, attachments=[up["attachment_id"]])
        call = await model.called()
        await tab.reply()
    ((kind, data),) = images_of(call.body)
    picture = Image.open(io.BytesIO(data))
    assert (kind, picture.size) == ("image/jpeg", (40, 30))
    red, green, blue = picture.convert("RGB").getpixel((20, 15))  # type: ignore[misc]
    assert green > 100 > max(red, blue)
    (turn,) = await parley.turns(contact)
    assert turn["model"] == "remote"
