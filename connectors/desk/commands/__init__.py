"""Acts of people at the desk, carried out in the order in which they were done."""
