"""How fast the desk is kept, by what Slack takes of one app.

https://docs.slack.dev/apis/web-api/rate-limits
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Rate:
    """``per_second`` on average, ``at_once`` after a pause."""

    per_second: float
    at_once: int


@dataclass(frozen=True, slots=True)
class Tempo:
    """``gathering``: seconds in which what comes goes into one post; ``posts``: messages in one channel; ``updates``:
    changes of cards (50 a minute of the whole app, of which a part is left for owners' changes and edits);
    ``reactions``: marks (Slack takes 20 of their removals a minute); ``card_every``: seconds between two changes of one
    card, unless somebody else may speak; ``soon``: seconds until what had no turn is tried again."""

    gathering: float = 1.0
    posts: Rate = Rate(1.0, 2)
    updates: Rate = Rate(0.6, 15)
    reactions: Rate = Rate(0.33, 15)
    card_every: timedelta = timedelta(seconds=5)
    soon: timedelta = timedelta(seconds=3)

    def faster(self, factor: float) -> Tempo:
        """The same ratios in a shorter time."""

        def rate(one: Rate) -> Rate:
            return Rate(one.per_second * factor, one.at_once)

        return Tempo(
            gathering=self.gathering / factor,
            posts=rate(self.posts),
            updates=rate(self.updates),
            reactions=rate(self.reactions),
            card_every=self.card_every / factor,
            soon=self.soon / factor,
        )


USUAL = Tempo()
