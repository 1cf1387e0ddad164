"""Rank from the ground."""
