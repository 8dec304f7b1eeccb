"""The isolated process that decodes voice notes and pictures: ``python -m agent_worker.media.media_process``."""

from __future__ import annotations

from typing import Any

from agent_worker.isolated_process import Answer, serve


def main() -> None:
    serve(handle)


def handle(request: dict[str, Any], data: bytes) -> Answer:
    """Handle one request: ``{"kind": "audio", "max_seconds": …}`` or ``{"kind": "image"}``. The answer's ``error`` is
    the name of the exception."""
    return _decode_audio(data, request["max_seconds"]) if request["kind"] == "audio" else _prepare_image(data)


# Each library is imported when it is needed: either may be missing, and each takes a tenth of a second.


def _decode_audio(data: bytes, max_seconds: float) -> Answer:
    from agent_worker.media.audio import NotAudio, TooLong, decode

    try:
        return {}, decode(data, max_seconds)
    except (NotAudio, TooLong) as error:
        return {"error": type(error).__name__}, b""


def _prepare_image(data: bytes) -> Answer:
    from agent_worker.media.images import ImageTooLarge, NotImage, prepare

    try:
        kind, prepared = prepare(data)
    except (NotImage, ImageTooLarge) as error:
        return {"error": type(error).__name__}, b""
    return {"type": kind}, prepared


if __name__ == "__main__":
    main()
