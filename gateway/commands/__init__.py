"""The commands of ``parley``, one module a group. They import typer alone; what is heavy, when it is used."""
