"""Instagram's direct messages, by Meta's Graph API."""
