"""Channels, playlists, videos and caption tracks of a simulated YouTube, and texts for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

CHANNEL = "UC" + "plants".ljust(22, "0")
HANDLE = "@nepenthes"
OTHER_CHANNEL = "UC" + "strangers".ljust(22, "0")


def video_id(number: int) -> str:
    return f"vid{number:05d}_-x"


def uploads_of(channel: str) -> str:
    """The id of the playlist of all uploads."""
    return "UU" + channel[2:]


@dataclass
class Track:
    """``cues`` are start and end in seconds, and the text."""

    id: str
    cues: Sequence[tuple[float, float, str]]
    language: str = "en"
    kind: str = "standard"
    updated: str = "2026-01-01T00:00:00.000Z"
    is_draft: bool = False
    status: str = "serving"

    def as_vtt(self) -> str:
        blocks = [f"{_stamp(start)} --> {_stamp(end)}\n{text}\n" for start, end, text in self.cues]
        return "\n".join(["WEBVTT\nKind: captions\nLanguage: " + self.language + "\n", *blocks])


@dataclass
class SimulatedVideo:
    id: str
    title: str
    description: str = ""
    channel: str = CHANNEL
    privacy: str = "public"
    broadcast: str = "none"
    audio_language: str = "en"
    published: str = "2026-01-01T00:00:00Z"
    tracks: list[Track] = field(default_factory=list)


@dataclass
class Playlist:
    """``items`` are ids of videos; those of deleted videos stay in playlists that people make."""

    id: str
    items: list[str] = field(default_factory=list)
    is_private: bool = False
    owner: str = CHANNEL


def fact(number: int, edition: int = 0) -> str:
    """A sentence that only this video says, in words that no other has."""
    return f"Specimen {name_of(number)} drinks {number + 2} glasses of rainwater{' again' * edition} every fortnight."


def name_of(number: int) -> str:
    """An invented plant name."""
    syllables = ("ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu")
    return "zor" + "".join(syllables[int(digit)] for digit in f"{number:04d}") + "ia"


def make_track(number: int, edition: int = 0) -> Track:
    cues = [
        (1.0, 4.0, "Welcome to the greenhouse."),
        (4.0, 9.0, fact(number, edition)),
        (70.0, 75.0, f"Now we repot {name_of(number)}."),
        (75.0, 80.0, "Use peat and sand in equal parts."),
    ]
    return Track(f"track-{number}", cues, updated=f"2026-01-{1 + edition:02d}T00:00:00.000Z")


CHAPTERS = "All about one plant.\n\n0:00 Intro\n1:00 How do I repot it?\n2:30 Bye\n"


def make_video(number: int) -> SimulatedVideo:
    return SimulatedVideo(video_id(number), f"Care of {name_of(number)}", CHAPTERS, tracks=[make_track(number)])


def _stamp(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}.{round((seconds - whole) * 1000):03}"
