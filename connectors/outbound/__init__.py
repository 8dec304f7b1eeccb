"""The outbound path, the same for every channel: policy, intent, send, record."""
