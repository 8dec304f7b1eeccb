"""How long everything takes, in seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Times:
    """``ttl`` is how long a lease lives without being renewed every ``renew``; others look every ``look``. A holder
    that cannot renew is silent ``margin`` before the end, which is also what the clocks of two machines may differ by.
    A killed holder's account is so taken over within ``ttl + look``, and the time that connecting takes."""

    ttl: float = 6.0
    renew: float = 1.5
    look: float = 1.0
    margin: float = 1.5
    revoked: float = 300.0
    """Pause of an account that its vendor refuses, as it is for sending."""
    backoff: float = 1.0
    longest: float = 60.0
    """The first and the longest pause between two tries to connect; the vendor's own word counts for more. Between two
    tries to read a history the longest is the same."""
    overlap: float = 120.0
    """By how much what is asked again reaches into what was heard: two clocks, and what was on its way."""
    again: float = 2.0
    """Before a history that could not be read is asked again, at first."""
    noted: float = 10.0
    """How old the note of when an account was last heard may become."""
