"""The commands of ``parley``, one module for each group. Heavy modules are imported when a command runs."""
