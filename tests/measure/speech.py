"""The word error rate of the speech model that `make speech-model` fetches, on the recordings of `tests/speech`.

python -m tests.measure.speech
"""

from __future__ import annotations

import asyncio
import csv
import re
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agent_worker.media.decoder import MediaDecoder
from agent_worker.transcription.whisper import open_whisper
from infra.deploy.speech_model import fetch
from schemas.ports import TranscriberOptions

RECORDINGS = Path(__file__).resolve().parents[1] / "speech"
_DIGITS = dict(
    zip("0123456789", ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"], strict=True)
)


@dataclass(frozen=True)
class SpeechSample:
    """A recording, and the words that were read aloud."""

    file: str
    language: str
    speaker: str
    text: str

    @property
    def group(self) -> str:
        voice = "read by people" if self.speaker.startswith("LibriVox") else "synthesised"
        return f"{self.language}, {voice}"


def read_recordings() -> list[SpeechSample]:
    with (RECORDINGS / "sentences.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [SpeechSample(*row) for row in rows[1:]]


def split_words(text: str) -> list[str]:
    """Words in lower case without punctuation; each digit of a number is a word, as in English it may be read."""
    spelled = "".join(f" {_DIGITS[letter]} " if letter in _DIGITS else letter for letter in text.lower())
    return re.findall(r"[^\W_]+", re.sub(r"['’]", "", spelled))


def count_errors(said: Sequence[str], understood: Sequence[str]) -> int:
    """The smallest number of words to replace, insert or remove."""
    row = list(range(len(understood) + 1))
    for n, word in enumerate(said, 1):
        above, row = row, [n]
        for m, other in enumerate(understood, 1):
            row.append(min(above[m] + 1, row[m - 1] + 1, above[m - 1] + (word != other)))
    return row[-1]


async def measure() -> None:
    media, model = MediaDecoder(), open_whisper(TranscriberOptions(model=str(fetch())))
    errors: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    try:
        for recording in read_recordings():
            sound = await media.decode_audio((RECORDINGS / recording.file).read_bytes(), 60)
            speech = await model.transcribe(sound, "")
            said = split_words(recording.text)
            wrong = count_errors(said, split_words(speech.text))
            for group in (recording.group, "all"):
                errors[group] = [each + more for each, more in zip(errors[group], (1, len(said), wrong), strict=True)]
            print(f"{recording.file}: {wrong} of {len(said)} wrong, {speech.language}: {speech.text or speech.problem}")
    finally:
        await model.close()
        await media.close()
    print("\n| recordings | number | words | word error rate |\n|---|---|---|---|")
    for group, (number, words, wrong) in errors.items():
        print(f"| {group} | {number} | {words} | {100 * wrong / words:.1f} % |")


if __name__ == "__main__":
    sys.exit(asyncio.run(measure()))
