"""WhatsApp through Twilio. ``signature`` verifies, ``inbound`` parses, ``outbound`` renders, ``errors`` interprets
failures; ``connection``, ``client``, ``files`` and ``history`` make requests and alone import Twilio's library."""
