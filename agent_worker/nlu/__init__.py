"""Danger, wishes and small talk in the languages that customers write, by phrases and by likeness to examples."""
