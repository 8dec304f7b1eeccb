"""Draws messages of the simulated workspace as a page, as people have them on their screen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from tests.simulators.slack.markup import GLYPHS, Reader
from tests.simulators.slack.workspace import Json, Post, Room

LOOKS = Path(__file__).with_suffix(".css")
HUES = (12, 48, 150, 205, 262, 320)


def page(reader: Reader, title: str, shown: Iterable[str]) -> str:
    body = "\n".join(shown)
    head = f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title>"
    return f"{head}<style>{LOOKS.read_text()}</style><main><h1>{escape(title)}</h1>{body}</main></html>"


def channel(reader: Reader, room: Room) -> str:
    """The channel itself, the newest last, with what stands below each message counted."""
    shown = [_post(reader, post, _thread_of(reader, room, post)) for post in reversed(room.top())]
    return page(reader, f"# {room.name}", shown)


def thread(reader: Reader, room: Room, root: Post, viewer: str, *, after: str = "") -> str:
    """A thread as the person with the id ``viewer`` sees it, with what is shown to nobody else. ``after``: leave out
    what was posted up to there, the root too."""
    seen = [post for post in room.posts.values() if post.root == root.ts and post.to in ("", viewer)]
    posts = sorted((post for post in seen if post.ts > after), key=lambda post: post.ts)
    rule = f'<div class="rule"><span>{_count(len(room.replies(root.ts)))}</span></div>' if posts[0] is root else ""
    shown = [_post(reader, posts[0], rule), *(_post(reader, post) for post in posts[1:])]
    return page(reader, f"Thread in # {room.name}", shown)


def _count(number: int) -> str:
    return f"{number} {'reply' if number == 1 else 'replies'}"


def _thread_of(reader: Reader, room: Room, post: Post) -> str:
    replies = room.replies(post.ts)
    if not replies:
        return ""
    last = max(float(each.ts) for each in replies)
    return f'<p class="below"><a>{_count(len(replies))}</a> Last reply at {reader.time(last)}</p>'


def _post(reader: Reader, post: Post, below: str = "") -> str:
    body, name = post.body, post.author.display_name or post.author.name
    app = '<span class="app">APP</span>' if post.author.bot_id else ""
    private = '<p class="private">👁 Only visible to you</p>' if post.to else ""
    edited = ' <small class="edited">(edited)</small>' if body.get("edited") and not post.author.bot_id else ""
    said = f"<div class=text>{_said(reader, body)}{edited}</div>"
    hue = HUES[sum(map(ord, name)) % len(HUES)]
    face = f'<span class="face" style="--hue:{hue}">{escape("🪴" if post.author.bot_id else name[0])}</span>'
    about = f"<b>{escape(name)}</b>{app}<time>{reader.time(float(post.ts))}</time>"
    more = _files(body) + _reactions(body)
    kind = "post private" if post.to else "post"
    words = f"{private}<header>{about}</header>{said}{more}"
    return f'<article class="{kind}">{face}<div>{words}</div></article>{below}'


def _said(reader: Reader, body: Json) -> str:
    blocks: Sequence[Json] = body.get("blocks") or []
    return "".join(_block(reader, block) for block in blocks) or reader.html(str(body.get("text") or ""))


def _block(reader: Reader, block: Json) -> str:
    """Raises KeyError for a kind that nobody has drawn yet."""
    elements: Sequence[Json] = block.get("elements", [])
    kind = block["type"]
    if kind == "header":
        return f"<h2>{_text(reader, block['text'])}</h2>"
    if kind == "divider":
        return "<hr>"
    if kind == "markdown":
        return f"<p>{reader.html(block['text'])}</p>"
    if kind == "rich_text":
        return f"<p>{''.join(_rich(reader, each) for each in elements)}</p>"
    if kind == "context":
        return f"<p class=context>{' '.join(f'<span>{_text(reader, each)}</span>' for each in elements)}</p>"
    if kind == "actions":
        return f"<p class=actions>{''.join(_button(reader, each) for each in elements)}</p>"
    if kind != "section":
        raise KeyError(kind)
    words = f"<p>{_text(reader, block['text'])}</p>" if "text" in block else ""
    fields = "".join(f"<p>{_text(reader, each)}</p>" for each in block.get("fields", []))
    return words + (f"<div class=fields>{fields}</div>" if fields else "")


def _rich(reader: Reader, element: Json) -> str:
    if element["type"] == "user":
        return reader.html(f"<@{element['user_id']}>")
    inner = "".join(_rich(reader, each) for each in element.get("elements", []))
    return inner or reader.plain(str(element.get("text") or element.get("url", "")), emoji=False)


def _text(reader: Reader, text: Json) -> str:
    if text["type"] == "mrkdwn":
        return reader.html(text["text"])
    return reader.plain(text["text"], emoji=text.get("emoji", True))


def _button(reader: Reader, element: Json) -> str:
    if element["type"] != "button":
        return (
            f"<button class=menu>{_text(reader, element.get('placeholder', element['options'][0]['text']))} ⌄</button>"
        )
    return f'<button class="{element.get("style", "")}">{_text(reader, element["text"])}</button>'


def _files(body: Json) -> str:
    return "".join(f"<p class=file>📎 {escape(file.get('name', 'deleted'))}</p>" for file in body.get("files", []))


def _reactions(body: Json) -> str:
    found = body.get("reactions", [])
    shown = "".join(f"<span>{GLYPHS.get(each['name'], each['name'])} {each['count']}</span>" for each in found)
    return f"<p class=reactions>{shown}</p>" if shown else ""
