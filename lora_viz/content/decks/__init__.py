"""Scenes in an order: decks as TOML files, questions before a picture, a deck as one file."""
