"""The recordings of this folder in the containers that browsers and vendors use."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import av

from agent_worker.media.audio import RATE, decode

RECORDINGS = Path(__file__).resolve().parent
CODECS = {"ogg": "libopus", "webm": "libopus", "mp4": "aac", "mp3": "libmp3lame", "flac": "flac", "wav": "pcm_s16le"}
"""Container → codec."""


def read(name: str) -> bytes:
    return (RECORDINGS / f"{name}.ogg").read_bytes()


def encode(name: str, container: str, *, times: int = 1) -> bytes:
    """A recording, ``times`` in a row, in this container."""
    with wave.open(io.BytesIO(decode(read(name), 60))) as sound:
        samples = sound.readframes(sound.getnframes()) * times
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream = file.add_stream(CODECS[container], rate=48_000 if CODECS[container] == "libopus" else RATE)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        step = 2 * RATE // 10
        for start in range(0, len(samples), step):
            piece = samples[start : start + step]
            frame = av.AudioFrame(format="s16", layout="mono", samples=len(piece) // 2)
            frame.planes[0].update(piece.ljust(frame.planes[0].buffer_size, b"\0"))
            frame.sample_rate = RATE
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return out.getvalue()
