"""The web chat: sessions, the HTTP API, sockets, and the files of the widget."""
