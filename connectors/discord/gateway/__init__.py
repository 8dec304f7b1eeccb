"""A bot's connection to Discord's gateway: sockets, sessions, and backfill."""
