"""A simulated YouTube by hand: ``python -m tests.platforms.youtube``. Prints a source for ``parley.yaml``.

``POST /editor?replace=TEXT&with=TEXT`` edits its captions, and ``POST /editor?delete=ID`` deletes a video."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime

from aiohttp import web

from gateway.http.app import run_server
from tests.platforms.youtube.library import HANDLE, SimulatedVideo, Track
from tests.platforms.youtube.server import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, SimulatedYouTube

SOURCE = """\
tenants:
  shop:
    knowledge:
      sources:
        - location: youtube://channel/{handle}
          options:
            client_id: "{id}"
            client_secret: "{secret}"
            refresh_token: "{token}"
            api_url: {address}/youtube/v3
            token_url: {address}/token
      private_hosts: ["{host}"]
"""


def add_videos(youtube: SimulatedYouTube) -> None:
    """Videos of a shop for carnivorous plants."""
    light = [
        (0.0, 4.0, "Welcome to the greenhouse."),
        (31.0, 36.0, "A sundew needs six hours of direct sun a day."),
        (36.0, 41.0, "Behind glass, a south window is bright enough."),
        (95.0, 99.0, "Never use tap water, only rainwater."),
        (99.0, 104.0, "Keep two centimetres of it in the saucer."),
    ]
    repotting = [
        (2.0, 7.0, "Repot a flytrap in February, before it grows."),
        (7.0, 13.0, "Mix one part of peat with one part of quartz sand."),
        (13.0, 18.0, "Cut off the black leaves at the base."),
    ]
    chapters = "0:00 Welcome\n0:30 How much light does a sundew need?\n1:30 How do I water it?"
    youtube.add(
        SimulatedVideo("sundew-care", "Caring for sundews", chapters, tracks=[Track("track-sundew", light)]),
        SimulatedVideo("flytrap-pot", "Repotting a flytrap", tracks=[Track("track-flytrap", repotting)]),
    )


def source_of(youtube: SimulatedYouTube) -> str:
    """The configuration of a source that reads the simulator."""
    return SOURCE.format(
        handle=HANDLE,
        id=CLIENT_ID,
        secret=CLIENT_SECRET,
        token=REFRESH_TOKEN,
        address=youtube.address,
        host=youtube.address.removeprefix("http://"),
    )


def edit(youtube: SimulatedYouTube, old: str, new: str) -> int:
    """Replace a text in all captions; in how many tracks it stood."""
    tracks = [track for video in youtube.videos.values() for track in video.tracks if old in track.as_vtt()]
    for track in tracks:
        track.cues = [(start, end, text.replace(old, new)) for start, end, text in track.cues]
        track.updated = datetime.now(UTC).isoformat()
    return len(tracks)


def delete(youtube: SimulatedYouTube, video: str) -> int:
    if video not in youtube.videos:
        return 0
    youtube.delete(video)
    return 1


def make_editor(youtube: SimulatedYouTube) -> web.RouteDef:
    async def handle(request: web.Request) -> web.Response:
        query = request.query
        done = delete(youtube, query["delete"]) if "delete" in query else edit(youtube, query["replace"], query["with"])
        return web.Response(text="done\n" if done else "nothing found\n", status=200 if done else 404)

    return web.post("/editor", handle)


async def _run(port: int) -> None:
    youtube = SimulatedYouTube()
    add_videos(youtube)
    app = youtube.app()
    app.router.add_routes([make_editor(youtube)])
    async with run_server(app, "127.0.0.1", port) as chosen:
        youtube.address = f"http://127.0.0.1:{chosen}"
        print(source_of(youtube), flush=True)
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.platforms.youtube", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    with asyncio.Runner() as runner:
        runner.run(_run(parser.parse_args().port))


if __name__ == "__main__":
    main()
