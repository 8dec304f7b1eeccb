"""Decoding of voice notes. Runs in the isolated process, because libraries for sound are complex and the bytes are a
stranger's."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator

import av
import av.error
from av.audio.resampler import AudioResampler
from av.container import InputContainer

RATE = 16_000
"""Samples a second, as speech models take them."""
SAMPLE_BYTES = 2
_FORMATS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"OggS", "ogg"),
    (0, b"\x1aE\xdf\xa3", "matroska"),
    (4, b"ftyp", "mov"),
    (0, b"RIFF", "wav"),
    (0, b"fLaC", "flac"),
    (0, b"#!AMR", "amr"),
    (0, b"ID3", "mp3"),
    (0, b"\xff\xf1", "aac"),
    (0, b"\xff\xf9", "aac"),
    (0, b"\xff\xfb", "mp3"),
    (0, b"\xff\xfa", "mp3"),
    (0, b"\xff\xf3", "mp3"),
    (0, b"\xff\xf2", "mp3"),
)
"""The containers that are opened, by how they begin. The library is not left to guess: it also knows formats that name
other files and addresses."""


class NotAudio(Exception):
    """The bytes are no sound in a known format, or are damaged."""


class TooLong(Exception):
    """There is more sound than is wanted."""


def decode(data: bytes, max_seconds: float) -> bytes:
    """The sound as a WAV file: 16 kHz, one channel, 16 bits, without any of the file's other contents. Raises NotAudio,
    TooLong."""
    name = next((name for offset, magic, name in _FORMATS if data.startswith(magic, offset)), "")
    if not name:
        raise NotAudio
    samples = bytearray()
    try:
        with av.open(io.BytesIO(data), mode="r", format=name, metadata_errors="ignore") as container:
            for piece in _resample(container):
                samples += piece
                if len(samples) > max_seconds * RATE * SAMPLE_BYTES:
                    raise TooLong
    except (av.error.FFmpegError, ValueError, IndexError) as error:
        # A recording that ends in mid-frame is kept up to there.
        if not samples:
            raise NotAudio from error
    if not samples:
        raise NotAudio
    return _wrap(bytes(samples))


def _resample(container: InputContainer) -> Iterator[bytes]:
    if not container.streams.audio:
        raise NotAudio
    resampler = AudioResampler(format="s16", layout="mono", rate=RATE)
    for frame in container.decode(container.streams.audio[0]):
        for resampled in resampler.resample(frame):
            yield resampled.to_ndarray().tobytes()
    for rest in resampler.resample(None):
        yield rest.to_ndarray().tobytes()


def _wrap(samples: bytes) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(SAMPLE_BYTES)
        file.setframerate(RATE)
        file.writeframes(samples)
    return out.getvalue()
