"""Model providers on loopback (OpenAI's chat completions, Anthropic's messages, Google's generateContent): scripted,
with a record of every request."""
