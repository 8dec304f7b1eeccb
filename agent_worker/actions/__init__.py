"""The API for action authors::

    from agent_worker.actions import ActionContext, ActionRefused, action, exceeds

    class Refund(BaseModel):
        order: str = Field(pattern=r"A-\\d{4}")
        amount: Decimal = Field(gt=0, max_digits=8, decimal_places=2)

    @action(risk="write", needs="verified", approve=exceeds("amount", 50), examples=["I want my money back"])
    async def refund(context: ActionContext, arguments: Refund) -> Refunded:
        \"\"\"Pay money back for an order.\"\"\"

Parley loads an action by module path, by file, or by an entry point in the group ``parley.actions``: see ``registry``.
"""

from agent_worker.actions.context import ActionContext, Identity
from agent_worker.actions.failures import ActionFailed, ActionRefused, ActionUnknown
from agent_worker.actions.spec import Action, AmountLimit, action, exceeds

__all__ = [
    "Action",
    "ActionContext",
    "ActionFailed",
    "ActionRefused",
    "ActionUnknown",
    "AmountLimit",
    "Identity",
    "above",
    "action",
    "exceeds",
]

above = exceeds  # its name in earlier releases, which tenants' modules may still import
