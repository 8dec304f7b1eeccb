"""Discord's limits on the content of a message, checked field by field.

Source: the pages "Message Resource" and "Uploading Files" of Discord's documentation.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from tests.simulators.discord import components
from tests.simulators.discord.refusals import Form, refusal
from tests.simulators.vendor import File

CONTENT = 2000
CONTENT_IN_THE_SCHEMA = 4000
"""What a longer content is told; between the two the limit of accounts that pay for nothing is named."""
NONCE = 25
EMBEDS = 10
EMBED_TEXT = 6000
FILES = 10
FILE_BYTES = 10 * 1024**2
REQUEST_BYTES = 25 * 1024**2
SUPPRESS_EMBEDS, EPHEMERAL, SILENT, VOICE = 1 << 2, 1 << 6, 1 << 12, 1 << 13
SETTABLE = SUPPRESS_EMBEDS | EPHEMERAL | SILENT | VOICE | components.IS_V2
INVISIBLE = re.compile(r"[\s\u200b-\u200f\u2060\ufeff]*")


def check_message(body: Mapping[str, Any], uploads: Mapping[int, File], *, stickers: set[str]) -> None:
    """Refuses what is too long, too many, or of a wrong kind. Whether anything is left to send is another question."""
    form = Form()
    content = body.get("content")
    far = isinstance(content, str) and len(content) > CONTENT_IN_THE_SCHEMA
    form.text(("content",), content, CONTENT_IN_THE_SCHEMA if far else CONTENT)
    _check_nonce(form, body.get("nonce"))
    _check_embeds(form, form.items(("embeds",), body.get("embeds")))
    _check_mentions(form, body.get("allowed_mentions") or {})
    _check_flags(form, body)
    _check_stickers(form, form.items(("sticker_ids",), body.get("sticker_ids")), stickers)
    flags = body.get("flags") or 0
    v2 = bool(flags & components.IS_V2)
    components.check(form, form.items(("components",), body.get("components")), v2=v2)
    _check_files(form, form.items(("attachments",), body.get("attachments")), uploads)
    form.check()


def _check_nonce(form: Form, nonce: Any) -> None:
    if nonce is None:
        return
    if not isinstance(nonce, str | int) or isinstance(nonce, bool):
        form.wrong(("nonce",), "NONCE_TYPE_INVALID", "Nonce must be an integer or a string.")
    else:
        form.long(("nonce",), str(nonce), NONCE)


def _check_embeds(form: Form, embeds: list[Any]) -> None:
    form.long(("embeds",), embeds, EMBEDS)
    for index, embed in enumerate(embeds):
        _check_embed(form, ("embeds", index), embed)
    if sum(embed_length(embed) for embed in embeds if isinstance(embed, dict)) > EMBED_TEXT:
        words = f"Embed size exceeds maximum size of {EMBED_TEXT}"
        form.wrong(("embeds",), "MAX_EMBED_SIZE_EXCEEDED", words)


def _check_embed(form: Form, path: tuple[str | int, ...], embed: Any) -> None:
    if not isinstance(embed, dict):
        return form.wrong(path, "DICT_TYPE_CONVERT", "Only dictionaries may be used in a DictType")
    form.text((*path, "title"), embed.get("title"), 256)
    form.text((*path, "description"), embed.get("description"), 4096)
    form.text((*path, "footer", "text"), (embed.get("footer") or {}).get("text"), 2048)
    form.text((*path, "author", "name"), (embed.get("author") or {}).get("name"), 256)
    fields = embed.get("fields") or []
    form.long((*path, "fields"), fields, 25)
    for index, each in enumerate(fields):
        form.text((*path, "fields", index, "name"), each.get("name"), 256, least=1)
        form.text((*path, "fields", index, "value"), each.get("value"), 1024, least=1)
    url = embed.get("url")
    if url is not None and not str(url).startswith(("http://", "https://")):
        form.wrong((*path, "url"), "URL_TYPE_INVALID_SCHEME", f"Scheme \"{url}\" must be one of ('http', 'https').")
    if not embed_length(embed) and not embed.get("image") and not embed.get("thumbnail"):
        form.required((*path, "description"))
    return None


def embed_length(embed: Mapping[str, Any]) -> int:
    """The characters that count against the limit of a message."""
    texts = [embed.get("title"), embed.get("description")]
    texts += [(embed.get("footer") or {}).get("text"), (embed.get("author") or {}).get("name")]
    for each in embed.get("fields") or []:
        texts += [each.get("name"), each.get("value")]
    return sum(len(text) for text in texts if isinstance(text, str))


def _check_mentions(form: Form, allowed: Mapping[str, Any]) -> None:
    parse = allowed.get("parse") or []
    for index, kind in enumerate(parse):
        form.choice(("allowed_mentions", "parse", index), kind, ("users", "roles", "everyone"))
    for kind in ("users", "roles"):
        ids = allowed.get(kind) or []
        form.long(("allowed_mentions", kind), ids, 100)
        if ids and kind in parse:
            words = f'parse:["{kind}"] and {kind}: [ids...] are mutually exclusive.'
            form.wrong(("allowed_mentions",), "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", words)


def _check_flags(form: Form, body: Mapping[str, Any]) -> None:
    flags = body.get("flags") or 0
    if flags & ~SETTABLE:
        form.wrong(("flags",), "BITWISE_TYPE_INVALID", "Some of these flags cannot be set.")
    if flags & components.IS_V2:
        for name in ("content", "embeds", "sticker_ids", "poll"):
            if body.get(name):
                words = f"The '{name}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2"
                form.wrong((name,), "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", words)


def _check_stickers(form: Form, wanted: list[Any], known: set[str]) -> None:
    form.long(("sticker_ids",), wanted, 3)
    for index, each in enumerate(wanted):
        if str(each) not in known:
            form.wrong(("sticker_ids", index), "STICKER_INVALID", "Invalid sticker.")


def _check_files(form: Form, listed: list[Any], uploads: Mapping[int, File]) -> None:
    if len(uploads) > FILES or len(listed) > FILES:
        raise refusal(30015)
    if any(len(file.data) > FILE_BYTES for file in uploads.values()):
        raise refusal(40005)
    for index, each in enumerate(listed):
        if not isinstance(each, dict) or "id" not in each:
            form.required(("attachments", index, "id"))
            continue
        form.text(("attachments", index, "description"), each.get("description"), 1024)


def clean(content: Any) -> str:
    """The content as Discord keeps it: without half characters, and without space around it."""
    text = "".join(each for each in content or "" if unicodedata.category(each) != "Cs")
    return text.strip()


def is_blank(content: str) -> bool:
    """Nothing that a reader would see."""
    return INVISIBLE.fullmatch(content) is not None


def is_emoji(text: str) -> bool:
    """Good enough to refuse words: a short run of symbols, no letters, digits only as keycaps."""
    if not text or len(text) > 16:
        return False
    keycap = text.endswith("\u20e3")
    return keycap or (
        any(unicodedata.category(each) in ("So", "Sk") for each in text) and not any(map(str.isalnum, text))
    )
