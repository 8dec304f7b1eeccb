"""The desk in Slack: where people take over conversations, answer in a thread, and give them back."""
