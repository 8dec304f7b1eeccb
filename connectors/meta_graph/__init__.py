"""Shared parts of WhatsApp and Instagram, which both use Meta's Graph API.

``webhooks``: signature, handshake, envelope. ``models``: parts of updates. ``sealed_choices``: signed payloads of
buttons. ``errors``: meaning of error codes. ``client``: requests, the only part that opens a socket.
"""
