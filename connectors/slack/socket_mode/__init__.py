"""Socket Mode: Slack's events over a connection of ours."""
