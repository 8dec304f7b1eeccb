"""What an action is made of, for whoever writes one::

    from agent_worker.actions import ActionContext, ActionRefused, above, action

    class Refund(BaseModel):
        order: str = Field(pattern=r"A-\\d{4}")
        amount: Decimal = Field(gt=0, max_digits=8, decimal_places=2)

    @action(risk="write", needs="verified", approve=above("amount", 50), examples=["I want my money back"])
    async def refund(context: ActionContext, arguments: Refund) -> Refunded:
        \"\"\"Pay money back for an order.\"\"\"

It is found by module path, by file, or by an entry point in the group ``parley.actions``: see ``registry``.
"""

from agent_worker.actions.context import ActionContext, Identity
from agent_worker.actions.failures import ActionFailed, ActionRefused, ActionUnknown
from agent_worker.actions.spec import Above, Action, above, action

__all__ = [
    "Above",
    "Action",
    "ActionContext",
    "ActionFailed",
    "ActionRefused",
    "ActionUnknown",
    "Identity",
    "above",
    "action",
]
