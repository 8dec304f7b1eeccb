"""The default of ``knowledge.answerable_above``. It stands alone because configuration is read without NumPy."""

ANSWERABLE_ABOVE = 0.75
"""The confidence from which an answer is given, unless the tenant has set another. On trades that were held out, about
six of a hundred replies then quote a wrong section, with any encoder."""
