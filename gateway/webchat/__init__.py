"""The web chat: sessions, sockets, messages, and attachments."""
