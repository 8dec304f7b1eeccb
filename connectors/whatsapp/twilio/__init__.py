"""WhatsApp at Twilio: ``signature`` lets in, ``inbound`` reads, ``outbound`` writes, ``errors`` judges; ``connection``,
``client``, ``files`` and ``history`` make requests, and alone import Twilio's library."""

from connectors.whatsapp.twilio.provider import Twilio

__all__ = ["Twilio"]
