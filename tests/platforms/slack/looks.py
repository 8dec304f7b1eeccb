"""A thread of the simulated workspace as a page, for pictures of what people see. Its looks are our own."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from datetime import UTC, datetime

from tests.platforms.slack.people import EMOJI
from tests.platforms.slack.workspace import Json, Post, Workspace

SHOWN = {name: sign for sign, name in EMOJI.items()} | {"envelope": "✉️", "x": "❌"}
_ENTITY = re.compile(r"&lt;([@#!]?)([^|&]*)(?:\|(.*?))?&gt;")
_MARKS = (
    (r"\*([^*\n]+)\*", r"<b>\1</b>"),
    (r"(?<!\w)_([^_\n]+)_(?!\w)", r"<i>\1</i>"),
    (r"`([^`\n]+)`", r"<code>\1</code>"),
)
STYLE = """
:root { --back: #fff; --text: #1d1c1d; --weak: #616061; --line: #ddd; --raised: #fff; --first: #00704f }
@media (prefers-color-scheme: dark) {
  :root { --back: #1a1d21; --text: #e8e8e8; --weak: #ababad; --line: #41454a; --raised: #222529; --first: #148567 } }
body { margin: 0; padding: 18px 22px; background: var(--back); color: var(--text);
  font: 15px/1.47 "Noto Sans", "DejaVu Sans", sans-serif }
.post { display: grid; grid-template-columns: 36px 1fr; gap: 10px; padding: 8px 0 }
.face { width: 36px; height: 36px; border-radius: 6px; display: grid; place-items: center; color: #fff }
.who, .small, code, .mark, .count { font-size: 13px }
.who, .small, .count { color: var(--weak) }
.who b { margin-right: 6px; color: var(--text); font-size: 15px }
h3 { margin: 6px 0 4px; font-size: 18px }
.block { margin: 4px 0; white-space: pre-wrap; overflow-wrap: anywhere }
.small > span { margin-right: 8px }
code, .act, .mark, .file { border: 1px solid var(--line); border-radius: 8px }
code { border-radius: 3px; padding: 0 3px }
.acts { display: flex; flex-wrap: wrap; gap: 8px; margin: 8px 0 2px }
.act { padding: 5px 12px; background: var(--raised); font-weight: 600; font-size: 14px }
.act.primary { background: var(--first); border-color: var(--first); color: #fff }
.act.danger { color: #d72b5c }
.mark { display: inline-block; border-radius: 12px; padding: 0 8px; margin: 4px 6px 0 0 }
.file { padding: 8px 12px; margin-top: 4px; display: inline-block }
.count { border-top: 1px solid var(--line); margin: 8px 0; padding-top: 8px }
"""


SIGNS = {"🧑‍💼": "●", "💬": "▸", "🤖": "◆", "🛠️": "§", "📎": "§"}
"""For what a machine without a font of emoji cannot show."""


def page(posts: Sequence[Post], workspace: Workspace) -> str:
    """The first begins the thread."""
    root, *replies = posts
    count = f'<div class="count">{len(replies)} replies</div>' if replies else ""
    body = _post(root, workspace) + count + "".join(_post(each, workspace) for each in replies)
    for sign, other in SIGNS.items():
        body = body.replace(sign, other)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Thread</title><style>{STYLE}</style><body>{body}'
    )


def _post(post: Post, workspace: Workspace) -> str:
    name, color = post.author.name, "#2f6f4f" if post.author.kind == "bot" else "#7a4fbf"
    at = datetime.fromtimestamp(float(post.ts), UTC).strftime("%H:%M")
    said = "".join(_block(block, workspace) for block in post.body.get("blocks", []))
    said = said or f'<div class="block">{_text(str(post.body.get("text") or ""), workspace)}</div>'
    files = "".join(
        f'<div class="file">📄 {html.escape(each.get("name", "file"))}</div>' for each in post.body.get("files", [])
    )
    marks = "".join(
        f'<span class="mark">{SHOWN.get(each["name"], each["name"])} 1</span>'
        for each in post.body.get("reactions", [])
    )
    kind = " · app" if post.author.kind == "bot" else ""
    who = f'<div class="who"><b>{html.escape(name)}</b>{at}{kind}</div>'
    face = f'<div class="face" style="background:{color}">{html.escape(name[:1])}</div>'
    return f'<div class="post">{face}<div>{who}{said}{files}{marks}</div></div>'


def _block(block: Json, workspace: Workspace) -> str:
    match block["type"]:
        case "header":
            return f"<h3>{html.escape(block['text']['text'])}</h3>"
        case "section":
            return f'<div class="block">{_said(block["text"], workspace)}</div>'
        case "context":
            parts = (f"<span>{_said(each, workspace)}</span>" for each in block["elements"])
            return f'<div class="block small">{"".join(parts)}</div>'
        case "actions":
            made = (
                f'<span class="act {each.get("style", "")}">{html.escape(each["text"]["text"])}</span>'
                for each in block["elements"]
            )
            return f'<div class="acts">{"".join(made)}</div>'
        case "rich_text":
            return f'<div class="block">{html.escape(_rich(block))}</div>'
    return ""


def _rich(element: Json) -> str:
    return str(element.get("text") or "") + "".join(_rich(each) for each in element.get("elements", []))


def _said(text: Json, workspace: Workspace) -> str:
    return html.escape(text["text"]) if text["type"] == "plain_text" else _text(text["text"], workspace)


def _text(mrkdwn: str, workspace: Workspace) -> str:
    """Entities and marks as they are read; all else is shown as it stands."""
    shown = html.escape(html.unescape(mrkdwn.replace("<", "\0").replace(">", "\1")), quote=False)
    shown = _ENTITY.sub(lambda match: _entity(match, workspace), shown.replace("\0", "&lt;").replace("\1", "&gt;"))
    for mark, read in _MARKS:
        shown = re.sub(mark, read, shown)
    return shown


def _entity(match: re.Match[str], workspace: Workspace) -> str:
    sign, target, label = match.groups()
    if sign == "!" and target.startswith("date^"):
        return datetime.fromtimestamp(int(target.split("^")[1]), UTC).strftime("%H:%M")
    if sign == "@" and (person := workspace.by_id(target)) is not None:
        return f"@{html.escape(person.name)}"
    if sign == "#" and target in workspace.rooms:
        return f"#{html.escape(workspace.rooms[target].name)}"
    return label or target
