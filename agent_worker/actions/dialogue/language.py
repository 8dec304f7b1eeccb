"""Which of the languages with phrases a message is written in."""

from __future__ import annotations

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_GERMAN = _words(
    """
    abbrechen aber alles am auf bestellung bis bitte das dass dem der die doch ein eine einen für geht geld
    gern guten habe hallo heute ich ihr im ist ja kann kannst kommt können könnt lieferung mein meine meinen mich mir
    mit möchte morgen nein nicht noch nummer oder paket schon sie sind stornieren termin und von wann warum was welche
    wie will wir wo würde zu zum zurück
    """
)
_ENGLISH = _words(
    """
    a all am and are book but can cancel could delivery do for from have hello hi how i is it like me mind money move
    my no not of on order please refund send some thanks that the this to want was what when where which will would
    yes you your
    """
)


def language_of(text: str, default: str) -> str:
    """``default`` (a locale) when the text is in its language, or says nothing of its own."""
    words = re.findall(r"[^\W\d_]+", text.lower())
    german, english = (sum(word in known for word in words) for known in (_GERMAN, _ENGLISH))
    if german == english:
        return default or "en"
    found = "de" if german > english else "en"
    return default if default.lower().startswith(found) else found
