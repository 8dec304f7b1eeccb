"""What WhatsApp and Instagram share, because both are nodes of Meta's Graph API.

``webhooks``: signature, handshake, envelope. ``parts``: the pieces that updates are made of. ``choices``: our payload
behind a button. ``failures``: what an error code means. ``client``: requests, the only part that opens a socket.
"""
