"""Proof of an e-mail address by a one-time code. A tenant's module creates the two actions::

from agent_worker.actions.one_time_codes import one_time_code

send_code, check_code = one_time_code(OrderNumber, address_of=address_on_order, send=send_mail)
"""

from agent_worker.actions.one_time_codes.actions import CHECK, SEND, one_time_code

__all__ = ["CHECK", "SEND", "one_time_code"]
