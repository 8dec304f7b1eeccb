"""Sound and pictures that contacts send, made safe and small for the programs that look at them."""
