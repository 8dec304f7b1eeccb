"""Twilio on loopback: its messages, contents and media, and the webhooks of a WhatsApp sender."""

from tests.simulators.twilio.vendor import Twilio

__all__ = ["Twilio"]
