"""Voice notes are decoded in a process of their own, whatever a stranger sends."""

from __future__ import annotations

import io
import struct
import wave
from collections.abc import AsyncIterator, Callable

import pytest

from agent_worker.media.audio import RATE
from agent_worker.media.decoder import TOO_LONG, MediaDecoder
from schemas.errors import Unprocessable
from tests.speech.encoding import CODECS, encode, read


@pytest.fixture(scope="module")
async def media() -> AsyncIterator[MediaDecoder]:
    media = MediaDecoder()
    yield media
    await media.close()


def seconds_of(sound: bytes) -> float:
    with wave.open(io.BytesIO(sound)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
        return float(file.getnframes() / RATE)


NOTE = read("heat-pack")
LENGTH = 2.95
"""Seconds of the note."""


@pytest.mark.parametrize("container", CODECS)
async def test_every_container_of_vendors_and_browsers_becomes_the_same_sound(
    media: MediaDecoder, container: str
) -> None:
    sound = await media.decode_audio(encode("heat-pack", container), 60)
    assert seconds_of(sound) == pytest.approx(LENGTH, abs=0.2)


async def test_a_recording_that_breaks_off_is_kept_up_to_there(media: MediaDecoder) -> None:
    assert 0.5 < seconds_of(await media.decode_audio(NOTE[: len(NOTE) // 2], 60)) < LENGTH


def silence(seconds: int) -> bytes:
    """Much sound in few bytes."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(100)
        file.writeframes(bytes(100 * seconds))
    return out.getvalue()


def lying_wave(size: int) -> bytes:
    """A WAV file whose header claims more than there is."""
    data = bytearray(silence(1))
    data[40:44] = struct.pack("<I", size)
    return bytes(data)


@pytest.mark.parametrize(
    "make",
    [lambda: NOTE, lambda: silence(36_000), lambda: encode("heat-pack", "ogg", times=20)],
    ids=["a note", "hours of silence", "a long recording"],
)
async def test_sound_is_decoded_only_up_to_the_limit(media: MediaDecoder, make: Callable[[], bytes]) -> None:
    with pytest.raises(Unprocessable) as raised:
        await media.decode_audio(make(), 2)
    assert raised.value.message == TOO_LONG


PLAYLIST = b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
CONCAT = b"ffconcat version 1.0\nfile /etc/passwd\n"
HOSTILE = {
    "nothing": b"",
    "a text": b"hello",
    "a playlist that names a file": PLAYLIST,
    "a list of files": CONCAT,
    "a film without sound": b"\x00\x00\x00\x18ftypmp42" + bytes(200),
    "the first bytes only": NOTE[:20],
    "zeros behind a name": b"OggS" + bytes(10_000),
    "noise behind a name": b"OggS" + bytes(range(256)) * 40,
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "a playlist in a container's name": b"RIFF" + PLAYLIST,
    "a page behind a container's name": b"ID3<script>alert(1)</script>" + bytes(2_000),
    "a container of four gigabytes": b"RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\xff",
    "boxes within boxes": b"\x00\x00\x00\x18ftypM4A " + b"\x00\x00\x7f\xffmoov" * 3_000,
}


@pytest.mark.parametrize("case", HOSTILE)
async def test_what_is_no_sound_is_refused_and_the_next_note_is_read(media: MediaDecoder, case: str) -> None:
    with pytest.raises(Unprocessable):
        await media.decode_audio(HOSTILE[case], 60)
    assert seconds_of(await media.decode_audio(NOTE, 60)) == pytest.approx(LENGTH, abs=0.2)


async def test_a_header_that_lies_about_its_length_yields_what_is_there(media: MediaDecoder) -> None:
    assert seconds_of(await media.decode_audio(lying_wave(2**31), 60)) == pytest.approx(1, abs=0.1)


async def test_a_decoder_that_takes_too_long_is_ended() -> None:
    """The limit is of the parent, so that no file can evade it."""
    media = MediaDecoder(seconds=0.0)
    with pytest.raises(Unprocessable):
        await media.decode_audio(NOTE, 60)
    await media.close()
