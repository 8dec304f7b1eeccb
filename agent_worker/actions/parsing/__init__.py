"""Typed values from customers' own words, without a model: order numbers, dates, amounts, addresses, choices."""

from agent_worker.actions.parsing.fields import Field, fields_of, in_language
from agent_worker.actions.parsing.readings import Context, Problem, Reading

__all__ = ["Context", "Field", "Problem", "Reading", "fields_of", "in_language"]
