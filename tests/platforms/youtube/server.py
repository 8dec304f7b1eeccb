"""A simulated YouTube: the Data API v3, Google's token endpoint, and the pages that transcripts are read from.

Enforced rules, each as documented:

- Every list needs an API key or an access token; captions need a token with the scope ``youtube.force-ssl``
  (https://developers.google.com/youtube/v3/docs/captions/list, …/captions/download).
- ``maxResults`` is at most 50, and pages follow by ``nextPageToken``
  (https://developers.google.com/youtube/v3/docs/playlistItems/list); ``videos.list`` takes at most 50 ids
  (https://developers.google.com/youtube/v3/docs/videos/list).
- Each call costs units, an invalid one too: 1 for a list, 50 for ``captions.list``, 200 for ``captions.download``.
  After 10,000 a day all calls are refused with 403 ``quotaExceeded`` until midnight in California
  (https://developers.google.com/youtube/v3/determine_quota_cost).
- Captions are sent to the owner of the video only; to others 403 ``forbidden``
  (https://developers.google.com/youtube/v3/docs/captions/download#errors).
- Deleted and private videos stay in playlists, but ``videos.list`` leaves them out; the playlist of uploads does not
  list them. A private playlist is 403 ``playlistItemsNotAccessible`` for others, a missing one 404 ``playlistNotFound``
  (https://developers.google.com/youtube/v3/docs/playlistItems/list#errors).
- 429 and 503 may carry ``Retry-After`` (RFC 9110); an earlier request counts as a violation here.
- A refused refresh token is 400 ``invalid_grant``
  (https://developers.google.com/identity/protocols/oauth2/web-server#offline); access tokens last an hour.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from gateway.http.app import run_server
from tests.platforms.random_faults import RandomFaults
from tests.platforms.youtube.library import (
    CHANNEL,
    HANDLE,
    OTHER_CHANNEL,
    Playlist,
    SimulatedVideo,
    Track,
    uploads_of,
)

API_KEY = "AIza-secret-key-of-the-shop"
CLIENT_ID = "client-of-the-shop.apps.example"
CLIENT_SECRET = "GOCSPX-secret-of-the-client"
REFRESH_TOKEN = "1//secret-refresh-token"
SECRETS = (API_KEY, CLIENT_SECRET, REFRESH_TOKEN, "ya29.")
COSTS = {"captions": 50, "download": 200}
TOKEN_S = 3600
_FORCE_SSL = "https://www.googleapis.com/auth/youtube.force-ssl"


class SimulatedYouTube:
    """``now`` is the time at YouTube in seconds, which ``sleep`` moves: a test waits for nothing."""

    def __init__(self) -> None:
        self.videos: dict[str, SimulatedVideo] = {}
        self.playlists: dict[str, Playlist] = {
            each: Playlist(each) for each in map(uploads_of, (CHANNEL, OTHER_CHANNEL))
        }
        self.handles = {HANDLE: CHANNEL}
        self.faults = RandomFaults()
        self.quota = 10_000
        self.spent = 0
        self.now = 0.0
        self.requests: list[str] = []
        self.violations: list[str] = []
        self.trap = ""
        """Address that a redirect leads to."""
        self.is_token_revoked = False
        self.is_scope_missing = False
        self.is_blocking_transcripts = False
        self.slept: list[float] = []
        self.before_page: Callable[[int], None] = lambda _offset: None
        """Called before a page of a playlist is made."""
        self.on_request: Callable[[str], None] = lambda _name: None
        """Called with the name of each request before it is answered."""
        self.address = ""
        self._tokens: dict[str, float] = {}
        self._closed_until = 0.0

    # ── what a test does ─────────────────────────────────────────────────────────────────────────────────────────────

    def add(self, *videos: SimulatedVideo) -> None:
        for video in videos:
            self.videos[video.id] = video
            self.playlists[uploads_of(video.channel)].items.insert(0, video.id)

    def delete(self, video: str) -> None:
        removed = self.videos.pop(video)
        self.playlists[uploads_of(removed.channel)].items.remove(video)

    def hide(self, video: str) -> None:
        """Make a video private."""
        self.videos[video].privacy = "private"

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def next_day(self) -> None:
        self.spent = 0
        self.requests.clear()

    def counts(self) -> Counter[str]:
        return Counter(self.requests)

    def options(self, *, oauth: bool = True, **more: Any) -> dict[str, Any]:
        """The options of a source that reads this simulator."""
        credentials = {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "refresh_token": REFRESH_TOKEN,
        }
        host = self.address.removeprefix("http://")
        return {
            **(credentials if oauth else {"api_key": API_KEY}),
            "api_url": f"{self.address}/youtube/v3",
            "token_url": f"{self.address}/token",
            "private_hosts": [host],
            "daily_units": 10**9,
            **more,
        }

    # ── HTTP ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/token", self._token)
        for resource, handler in (
            ("channels", self._list_channels),
            ("playlistItems", self._list_items),
            ("videos", self._list_videos),
            ("captions", self._list_captions),
            ("captions/{track}", self._download),
        ):
            app.router.add_get(f"/youtube/v3/{resource}", self._guarded(handler))
        app.router.add_get("/watch", self._watch)
        app.router.add_post("/youtubei/v1/player", self._player)
        app.router.add_get("/api/timedtext", self._timed_text)
        return app

    def _guarded(self, handler: Callable[[web.Request], web.Response]) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.StreamResponse:
            name = "download" if "track" in request.match_info else request.path.rpartition("/")[2]
            self.requests.append(name)
            self.on_request(name)
            if self.now < self._closed_until:
                self.violations.append(f"{name} {self._closed_until - self.now:.1f} s before Retry-After")
            if fault := self.faults.draw():
                return self._fail(request, fault)
            self.spent += COSTS.get(name, 1)
            if self.spent > self.quota:
                return _error(403, "quotaExceeded", "youtube.quota")
            if refusal := self._check_access(request, name):
                return refusal
            return handler(request)

        return handle

    def _fail(self, request: web.Request, fault: str) -> web.StreamResponse:
        if fault == "drop":
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=499)
        if fault == "redirect":
            return web.Response(status=302, headers={"Location": self.trap})
        if fault == "endless":
            return web.Response(body=b"x" * (21 * 1024 * 1024))
        if fault == "garbage":
            return web.Response(text='{"items": [', content_type="application/json")
        if not fault.isdigit():
            reason = "rateLimitExceeded" if fault == "rate" else fault
            return _error(403, reason, "usageLimits")
        response = _error(int(fault), "rateLimitExceeded" if fault == "429" else "backendError")
        if fault in ("429", "503"):
            self._closed_until = self.now + self.faults.retry_after
            response.headers["Retry-After"] = str(self.faults.retry_after)
        return response

    def _check_access(self, request: web.Request, name: str) -> web.Response | None:
        if self._is_owner(request):
            missing = name in ("captions", "download") and self.is_scope_missing
            return _error(403, "insufficientPermissions") if missing else None
        if "Authorization" in request.headers:
            return _error(401, "authError")
        if request.headers.get("X-Goog-Api-Key") != API_KEY:
            details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]
            return _error(400, "badRequest", details=details)
        if name in ("captions", "download"):
            return _error(401, "required")
        return None

    def _is_owner(self, request: web.Request) -> bool:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return not self.is_token_revoked and self._tokens.get(token, 0.0) > self.now

    async def _token(self, request: web.Request) -> web.Response:
        self.requests.append("token")
        self.on_request("token")
        form = await request.post()
        if fault := self.faults.draw():
            response = self._fail(request, fault)
            assert isinstance(response, web.Response)
            return response
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return web.json_response({"error": "invalid_client", "error_description": "Unauthorized"}, status=401)
        if self.is_token_revoked or form.get("refresh_token") != REFRESH_TOKEN:
            description = "Token has been expired or revoked."
            return web.json_response({"error": "invalid_grant", "error_description": description}, status=400)
        token = f"ya29.{len(self._tokens)}"
        self._tokens[token] = self.now + TOKEN_S
        answer = {"access_token": token, "expires_in": TOKEN_S, "scope": _FORCE_SSL, "token_type": "Bearer"}
        return web.json_response(answer)

    # ── Data API ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _list_channels(self, request: web.Request) -> web.Response:
        query = request.query
        if "mine" in query:
            found = [CHANNEL] if self._is_owner(request) else []
        else:
            wanted = query.get("id") or self.handles.get(query.get("forHandle", ""), "")
            found = [wanted] if uploads_of(wanted) in self.playlists else []
        if not found:
            return web.json_response({"kind": "youtube#channelListResponse", "pageInfo": {"totalResults": 0}})
        details = {"relatedPlaylists": {"likes": "", "uploads": uploads_of(found[0])}}
        return _listing([{"kind": "youtube#channel", "id": found[0], "contentDetails": details}], 1)

    def _list_items(self, request: web.Request) -> web.Response:
        playlist = self.playlists.get(request.query.get("playlistId", ""))
        if playlist is None:
            return _error(404, "playlistNotFound", "youtube.playlistItem")
        if playlist.is_private and not self._is_owner(request):
            return _error(403, "playlistItemsNotAccessible", "youtube.playlistItem")
        size, token = int(request.query.get("maxResults", "5")), request.query.get("pageToken", "")
        if not 0 <= size <= 50:
            return _error(400, "invalidValue")
        if token and not token.startswith("page-"):
            return _error(400, "invalidPageToken")
        start = int(token.removeprefix("page-") or 0)
        self.before_page(start)
        ids = self._shown_items(request, playlist)
        items = [{"kind": "youtube#playlistItem", "id": f"item-{id}", "contentDetails": {"videoId": id}} for id in ids]
        following = f"page-{start + size}" if start + size < len(ids) else ""
        return _listing(items[start : start + size], len(ids), following)

    def _shown_items(self, request: web.Request, playlist: Playlist) -> list[str]:
        if not playlist.id.startswith("UU") or self._is_owner(request):
            return playlist.items
        return [id for id in playlist.items if self.videos[id].privacy == "public"]

    def _list_videos(self, request: web.Request) -> web.Response:
        ids = request.query.get("id", "").split(",")
        if len(ids) > 50:
            return _error(400, "invalidFilters")
        shown = [video for id in ids if (video := self.videos.get(id)) and self._may_see(request, video)]
        return _listing([_as_resource(video) for video in shown], len(shown))

    def _may_see(self, request: web.Request, video: SimulatedVideo) -> bool:
        return video.privacy != "private" or (self._is_owner(request) and video.channel == CHANNEL)

    def _list_captions(self, request: web.Request) -> web.Response:
        video = self.videos.get(request.query.get("videoId", ""))
        if video is None:
            return _error(404, "videoNotFound", "youtube.caption")
        if video.channel != CHANNEL:
            return _error(403, "forbidden", "youtube.caption")
        return _listing([_as_caption(video, track) for track in video.tracks], len(video.tracks))

    def _download(self, request: web.Request) -> web.Response:
        wanted = request.match_info["track"]
        for video in self.videos.values():
            for track in video.tracks:
                if track.id == wanted:
                    if video.channel != CHANNEL:
                        return _error(403, "forbidden", "youtube.caption")
                    assert request.query["tfmt"] == "vtt"
                    return web.Response(body=track.as_vtt().encode(), content_type="application/octet-stream")
        return _error(404, "captionNotFound", "youtube.caption")

    # ── what browsers read ───────────────────────────────────────────────────────────────────────────────────────────

    async def _watch(self, request: web.Request) -> web.Response:
        self.requests.append("watch")
        if self.is_blocking_transcripts:
            return web.Response(status=429)
        return web.Response(
            text='<html><script>{"INNERTUBE_API_KEY":"public-key"}</script></html>', content_type="text/html"
        )

    async def _player(self, request: web.Request) -> web.Response:
        self.requests.append("player")
        video = self.videos.get((await request.json())["videoId"])
        if video is None or video.privacy == "private":
            return web.json_response({"playabilityStatus": {"status": "ERROR", "reason": "This video is unavailable"}})
        answer: dict[str, Any] = {"playabilityStatus": {"status": "OK"}}
        if video.tracks:
            tracks = [_as_player_track(video, track) for track in video.tracks]
            answer["captions"] = {"playerCaptionsTracklistRenderer": {"captionTracks": tracks}}
        return web.json_response(answer)

    async def _timed_text(self, request: web.Request) -> web.Response:
        self.requests.append("timedtext")
        video = self.videos[request.query["v"]]
        (track,) = [each for each in video.tracks if each.language == request.query["lang"]]
        texts = "".join(f'<text start="{start}" dur="{end - start}">{text}</text>' for start, end, text in track.cues)
        return web.Response(text=f"<transcript>{texts}</transcript>", content_type="text/xml")


def _as_resource(video: SimulatedVideo) -> dict[str, Any]:
    body = {
        "kind": "youtube#video",
        "id": video.id,
        "snippet": {
            "publishedAt": video.published,
            "channelId": video.channel,
            "title": video.title,
            "description": video.description,
            "liveBroadcastContent": video.broadcast,
            "defaultAudioLanguage": video.audio_language,
        },
        "contentDetails": {"duration": "PT3M", "caption": str(bool(video.tracks)).lower()},
        "status": {"uploadStatus": "processed", "privacyStatus": video.privacy},
    }
    return {**body, "etag": hashlib.sha256(json.dumps(body).encode()).hexdigest()[:20]}


def _as_caption(video: SimulatedVideo, track: Track) -> dict[str, Any]:
    snippet = {
        "videoId": video.id,
        "lastUpdated": track.updated,
        "trackKind": track.kind,
        "language": track.language,
        "name": "",
        "audioTrackType": "unknown",
        "isDraft": track.is_draft,
        "status": track.status,
    }
    return {"kind": "youtube#caption", "id": track.id, "snippet": snippet}


def _as_player_track(video: SimulatedVideo, track: Track) -> dict[str, Any]:
    return {
        "baseUrl": f"https://www.youtube.com/api/timedtext?v={video.id}&lang={track.language}",
        "name": {"runs": [{"text": track.language}]},
        "languageCode": track.language,
        "isTranslatable": False,
        **({"kind": "asr"} if track.kind == "asr" else {}),
    }


def _listing(items: list[dict[str, Any]], total: int, following: str = "") -> web.Response:
    page = {"nextPageToken": following} if following else {}
    return web.json_response({"items": items, "pageInfo": {"totalResults": total, "resultsPerPage": 50}, **page})


def _error(
    status: int, reason: str, domain: str = "global", details: list[dict[str, Any]] | None = None
) -> web.Response:
    entry = {"message": f"{reason}.", "domain": domain, "reason": reason}
    error: dict[str, Any] = {"code": status, "message": entry["message"], "errors": [entry]}
    return web.json_response({"error": error | ({"details": details} if details else {})}, status=status)


@asynccontextmanager
async def serve(port: int = 0) -> AsyncIterator[SimulatedYouTube]:
    youtube = SimulatedYouTube()
    async with run_server(youtube.app(), "127.0.0.1", port) as chosen:
        youtube.address = f"http://127.0.0.1:{chosen}"
        yield youtube
