"""Text between Parley and the channels: rendered, split, read, cited, chosen from. Pure functions only."""

from connectors.markup.addresses import SCHEMES
from connectors.markup.choices import chosen, label, labels, numbered
from connectors.markup.dialects import Dialect
from connectors.markup.discord import DISCORD
from connectors.markup.graphemes import Measure, blank, characters, graphemes, printable, utf8, utf16
from connectors.markup.markdown import MAX_PARSED, plain_text_only
from connectors.markup.parts import Rendered, render
from connectors.markup.plain import PLAIN
from connectors.markup.reading import discord_text, slack_text
from connectors.markup.slack import SLACK
from connectors.markup.source_text import split
from connectors.markup.splitting import MIN_LIMIT
from connectors.markup.web import TAGS, html, plain_html
from connectors.markup.whatsapp import WHATSAPP

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
