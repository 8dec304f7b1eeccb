"""A model provider on loopback: OpenAI's chat completions, scripted, with a record of every request."""
