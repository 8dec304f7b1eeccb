"""Conversion between Parley's markdown and the channels' text formats: rendering, splitting, parsing, citations,
choices. Pure functions."""

from connectors.markup.dialects.dialect import Dialect
from connectors.markup.dialects.discord import DISCORD
from connectors.markup.dialects.plain_text import PLAIN
from connectors.markup.dialects.slack import SLACK
from connectors.markup.dialects.web import TAGS, render_html, render_plain_html
from connectors.markup.dialects.whatsapp import WHATSAPP
from connectors.markup.graphemes import (
    Measure,
    clean_text,
    count_characters,
    count_utf8,
    count_utf16,
    shorten,
    split_graphemes,
)
from connectors.markup.labels import find_labels
from connectors.markup.link_safety import SCHEMES
from connectors.markup.markdown import MAX_PARSED, plain_text_only
from connectors.markup.parts import RenderedText, build_labels, render
from connectors.markup.splitting import MIN_LIMIT
from connectors.markup.vendor_text import parse_discord_text, parse_slack_text
from schemas.validation.texts import is_blank

__all__ = [
    "DISCORD",
    "MAX_PARSED",
    "MIN_LIMIT",
    "PLAIN",
    "SCHEMES",
    "SLACK",
    "TAGS",
    "WHATSAPP",
    "Dialect",
    "Measure",
    "RenderedText",
    "build_labels",
    "clean_text",
    "count_characters",
    "count_utf8",
    "count_utf16",
    "find_labels",
    "is_blank",
    "parse_discord_text",
    "parse_slack_text",
    "plain_text_only",
    "render",
    "render_html",
    "render_plain_html",
    "shorten",
    "split_graphemes",
]
