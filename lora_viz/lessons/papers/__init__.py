"""Single papers in miniature."""
