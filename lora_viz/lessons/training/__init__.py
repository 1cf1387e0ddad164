"""Starts, scaling, and what happens over the steps."""
