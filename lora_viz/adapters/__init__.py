"""Adapter files: opened without trust, read one tensor at a time, measured from their factors, written again."""
