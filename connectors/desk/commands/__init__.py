"""What people do at the desk, carried out in the order in which they did it."""
