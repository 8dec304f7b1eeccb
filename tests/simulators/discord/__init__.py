"""A Discord on loopback: REST and gateway v10 as far as a support bot uses them, and people who write to it."""

from tests.simulators.discord.vendor import Discord as Discord
