"""The inbound pipeline, the same for every channel: resolve the contact, append to the bus, then acknowledge."""
