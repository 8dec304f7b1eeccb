"""Erasures at full size: words that are nowhere else are planted everywhere, and searched for in every byte."""
