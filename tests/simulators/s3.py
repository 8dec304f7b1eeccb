"""A server that speaks as much of S3 as attachments need: objects are put, read, listed and deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from aiohttp import web

LARGEST = 32 * 1024 * 1024
_PAGE = 3
"""Objects of one listing: so few that a listing of several pages is ordinary here."""


class Bucket:
    """``objects`` by path, the name of the bucket first. While ``down`` everything is refused."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.down = False

    async def handle(self, request: web.Request) -> web.Response:
        if self.down:
            return web.Response(status=403, text="<Error><Code>AccessDenied</Code></Error>")
        if request.method == "POST" and "delete" in request.query:
            return self._delete(request.path, await request.read())
        if "list-type" in request.query:
            return self._list(request)
        if request.method == "PUT":
            self.objects[request.path] = await request.read()
            return web.Response(headers={"ETag": '"1"'})
        if request.method == "DELETE":
            self.objects.pop(request.path, None)
            return web.Response(status=204)
        if request.path not in self.objects:
            return web.Response(status=404, text="<Error><Code>NoSuchKey</Code></Error>")
        stamp = {"ETag": '"1"', "Last-Modified": "Wed, 21 Oct 2026 07:28:00 GMT"}
        return web.Response(body=self.objects[request.path], headers=stamp)

    def _list(self, request: web.Request) -> web.Response:
        bucket = f"/{request.path.strip('/')}/"
        prefix, after = request.query.get("prefix", ""), request.query.get("continuation-token", "")
        names = sorted(path.removeprefix(bucket) for path in self.objects if path.startswith(bucket + prefix))
        left = [name for name in names if name > after]
        page = left[:_PAGE]
        more = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if len(left) > _PAGE else ""
        found = "".join(
            f"<Contents><Key>{escape(name)}</Key><Size>{len(self.objects[bucket + name])}</Size>"
            '<LastModified>2026-10-21T07:28:00.000Z</LastModified><ETag>"1"</ETag></Contents>'
            for name in page
        )
        return _xml(
            f"<ListBucketResult><IsTruncated>{str(bool(more)).lower()}</IsTruncated>{more}{found}</ListBucketResult>"
        )

    def _delete(self, path: str, body: bytes) -> web.Response:
        names = list(_keys(body))
        for name in names:
            self.objects.pop(f"/{path.strip('/')}/{name}", None)
        deleted = "".join(f"<Deleted><Key>{escape(name)}</Key></Deleted>" for name in names)
        return _xml(f"<DeleteResult>{deleted}</DeleteResult>")


def _keys(body: bytes) -> Iterable[str]:
    for element in ElementTree.fromstring(body).iter():  # our own client wrote it
        if element.tag.rpartition("}")[2] == "Key":
            yield element.text or ""


def _xml(text: str) -> web.Response:
    return web.Response(text=text, content_type="application/xml")


@asynccontextmanager
async def serving(bucket: Bucket) -> AsyncIterator[dict[str, str]]:
    """Gives the environment by which a client finds it."""
    app = web.Application(client_max_size=LARGEST)
    app.router.add_route("*", "/{key:.*}", bucket.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield {
            "AWS_ENDPOINT": f"http://127.0.0.1:{runner.addresses[0][1]}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "test-1",
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "key",
        }
    finally:
        await runner.cleanup()
