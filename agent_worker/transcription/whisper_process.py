"""The process that holds a Whisper model: ``python -m agent_worker.transcription.whisper_process FOLDER THREADS``."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from typing import Any

from faster_whisper import WhisperModel
from faster_whisper.transcribe import Segment

from agent_worker.isolated_process import serve
from schemas.messages import Speech

MIN_CONFIDENCE = -1.0
"""Mean log probability of the tokens below which a text is a guess. It is Whisper's own limit for a single piece."""


def main() -> None:
    folder, threads = sys.argv[1:]
    model = WhisperModel(
        folder, device="cpu", compute_type="int8", cpu_threads=int(threads), num_workers=1, local_files_only=True
    )
    # The sound was decoded in another process, so no limit of memory is needed: the model takes what it takes.
    serve(lambda request, audio: (transcribe(model, audio, request).model_dump(), b""), limited=False)


def transcribe(model: WhisperModel, audio: bytes, request: dict[str, Any]) -> Speech:
    """Transcribe a WAV file. Silence and noise are cut out first, because Whisper invents words for them."""
    segments, info = model.transcribe(
        io.BytesIO(audio),
        language=request["language"] or None,
        vad_filter=True,
        # A piece that was misunderstood must not mislead the next one.
        condition_on_previous_text=False,
    )
    found = list(segments)
    text = " ".join(segment.text.strip() for segment in found).strip()
    if not text or _confidence(found) < MIN_CONFIDENCE:
        return Speech(problem="unclear")
    return Speech(text=text, language=info.language)


def _confidence(segments: Sequence[Segment]) -> float:
    seconds = sum(segment.end - segment.start for segment in segments)
    return sum(each.avg_logprob * (each.end - each.start) for each in segments) / seconds if seconds else MIN_CONFIDENCE


if __name__ == "__main__":
    main()
