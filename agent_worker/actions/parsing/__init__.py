"""Typed values from customers' own words, without a model: order numbers, dates, amounts, addresses, choices."""

from agent_worker.actions.parsing.amounts import format_amount
from agent_worker.actions.parsing.dates import format_date
from agent_worker.actions.parsing.fields import Field, fields_of, in_language
from agent_worker.actions.parsing.parsed_values import ParseContext, ParsedValue, Problem

__all__ = [
    "Field",
    "ParseContext",
    "ParsedValue",
    "Problem",
    "fields_of",
    "format_amount",
    "format_date",
    "in_language",
]
