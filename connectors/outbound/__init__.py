"""The outbound pipeline, the same for every channel: policy, pace, intent, send, record."""
