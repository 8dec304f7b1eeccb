"""Contacts' pictures reach a model that can look at them, and no other."""

from __future__ import annotations

import pytest

from agent_worker.models.images import MAX_IMAGE_BYTES, MAX_IMAGES
from agent_worker.models.providers.provider import ModelLimits
from agent_worker.models.providers.remote_model import ModelDependencies, RemoteModel
from agent_worker.models.registry import FallbackRule
from schemas.errors import NotFound
from schemas.messages import Attachment, TranscriptMessage
from tests.simulators.models.request_reading import data_of, images_of
from tests.simulators.models.server import Script
from tests.unit.agent_worker.models.conftest import (
    SETTINGS,
    TENANT,
    Asking,
    LadderClient,
    Provider,
    source_of,
)
from tests.unit.agent_worker.models.test_prompt import line

ASKED = "Do you add a heat pack to this one in winter?"
TYPES = frozenset({"image/png", "image/jpeg"})
PNG, JPEG = b"\x89PNG\r\n\x1a\n a pot", b"\xff\xd8\xff a leaf \xfb\xff"


class Store:
    """Stored files by id. ``read``: the ids that were asked for."""

    def __init__(self, **files: tuple[str, bytes]) -> None:
        self.files = files
        self.read: list[str] = []

    async def get(self, tenant: str, attachment: str) -> tuple[Attachment, bytes]:
        assert tenant == TENANT
        self.read.append(attachment)
        if attachment not in self.files:
            raise NotFound("no such file")
        kind, data = self.files[attachment]
        return Attachment(id=attachment, name="x", type=kind, size=len(data)), data


def photo(id: str, kind: str = "image/png", size: int = 20, missing: str = "") -> Attachment:
    return Attachment(id=id, name=f"{id}.png", type=kind, size=size, missing=missing)


STORE = Store(pot=("image/png", PNG), leaf=("image/jpeg", JPEG))


def seeing(asking: Asking, store: Store, provider: Provider = "openai", **more: object) -> LadderClient:
    return asking(provider=provider, image_types=TYPES, dependencies=ModelDependencies(read_file=store.get), **more)


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google"])
async def test_a_model_that_can_see_gets_the_pictures(asking: Asking, provider: Provider) -> None:
    """Byte for byte, in order, named in the data, after the data; the answer still needs its source."""
    asker = seeing(asking, STORE, provider)
    draft = await asker.ask(ASKED, files=[photo("pot"), photo("leaf", "image/jpeg")])
    (call,) = asker.server.calls
    assert images_of(call.body) == [("image/png", PNG), ("image/jpeg", JPEG)]
    assert data_of(call.body)["files"] == ["pot.png (image/png, picture 1)", "leaf.png (image/jpeg, picture 2)"]
    assert "pictures follow the data" in call.system
    assert (draft.model, "heat pack" in draft.text) == ("remote", True)


async def test_a_repair_still_shows_the_pictures(asking: Asking) -> None:
    """It continues from the same beginning."""
    asker = seeing(asking, STORE)
    asker.server.next_scripts = [Script(text="The pot on your picture is blue [1].")]
    draft = await asker.ask(ASKED, files=[photo("pot")])
    assert [images_of(call.body) for call in asker.server.calls] == [[("image/png", PNG)]] * 2
    assert draft.model == "remote"


async def test_a_model_that_cannot_see_learns_the_name_only(asking: Asking) -> None:
    """Nothing is read from the store for it."""
    store = Store(pot=("image/png", PNG))
    asker = asking(dependencies=ModelDependencies(read_file=store.get))
    await asker.ask(ASKED, files=[photo("pot")])
    (call,) = asker.server.calls
    assert (images_of(call.body), store.read) == ([], [])
    assert data_of(call.body)["files"] == ["pot.png (image/png, not readable)"]
    assert "picture" not in call.system


async def test_a_fallback_that_cannot_see_gets_no_picture(asking: Asking) -> None:
    """What was made for the first model is not passed on."""
    origin = asking()
    second = RemoteModel("second", source_of(origin.server, "google"), SETTINGS, ModelLimits())
    asker = seeing(asking, STORE, standing=FallbackRule(fallback=("second",)), more={"second": second})
    asker.server.next_scripts = [Script(status=503)]
    draft = await asker.ask(ASKED, files=[photo("pot")])
    assert [len(images_of(call.body)) for call in asker.server.calls] == [1, 0]
    assert draft.model == "second"


UNSENT = {
    "another type": photo("page", "application/pdf"),
    "a type the model does not take": photo("moving", "image/gif"),
    "too large": photo("poster", size=MAX_IMAGE_BYTES + 1),
    "never fetched": photo("gone", missing="timeout"),
    "not stored": photo("deleted"),
    "stored as another type": photo("disguised"),
    "larger than it was said to be": photo("grown"),
}


@pytest.mark.parametrize("case", UNSENT)
async def test_what_is_no_picture_for_it_is_not_sent(asking: Asking, case: str) -> None:
    """The question is answered all the same, with the pictures that are left."""
    store = Store(
        pot=("image/png", PNG), disguised=("text/plain", b"<svg>"), grown=("image/png", b"0" * (MAX_IMAGE_BYTES + 1))
    )
    asker = seeing(asking, store)
    draft = await asker.ask(ASKED, files=[UNSENT[case], photo("pot")])
    (call,) = asker.server.calls
    assert images_of(call.body) == [("image/png", PNG)]
    assert "not readable" in data_of(call.body)["files"][0]
    assert draft.model == "remote"


async def test_only_a_few_pictures_are_sent(asking: Asking) -> None:
    """The newest; fewer where the context is small."""
    store = Store(**{f"p{n}": ("image/png", PNG + bytes([n])) for n in range(9)})
    files = [photo(f"p{n}") for n in range(9)]
    asker = seeing(asking, store, context=32_000)
    await asker.ask(ASKED, files=files)
    assert [data[-1] for _, data in images_of(asker.server.calls[0].body)] == list(range(9 - MAX_IMAGES, 9))
    small = seeing(asking, store, context=4_000)
    await small.ask(ASKED, files=files)
    assert len(images_of(small.server.calls[1].body)) == 1


async def test_the_pictures_before_the_question_belong_to_it(asking: Asking) -> None:
    """Of the messages that were answered last, and only if this one brings none."""
    asker = seeing(asking, STORE)
    old, first = line("Hello", "contact"), line("", "contact")
    old, first = replace_files(old, photo("leaf", "image/jpeg")), replace_files(first, photo("pot"))
    said = [old, line("Welcome!", "agent"), first, line("What would you like to know?", "agent")]
    await asker.ask(ASKED, history=said)
    await asker.ask(ASKED, history=said, files=[photo("leaf", "image/jpeg")])
    assert [images_of(call.body) for call in asker.server.calls] == [[("image/png", PNG)], [("image/jpeg", JPEG)]]


def replace_files(said: TranscriptMessage, *files: Attachment) -> TranscriptMessage:
    return said.model_copy(update={"attachments": list(files)})


async def test_a_picture_without_words_is_asked_about(asking: Asking) -> None:
    """No model is asked: there is nothing to look up."""
    asker = seeing(asking, STORE)
    draft = await asker.ask("", [], files=[photo("pot")], non_text="file")
    assert (draft.text, asker.server.calls) == (SETTINGS.of(TENANT).voice.file, [])
