"""Parameters, shapes, papers, words."""
