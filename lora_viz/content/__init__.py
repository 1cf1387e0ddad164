"""Texts with answers: glossary, literature, quiz, challenges."""
