"""The inbound path, the same for every channel: resolve, append, then acknowledge."""
