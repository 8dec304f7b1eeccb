"""Instagram's direct messages, through Meta's Graph API."""
