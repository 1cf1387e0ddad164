"""Variants of LoRA, and the map of settings."""
