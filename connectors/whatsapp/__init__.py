"""WhatsApp: Meta's Cloud API, or Twilio in front of it."""
