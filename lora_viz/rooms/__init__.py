"""Rooms: an audience answers on its phones, and what it thought is drawn on what was measured."""
