"""Text between Parley and the channels: rendered, split, read, cited, chosen from. Pure functions only."""

from connectors.markup.choices import chosen, label, labels, numbered
from connectors.markup.dialects.dialect import Dialect
from connectors.markup.dialects.discord import DISCORD
from connectors.markup.dialects.plain import PLAIN
from connectors.markup.dialects.slack import SLACK
from connectors.markup.dialects.web import TAGS, html, plain_html
from connectors.markup.dialects.whatsapp import WHATSAPP
from connectors.markup.graphemes import Measure, blank, characters, graphemes, printable, utf8, utf16
from connectors.markup.link_safety import SCHEMES
from connectors.markup.markdown import MAX_PARSED, plain_text_only
from connectors.markup.parts import Rendered, render
from connectors.markup.source_text import split
from connectors.markup.splitting import MIN_LIMIT
from connectors.markup.vendor_text import discord_text, slack_text

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
    "Rendered",
    "blank",
    "characters",
    "chosen",
    "discord_text",
    "graphemes",
    "html",
    "label",
    "labels",
    "numbered",
    "plain_html",
    "plain_text_only",
    "printable",
    "render",
    "slack_text",
    "split",
    "utf8",
    "utf16",
]
