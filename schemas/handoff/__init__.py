"""Ownership of conversations: the rules and the service that change it, approvals of actions, and business hours.

``rules`` decides (pure functions), ``requests`` builds the owner requests that follow from events, and ``service``
performs what people do: it alone calls ``Conversations.own``. The admin API, the console, every desk
and the worker use these and have no rules of their own.
"""
