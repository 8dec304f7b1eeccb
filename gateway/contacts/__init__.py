"""Contacts: finding one, showing what is known about them, and exporting everything that is held about them."""
