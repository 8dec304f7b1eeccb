"""Socket Mode: Slack's events over a connection that we open."""
