"""The machine, worked examples, and the ways in."""
