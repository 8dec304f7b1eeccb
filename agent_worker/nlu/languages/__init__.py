"""One table of phrases per language."""
