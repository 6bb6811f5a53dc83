"""One model through every runtime of the machine."""
