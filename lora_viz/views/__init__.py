"""One concept a file: a record of what was measured, how it is computed from a run, and how it is drawn."""
