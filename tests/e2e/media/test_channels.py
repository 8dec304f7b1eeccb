"""Voice notes and pictures on every channel, from the vendor to the transcriber and the model, and to people."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import ExifTags, Image

from agent_worker.media.audio import decode
from tests.e2e.media.conftest import HEAT, RECORDINGS
from tests.scenarios.customers.customer import Customers
from tests.scenarios.scenario_installation import KINDS, ScenarioInstallation
from tests.simulators.models.request_reading import images_of
from tests.simulators.models.server import ModelServer
from tests.simulators.models.transcription_server import TranscriptionServer
from tests.simulators.vendor import File, ShownMessage

PLACE_OF_EXIF = 0x8825
NAMES = [kind.name() for kind in KINDS]


def customers_of(stage: ScenarioInstallation, name: str) -> Customers:
    return next(each for each in stage.customers if each.name() == name)


async def answers(customers: Customers, person: str, count: int) -> list[ShownMessage]:
    await customers.vendor.ledger.until(lambda: len(customers.screen(person)) >= count, deadline=60)
    return customers.screen(person)


async def asked(stage: ScenarioInstallation, customers: Customers, person: str) -> dict[str, Any]:
    """The contact's line of the transcript."""
    found = await stage.conversation(customers, person)
    return next(line for line in found["transcript"] if line["author"]["kind"] == "contact")


async def fetch(stage: ScenarioInstallation, attachment: dict[str, Any]) -> bytes:
    """A file by its signed address, which may be relative."""
    base = stage.installation.base
    return await stage.fetch(base + attachment["url"].removeprefix(base))


def photo() -> bytes:
    """Larger than models need, taken sideways, at a place."""
    out, picture = io.BytesIO(), Image.new("RGB", (3000, 2000), "green")
    exif = picture.getexif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "ACME phone"
    exif.get_ifd(PLACE_OF_EXIF)[ExifTags.GPS.GPSLatitude] = (52.0, 31.0, 12.0)
    picture.save(out, "JPEG", exif=exif)
    return out.getvalue()


@pytest.mark.parametrize("name", NAMES)
async def test_a_voice_note_is_answered_and_people_read_and_hear_it(
    stage: ScenarioInstallation, transcriber: TranscriptionServer, name: str
) -> None:
    customers, before = customers_of(stage, name), len(transcriber.calls)
    voice = (RECORDINGS / "heat-pack.ogg").read_bytes()
    note = File("voice.ogg", "audio/ogg", voice)
    if customers.channel == "instagram":  # takes no Ogg
        note = File("voice.wav", "audio/wav", decode(voice, 60))
    await customers.vendor.say("vera", "", files=[note])
    (answer,) = await answers(customers, "vera", 1)
    assert "heat pack" in answer.text
    line = await asked(stage, customers, "vera")
    (attachment,) = line["attachments"]
    assert (line["text"], attachment["speech"]["text"]) == (HEAT, HEAT)
    assert await fetch(stage, attachment) == note.data
    (call,) = transcriber.calls[before:]
    assert (call.model, 2 < call.seconds < 5) == ("whisper-1", True)


@pytest.mark.parametrize("name", NAMES)
async def test_a_picture_reaches_the_model_small_upright_and_without_its_place(
    stage: ScenarioInstallation, model: ModelServer, name: str
) -> None:
    customers, before, data = customers_of(stage, name), len(model.calls), photo()
    await customers.vendor.say("paul", "", files=[File("plant.jpg", "image/jpeg", data)])
    await answers(customers, "paul", 1)
    await customers.vendor.say("paul", HEAT)
    (_, answer) = await answers(customers, "paul", 2)
    assert "heat pack" in answer.text
    ((type_, sent),) = images_of(model.calls[before].body)
    picture = Image.open(io.BytesIO(sent))
    assert (type_, picture.size) == ("image/jpeg", (1045, 1568))
    assert not picture.getexif()
    assert b"ACME" not in sent
    (attachment,) = (await asked(stage, customers, "paul"))["attachments"]
    assert await fetch(stage, attachment) == data, "people see it as it was sent"
