"""Renderers of canonical markdown, one module per channel."""
