"""Composition: the only package that opens adapters and hands them out."""
